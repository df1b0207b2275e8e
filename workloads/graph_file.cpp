#include "workloads/graph_file.hpp"

#include "hardware/words.hpp"
#include "workloads/schedule.hpp"
#include "workloads/skip_schedule.hpp"
#include "workloads/tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace orrery {

namespace {

const Table<BlockFile>& block_table() {
  using B = BlockFile;
  static const Table<B> table =
      Table<B>("block", "Operators that repeat as a unit, for one micro-batch on one rank.")
          .text("name", &B::name, {.required = true, .help = "name that chunks use"})
          .list("forward", &B::forward, operator_table(), {.help = "operators of the forward pass in order"})
          .list("backward", &B::backward, operator_table(), {.help = "operators of the backward pass in order, recomputed ones first"})
          .quantity("activations", &B::activations, size_in_bytes("kept from forward to backward, per micro-batch"))
          .quantity("host_activations", &B::host_activations, size_in_bytes("the same in host memory"))
          .quantity("storage_activations", &B::storage_activations, size_in_bytes("the same on drives"))
          .quantity("working_set", &B::working_set, size_in_bytes("live at the peak inside the block beyond what is kept"))
          .number("parameters", &B::parameters, {.max = 1e15, .help = "elements held by one rank, experts apart"})
          .number("expert_parameters", &B::expert_parameters, {.max = 1e15, .help = "elements of experts held by one rank"});
  return table;
}

const Table<ChunkFile>& chunk_table() {
  static const Table<BlockUseFile> use = Table<BlockUseFile>("block use", "A block, some times in a row.")
                                             .text("block", &BlockUseFile::block, {.required = true, .help = "name of a block"})
                                             .count("count", &BlockUseFile::count, {.min = 1, .max = 100'000, .help = "times in a row"});
  static const Table<ChunkFile> table = Table<ChunkFile>("chunk", "What a stage runs between two communications.")
                                            .text("name", &ChunkFile::name, {.required = true, .help = "name that stages use"})
                                            .list("blocks", &ChunkFile::blocks, use, {.required = true, .help = "its blocks in order"})
                                            .check([](const ChunkFile& chunk, const Report& report) {
                                              if (chunk.blocks.empty())
                                                report.error("blocks", "no block", "at least one");
                                            });
  return table;
}

const Table<StageFile>& stage_table() {
  using S = StageFile;
  static const Table<S> table =
      Table<S>("stage", "One pipeline stage.")
          .texts("chunks", &S::chunks, {.required = true, .help = "names of its chunks, one per virtual stage"})
          .list("step", &S::step, operator_table(), {.help = "operators once per step after the last backward pass"})
          .quantity("parameters", &S::parameters, size_in_bytes("per rank; by default the blocks' in the graph's precision"))
          .quantity("gradients", &S::gradients, size_in_bytes("per rank"))
          .quantity("optimizer", &S::optimizer, size_in_bytes("per rank, after sharding"))
          .quantity("host", &S::host, size_in_bytes("of these states, what lies in host memory instead"))
          .quantity("storage", &S::storage, size_in_bytes("of these states, what lies on drives instead"));
  return table;
}

/// Names that are given twice, or used without being given.
template <class Items> std::set<std::string> check_names(const Items& items, const char* key, const Report& report) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!names.insert(items[i].name).second)
      report.error(fmt::format("{}.{}.name", key, i), fmt::format("a second {}", shown(items[i].name)), "names that differ");
  }
  return names;
}

void check_known(const std::set<std::string>& names, const std::string& name, const char* what, const std::string& key,
                 const Report& report) {
  if (names.count(name) > 0)
    return;
  const std::vector<std::string> candidates(names.begin(), names.end());
  report.error(key, fmt::format("no {} of the name {}", what, shown(name)), fmt::format("{}", fmt::join(candidates, ", ")),
               did_you_mean(name, candidates));
}

void check_references(const GraphFile& file, const Report& report) {
  const std::set<std::string> blocks = check_names(file.blocks, "blocks", report);
  const std::set<std::string> chunks = check_names(file.chunks, "chunks", report);
  for (std::size_t c = 0; c < file.chunks.size(); ++c) {
    for (std::size_t b = 0; b < file.chunks[c].blocks.size(); ++b)
      check_known(blocks, file.chunks[c].blocks[b].block, "block", fmt::format("chunks.{}.blocks.{}.block", c, b), report);
  }
  for (std::size_t s = 0; s < file.stages.size(); ++s) {
    for (std::size_t v = 0; v < file.stages[s].chunks.size(); ++v)
      check_known(chunks, file.stages[s].chunks[v], "chunk", fmt::format("stages.{}.chunks.{}", s, v), report);
  }
  if (file.blocks.empty())
    report.error("blocks", "no block", "at least one");
  if (file.stages.empty() && file.chunks.size() > 1)
    report.error("stages", fmt::format("none, with {} chunks", file.chunks.size()), "stages that name their chunks");
  if (file.chunks.empty() && !file.stages.empty())
    report.error("chunks", "none, with stages that name some", "the chunks of the stages");
}

void check_groups(const GraphFile& file, const Report& report) {
  double ranks = 1;
  for (const auto& [group, shape] : file.groups)
    ranks *= group == Group::tensor || group == Group::data || group == Group::pipeline ? shape.size : 1;
  if (ranks > max_ranks) {
    report.error("groups", fmt::format("{} ranks", exact_number(ranks)), fmt::format("at most {}", exact_number(max_ranks)));
    return;
  }
  const GroupShapes groups = groups_of(file);
  const GroupShape tensor = groups.at(Group::tensor), data = groups.at(Group::data), pipeline = groups.at(Group::pipeline);
  const GroupShape ends = groups.at(Group::embedding);
  const bool tensor_inside = (tensor.size == 1 || tensor.stride == 1) && (data.size == 1 || data.stride == tensor.size);
  const bool data_inside = (data.size == 1 || data.stride == 1) && (tensor.size == 1 || tensor.stride == data.size);
  if (!tensor_inside && !data_inside)
    report.error("groups", fmt::format("strides {} of tensor and {} of data leave out or repeat ranks", tensor.stride, data.stride),
                 "1 for the inner group, its size for the outer");
  if (pipeline.stride != tensor.size * data.size)
    report.error("groups.pipeline", fmt::format("stride {}", pipeline.stride), fmt::format("tensor x data = {}", tensor.size * data.size));
  if (ends.size > 1 && (ends.size > 2 || static_cast<double>(ends.stride) != static_cast<double>(pipeline.stride) * (pipeline.size - 1)))
    report.error("groups.embedding", fmt::format("size {}, stride {}", ends.size, ends.stride), "the first and the last stage");
}

void check_schedule(const GraphFile& file, const Report& report) {
  const auto pipeline = file.groups.find(Group::pipeline);
  const int stages = pipeline == file.groups.end() ? 1 : pipeline->second.size;
  const auto given = static_cast<int>(std::max<std::size_t>(1, file.stages.size()));
  if (given != stages)
    report.error("stages", fmt::format("{} stages", given), fmt::format("{}, the size of the pipeline group", stages));
  if (const int chunks = chunks_per_stage(file.schedule, 1); file.virtual_stages != chunks && file.schedule != ScheduleKind::interleaved)
    report.error("virtual_stages", fmt::format("{} without the interleaved schedule", file.virtual_stages), fmt::format("{}", chunks),
                 "write 'schedule: interleaved'");
  if (file.schedule == ScheduleKind::dualpipe && (file.micro_batches % 2 != 0 || stages % 2 != 0))
    report.error("micro_batches", fmt::format("{} on {} stages in DualPipe", file.micro_batches, stages), "even numbers of both");
  if (file.skip_stages > 0 && file.schedule != ScheduleKind::skip_pipe)
    report.error("skip_stages", fmt::format("{} without the schedule of SkipPipe", file.skip_stages), "0", "write 'schedule: skippipe'");
  else if (const auto problem = skip_problem(stages, file.micro_batches, file.skip_stages))
    report.error("skip_stages", *problem,
                 "a stage between the first and the last for every micro-batch, and a micro-batch for every stage");
  if (file.schedule == ScheduleKind::interleaved && file.micro_batches % stages != 0)
    report.error("micro_batches", fmt::format("{} in an interleaved schedule", file.micro_batches),
                 fmt::format("a multiple of the {} stages", stages));
  if (static_cast<double>(file.micro_batches) * file.virtual_stages > 1e6)
    report.error("micro_batches", fmt::format("{} x {} virtual stages", file.micro_batches, file.virtual_stages), "at most 1000000 passes");
  for (std::size_t s = 0; s < file.stages.size(); ++s) {
    if (static_cast<int>(file.stages[s].chunks.size()) != file.virtual_stages)
      report.error(fmt::format("stages.{}.chunks", s), fmt::format("{} chunks", file.stages[s].chunks.size()),
                   fmt::format("{}, one per virtual stage", file.virtual_stages));
  }
}

const Table<StepFlops>& flops_table() {
  static const Table<StepFlops> table =
      Table<StepFlops>("flops", "FLOPs of one step over all ranks.")
          .quantity("full_attention", &StepFlops::full_attention, flop_count("model FLOPs with attention over the full square"))
          .quantity("causal", &StepFlops::causal, flop_count("model FLOPs with attention over the causal half"))
          .quantity("executed", &StepFlops::executed, flop_count("what the kernels compute, recomputation included"));
  return table;
}

} // namespace

const Table<GraphFile>& graph_file_table() {
  using G = GraphFile;
  static const Table<GroupFile> group =
      Table<GroupFile>("group", "Ranks base + i x stride, i < size.")
          .count("size", &GroupFile::size, {.min = 1, .max = max_ranks, .help = "ranks"})
          .count("stride", &GroupFile::stride, {.max = max_ranks, .help = "distance; by default tensor inside data inside pipeline"});
  static const Table<G> table =
      Table<G>("graph", "An operator graph: what has to be computed, moved and kept, by whom and in which order.")
          .text("name", &G::name, {.required = true, .help = "name in reports"})
          .choice("precision", &G::precision, training_precision_words(), {.help = "of parameters, and of operators that name none"})
          .object_map("groups", &G::groups, group_words(), group, {.help = "parallel groups; by default one rank"})
          .choice("schedule", &G::schedule, schedule_words(), {.help = "order of the passes of a stage"})
          .count("micro_batches", &G::micro_batches, {.min = 1, .max = 1'000'000, .help = "per step and replica"})
          .count("virtual_stages", &G::virtual_stages, {.min = 1, .max = 10'000, .help = "chunks per stage (interleaved)"})
          .count("skip_stages", &G::skip_stages, {.max = 10'000, .help = "that each micro-batch leaves out (skippipe)"})
          .flag("overlap_p2p", &G::overlap_p2p, {.help = "pipeline messages do not hold up the compute stream"})
          .quantity("boundary_forward", &G::boundary_forward, size_in_bytes("sent by a rank to the next stage after a forward pass"))
          .quantity("boundary_backward", &G::boundary_backward, size_in_bytes("sent by a rank to the previous stage after a backward pass"))
          .list("blocks", &G::blocks, block_table(), {.required = true, .help = "what chunks are made of"})
          .list("chunks", &G::chunks, chunk_table(), {.help = "by default one, with every block once"})
          .list("stages", &G::stages, stage_table(), {.help = "pipeline stages; by default one, with the only chunk"})
          .object("flops", &G::flops, flops_table(), {.help = "by default what the operators add up to"})
          .number("tokens", &G::tokens, positive("per step; by default the sequences", false))
          .number("sequences", &G::sequences, positive("per step; by default micro_batches x data-parallel replicas", false))
          .check(check_references)
          .check(check_groups)
          .check(check_schedule);
  return table;
}

OpClass standard_class(const OperatorFile& op) {
  if (op.matmul || op.grouped)
    return OpClass::gemm;
  if (op.attention || op.scan)
    return OpClass::attention;
  if (op.update)
    return OpClass::optimizer;
  return op.collective || op.transfer ? OpClass::communication : OpClass::elementwise;
}

GroupShapes groups_of(const GraphFile& file) {
  GroupShapes groups;
  int stride = 1;
  const auto add = [&](Group group, int size, int standard) {
    const auto given = file.groups.find(group);
    const bool known = given != file.groups.end();
    groups[group] = {known ? given->second.size : size, known ? given->second.stride.value_or(standard) : standard};
  };
  for (const Group group : {Group::tensor, Group::data, Group::pipeline}) {
    add(group, 1, stride);
    stride *= groups[group].size;
  }
  const GroupShape& pipeline = groups[Group::pipeline];
  add(Group::embedding, pipeline.size > 1 ? 2 : 1, stride - stride / pipeline.size);
  for (const auto& [group, shape] : file.groups)
    if (group > Group::embedding || group == Group::context)
      add(group, 1, 1);
  return groups;
}

} // namespace orrery
