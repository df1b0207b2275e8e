// The blocks of a decoder-only transformer for one micro-batch on one tensor-parallel rank.
#pragma once

#include "workloads/graph.hpp"
#include "workloads/transformer.hpp"

namespace orrery {

/// One transformer layer. Its backward list starts with whatever the plan recomputes.
Block layer_block(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software, LayerKind kind);
/// The model's last layer.
Block layer_block(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software);

/// Whether its tokens attend to others, within a window or not.
bool attends(LayerKind kind);

class BlockBuilder;
/// Elements of a layer on one rank, experts apart. Norms are whole on every rank.
double rank_parameters(const BlockBuilder& b);

/// The kinds of layers that a job tells apart, in the order of their first layers. A window that no sequence fills is none.
std::vector<LayerKind> layer_kinds(const TrainingJob& job);

/// Adds `count` layers from `first` on to a chunk, by the places of their kinds in `kinds`.
void add_layers(Chunk& chunk, const TrainingJob& job, const std::vector<LayerKind>& kinds, int first, int count);

/// Token (and position) embedding at the start of the first chunk.
Block embedding_block(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software);

/// Final norm, LM head and loss at the end of the last chunk.
Block head_block(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software);

/// What a prediction layer puts before its transformer layer: the next token's embedding beside the hidden state, projected to one width.
Block prediction_entry_block(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software);

/// Head and loss of a prediction layer; the matrix is that of the model's head.
Block prediction_head_block(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software);

/// Gathers a pipeline message that arrived in tensor-parallel shares; both lists may be empty.
Block receive_block(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software);

} // namespace orrery
