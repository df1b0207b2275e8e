// Parameter tables of the workloads: what a scenario and a catalogue file may say of a model, a plan, a training job and a software
// release.
#pragma once

#include "sim/base/params.hpp"
#include "workloads/transformer.hpp"

#include <optional>
#include <string_view>

namespace orrery {

const Table<TransformerModel>& model_table();
const Table<Routing>& routing_table();
const Table<Plan>& plan_table();
const Table<SoftwareProfile>& software_table();

/// A training job's own keys. `model` is a catalogue name, a file that ends in .json (a published config.json) or .yaml, or an
/// inline map.
const Table<TrainingJob>& training_table();

const Catalogue& model_catalogue();    ///< workloads/catalogue/models, and config.json files
const Catalogue& software_catalogue(); ///< workloads/catalogue/software

const Choices<ScheduleKind>& schedule_words();
const Choices<CollectiveKind>& collective_words();
/// The collective of a word; nothing where it is none.
std::optional<CollectiveKind> collective_of(std::string_view word);
const Choices<Group>& group_words();
const Choices<Tier>& tier_words();
const Choices<UpdatePlace>& update_place_words();
const Choices<Recompute>& recompute_words();
const Choices<Module>& module_words();
const Choices<Wire>& wire_words();
/// Precisions that a model is trained in.
const Choices<Precision>& training_precision_words();

/// The largest number of ranks that a plan may ask for: products of its degrees stay within an int.
inline constexpr double max_ranks = 10'000'000;

} // namespace orrery
