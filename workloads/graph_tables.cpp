#include "workloads/graph_tables.hpp"

#include "workloads/graph_file.hpp"
#include "workloads/step_flops.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

namespace {

Operator operator_of(const OperatorFile& file, Precision precision) {
  Operator op{.name = file.name,
              .op_class = file.op_class.value_or(standard_class(file)),
              .precision = file.precision.value_or(precision),
              .kernels = file.kernels,
              .recomputed = file.recomputed,
              .weight_gradient = file.weight_gradient};
  if (file.matmul)
    op.shape = *file.matmul;
  else if (file.grouped)
    op.shape = *file.grouped;
  else if (file.attention)
    op.shape = *file.attention;
  else if (file.stream)
    op.shape = *file.stream;
  else if (file.transfer)
    op.shape = *file.transfer;
  else if (file.update)
    op.shape = *file.update;
  else if (file.scan)
    op.shape = *file.scan;
  else
    op.shape = file.collective.value_or(Collective{});
  return op;
}

OperatorFile file_of(const Operator& op, Precision precision) {
  OperatorFile file{.name = op.name, .kernels = op.kernels, .recomputed = op.recomputed, .weight_gradient = op.weight_gradient};
  if (const auto* matmul = std::get_if<Matmul>(&op.shape))
    file.matmul = *matmul;
  else if (const auto* grouped = std::get_if<GroupedMatmul>(&op.shape))
    file.grouped = *grouped;
  else if (const auto* attention = std::get_if<FusedAttention>(&op.shape))
    file.attention = *attention;
  else if (const auto* stream = std::get_if<Streaming>(&op.shape))
    file.stream = *stream;
  else if (const auto* transfer = std::get_if<TierTransfer>(&op.shape))
    file.transfer = *transfer;
  else if (const auto* update = std::get_if<TierUpdate>(&op.shape))
    file.update = *update;
  else if (const auto* scan = std::get_if<ChunkScan>(&op.shape))
    file.scan = *scan;
  else
    file.collective = std::get<Collective>(op.shape);
  if (op.op_class != standard_class(file))
    file.op_class = op.op_class;
  if (op.precision != precision)
    file.precision = op.precision;
  return file;
}

std::vector<Operator> operators_of(const std::vector<OperatorFile>& files, Precision precision) {
  std::vector<Operator> list;
  for (const OperatorFile& file : files)
    list.push_back(operator_of(file, precision));
  return list;
}

std::vector<OperatorFile> files_of(std::span<const Operator> list, Precision precision) {
  std::vector<OperatorFile> files;
  for (const Operator& op : list)
    files.push_back(file_of(op, precision));
  return files;
}

template <class Items> int index_of(const Items& items, const std::string& name) {
  const auto found = std::find_if(items.begin(), items.end(), [&](const auto& item) { return item.name == name; });
  return static_cast<int>(found - items.begin());
}

void resolve_chunks(const GraphFile& file, OpGraph& graph) {
  for (const ChunkFile& chunk : file.chunks) {
    Chunk& resolved = graph.chunks.emplace_back();
    for (const BlockUseFile& use : chunk.blocks)
      resolved.blocks.push_back({index_of(file.blocks, use.block), use.count});
  }
  if (file.chunks.empty()) {
    Chunk& all = graph.chunks.emplace_back();
    for (std::size_t b = 0; b < file.blocks.size(); ++b)
      all.blocks.push_back({static_cast<int>(b), 1});
  }
}

void resolve_stages(const GraphFile& file, OpGraph& graph) {
  for (const StageFile& stage : file.stages) {
    Stage& resolved = graph.stages.emplace_back();
    for (const std::string& chunk : stage.chunks)
      resolved.chunks.push_back(index_of(file.chunks, chunk));
    if (!stage.step.empty()) {
      resolved.step = static_cast<int>(graph.steps.size());
      graph.steps.push_back(operators_of(stage.step, file.precision));
    }
    resolved.gradients = stage.gradients;
    resolved.optimizer = stage.optimizer;
    resolved.host = stage.host;
    resolved.storage = stage.storage;
  }
  if (file.stages.empty())
    graph.stages.push_back({.chunks = {0}});
  for (std::size_t s = 0; s < graph.stages.size(); ++s) {
    Stage& stage = graph.stages[s];
    double elements = 0;
    for (const int chunk : stage.chunks) {
      for (const BlockUse& use : graph.chunks[static_cast<std::size_t>(chunk)].blocks)
        elements += use.count * graph.blocks[static_cast<std::size_t>(use.block)].parameters;
    }
    const Bytes standard{elements * element_bytes(file.precision)};
    stage.parameters = file.stages.empty() ? standard : file.stages[s].parameters.value_or(standard);
  }
}

OpGraph resolve(const GraphFile& file) {
  OpGraph graph{.name = file.name,
                .precision = file.precision,
                .groups = groups_of(file),
                .schedule = file.schedule,
                .micro_batches = file.micro_batches,
                .virtual_stages = file.virtual_stages,
                .skip_stages = file.skip_stages,
                .overlap_p2p = file.overlap_p2p,
                .boundary_forward = file.boundary_forward,
                .boundary_backward = file.boundary_backward};
  for (const BlockFile& block : file.blocks)
    graph.blocks.push_back({.name = block.name,
                            .forward = operators_of(block.forward, file.precision),
                            .backward = operators_of(block.backward, file.precision),
                            .activations = block.activations,
                            .host_activations = block.host_activations,
                            .storage_activations = block.storage_activations,
                            .working_set = block.working_set,
                            .parameters = block.parameters,
                            .expert_parameters = block.expert_parameters});
  resolve_chunks(file, graph);
  resolve_stages(file, graph);
  graph.flops = file.flops ? *file.flops : summed_flops(graph);
  graph.sequences = file.sequences.value_or(static_cast<double>(file.micro_batches) * graph.groups.at(Group::data).size);
  graph.tokens = file.tokens.value_or(graph.sequences);
  return graph;
}

/// Leaves out what reads back to the same, and puts what is small on one line.
yaml::Node compact(const yaml::Node& node, const TableInfo& table) {
  yaml::Node result = yaml::map();
  for (const yaml::Entry& entry : node.entries) {
    const FieldInfo* field = table.find(entry.key);
    if (field == nullptr || (!field->required && entry.value == field->default_value))
      continue;
    yaml::Node value = entry.value;
    if (field->shape.kind == ShapeKind::object)
      value = compact(entry.value, *field->shape.table);
    if (field->shape.kind == ShapeKind::map)
      value = yaml::on_one_line(entry.value);
    if (field->shape.kind == ShapeKind::list && field->shape.item->kind == ShapeKind::object) {
      for (yaml::Node& item : value.items)
        item = compact(item, *field->shape.item->table);
    }
    result.set(entry.key, std::move(value));
  }
  const bool small = table.name() != "graph" && table.name() != "block" && table.name() != "stage";
  return small ? yaml::on_one_line(result) : result;
}

} // namespace

const TableInfo& graph_table() { return graph_file_table(); }

OpGraph read_graph(const yaml::Node& node, Diagnostics& diagnostics, const std::string& path) {
  const std::size_t before = diagnostics.size();
  const GraphFile file = graph_file_table().read(node, diagnostics, path);
  return diagnostics.size() == before ? resolve(file) : OpGraph{.name = file.name};
}

yaml::Node write_graph(const OpGraph& graph) {
  GraphFile file{.name = graph.name,
                 .precision = graph.precision,
                 .schedule = graph.schedule,
                 .micro_batches = graph.micro_batches,
                 .virtual_stages = graph.virtual_stages,
                 .skip_stages = graph.skip_stages,
                 .overlap_p2p = graph.overlap_p2p,
                 .boundary_forward = graph.boundary_forward,
                 .boundary_backward = graph.boundary_backward,
                 .flops = graph.flops,
                 .tokens = graph.tokens,
                 .sequences = graph.sequences};
  for (std::size_t g = 0; g < group_kinds; ++g)
    if (const auto group = static_cast<Group>(g); group <= Group::embedding || graph.groups.at(group).size > 1)
      file.groups[group] = {graph.groups.at(group).size, graph.groups.at(group).stride};
  for (const Block& block : graph.blocks)
    file.blocks.push_back({.name = block.name,
                           .forward = files_of(block.forward, graph.precision),
                           .backward = files_of(block.backward, graph.precision),
                           .activations = block.activations,
                           .host_activations = block.host_activations,
                           .storage_activations = block.storage_activations,
                           .working_set = block.working_set,
                           .parameters = block.parameters,
                           .expert_parameters = block.expert_parameters});
  for (std::size_t c = 0; c < graph.chunks.size(); ++c) {
    ChunkFile& chunk = file.chunks.emplace_back(ChunkFile{.name = fmt::format("chunk-{}", c)});
    for (const BlockUse& use : graph.chunks[c].blocks)
      chunk.blocks.push_back({graph.blocks[static_cast<std::size_t>(use.block)].name, use.count});
  }
  for (const Stage& stage : graph.stages) {
    StageFile& written = file.stages.emplace_back(StageFile{.step = files_of(graph.step_of(stage), graph.precision),
                                                            .parameters = stage.parameters,
                                                            .gradients = stage.gradients,
                                                            .optimizer = stage.optimizer,
                                                            .host = stage.host,
                                                            .storage = stage.storage});
    for (const int chunk : stage.chunks)
      written.chunks.push_back(file.chunks[static_cast<std::size_t>(chunk)].name);
  }
  return compact(graph_file_table().write(file), graph_file_table());
}

} // namespace orrery
