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

const Choices<OpClass>& class_words() {
  static const Choices<OpClass> words = {{"gemm", OpClass::gemm},
                                         {"attention", OpClass::attention},
                                         {"softmax", OpClass::softmax},
                                         {"normalization", OpClass::normalization},
                                         {"elementwise", OpClass::elementwise},
                                         {"embedding", OpClass::embedding},
                                         {"head", OpClass::head},
                                         {"loss", OpClass::loss},
                                         {"optimizer", OpClass::optimizer},
                                         {"cast", OpClass::cast},
                                         {"block_cast", OpClass::block_cast},
                                         {"communication", OpClass::communication}};
  return words;
}

NumberOptions positive(std::string help, bool required = true) {
  return {.above = 0, .max = 1e15, .required = required, .help = std::move(help)};
}

QuantityOptions<Bytes> size_in_bytes(std::string help) { return {.max = Bytes{1e18}, .unit_hint = "MB", .help = std::move(help)}; }
QuantityOptions<Flops> flop_count(std::string help) { return {.max = Flops{1e30}, .unit_hint = "GFLOP", .help = std::move(help)}; }

const Table<Matmul>& matmul_table() {
  static const Table<Matmul> table =
      Table<Matmul>("matmul", "batch x (m x k) * (k x n).")
          .number("batch", &Matmul::batch, positive("independent products", false))
          .number("m", &Matmul::m, positive("rows of the result"))
          .number("n", &Matmul::n, positive("columns of the result"))
          .number("k", &Matmul::k, positive("length of the inner products"))
          .number("result_bytes", &Matmul::result_bytes,
                  {.max = 64, .help = "moved per element of an accumulated result; 0 = written once"})
          .number("weight_bytes", &Matmul::weight_bytes, {.max = 8, .help = "memory per element of the k x n operand; 0 = as the other"})
          .flag("mixed", &Matmul::mixed, {.help = "weights in fewer bits are multiplied as they are kept"});
  return table;
}

const Table<ExpertTile>& tile_table() {
  static const Table<ExpertTile> table = Table<ExpertTile>("tile", "Tile of a kernel; 0 x 0 = what suits best.")
                                             .number("rows", &ExpertTile::rows, {.max = 1024, .help = "of the result"})
                                             .number("columns", &ExpertTile::columns, {.max = 1024, .help = "of the result"});
  return table;
}

const Table<IdleTiles>& idle_table() {
  using I = IdleTiles;
  static const Table<I> table = Table<I>("idle tiles", "Tiles over rows of other ranks' experts.")
                                    .number("count", &I::count, positive("how many", false))
                                    .number("tile_rows", &I::tile_rows, {.max = 1024, .help = "rows of one"})
                                    .number("rows", &I::rows, {.max = 1e15, .help = "rows that they fill with zeros"});
  return table;
}

const Table<GroupedMatmul>& grouped_table() {
  using G = GroupedMatmul;
  static const Table<G> table =
      Table<G>("grouped", "Products of several groups of rows with a matrix of their own each (experts).")
          .number("groups", &G::groups, positive("groups, with a matrix each"))
          .number("rows", &G::rows, positive("rows of all groups together"))
          .number("busiest", &G::busiest, {.max = 1e15, .help = "rows of the largest group; 0 = all alike"})
          .number("n", &G::n, positive("columns of the result"))
          .number("k", &G::k, positive("length of the inner products"))
          .flag("weight_gradient", &G::weight_gradient, {.help = "the inner products run over the rows"})
          .number("weight_bytes", &G::weight_bytes, {.max = 8, .help = "memory per element of a matrix; 0 = as the rows"})
          .flag("mixed", &G::mixed, {.help = "weights in fewer bits are multiplied as they are kept"})
          .flag("block_scaled", &G::block_scaled, {.help = "both operands have a scale for each block of elements"})
          .object("tile", &G::tile, tile_table(), {.help = "the kernel's tile, as the software sets it"})
          .object("idle", &G::idle, idle_table(), {.help = "tiles over rows of other ranks' experts"});
  return table;
}

const Table<FusedAttention>& attention_table() {
  using A = FusedAttention;
  static const Table<A> table =
      Table<A>("attention", "A fused attention kernel.")
          .number("batch", &A::batch, positive("sequences", false))
          .number("heads", &A::heads, positive("query heads of one rank"))
          .number("kv_heads", &A::kv_heads, positive("key/value heads of one rank"))
          .number("head_dim", &A::head_dim, positive("width of a head"))
          .number("queries", &A::queries, positive("queries per sequence"))
          .number("keys", &A::keys, positive("keys per sequence, the queries' own included"))
          .number("value_dim", &A::value_dim, {.max = 1e15, .help = "width of a value; 0 = head_dim"})
          .number("window", &A::window, {.max = 1e15, .help = "keys that a query reaches back; 0 = all"})
          .flag("causal", &A::causal, {.help = "a query sees only the keys before it"})
          .flag("backward", &A::backward, {.help = "the gradient's kernel"})
          .flag("shared_values", &A::shared_values, {.help = "values are part of the keys (absorbed latent attention)"})
          .number("kept_bytes", &A::kept_bytes, {.max = 8, .help = "memory per element of a key or value; 0 = as the operands"});
  return table;
}

const Table<Streaming>& stream_table() {
  static const Table<Streaming> table = Table<Streaming>("stream", "Reads and writes each of its operands about once.")
                                            .quantity("read", &Streaming::read, size_in_bytes("read from memory"))
                                            .quantity("written", &Streaming::written, size_in_bytes("written to memory"))
                                            .quantity("flops", &Streaming::flops, flop_count("on the vector unit"));
  return table;
}

const Choices<Overlap>& overlap_words() {
  static const Choices<Overlap> words = {{"none", Overlap::none}, {"next", Overlap::next}, {"pass", Overlap::pass}};
  return words;
}

const Table<TierTransfer>& transfer_table() {
  using T = TierTransfer;
  static const Table<T> table =
      Table<T>("transfer", "Bytes between device memory and a tier outside it.")
          .choice("tier", &T::tier, tier_words(), {.help = "host memory or drives"})
          .quantity("in", &T::in, size_in_bytes("to the device"))
          .quantity("out", &T::out, size_in_bytes("from the device"))
          .choice("overlap", &T::overlap, overlap_words(), {.help = "what it runs beside: the next operator, or the whole pass"});
  return table;
}

const Table<ChunkScan>& scan_table() {
  using S = ChunkScan;
  static const Table<S> table = Table<S>("scan", "A state that runs along sequences and is updated chunk by chunk.")
                                    .number("sequences", &S::sequences, positive("each with a state of its own", false))
                                    .number("heads", &S::heads, positive("of a sequence, each with a state of its own"))
                                    .number("tokens", &S::tokens, positive("of a sequence"))
                                    .number("chunk", &S::chunk, positive("tokens that are worked on at once", false))
                                    .number("flops", &S::flops, positive("of one token and head, forward"))
                                    .number("bytes", &S::bytes, {.max = 1e15, .help = "moved for one token and head, forward"})
                                    .flag("backward", &S::backward);
  return table;
}

const Table<TierUpdate>& update_table() {
  using U = TierUpdate;
  static const Table<U> table =
      Table<U>("update", "Element-wise update of states that lie outside the device.")
          .choice("tier", &U::tier, tier_words(), {.help = "where the states lie"})
          .choice("place", &U::place, update_place_words(), {.help = "who updates them"})
          .number("device_share", &U::device_share, {.max = 1, .help = "of a split update; 0 = the share that ends first"})
          .quantity("states", &U::states, size_in_bytes("read and written"))
          .quantity("gradients", &U::gradients, size_in_bytes("read where the states lie"))
          .quantity("parameters", &U::parameters, size_in_bytes("written in the working precision"))
          .choice("parameters_tier", &U::parameters_tier, tier_words(), {.help = "where they are written"})
          .quantity("flops", &U::flops, flop_count("of the whole update"))
          .count("beside_forward", &U::beside_forward, {.max = 1'000'000, .help = "forward passes of every chunk that it runs beside"})
          .count("beside_backward", &U::beside_backward, {.max = 1'000'000, .help = "the same of backward passes"})
          .flag("serial", &U::serial, {.help = "each part of the way waits for the one before"})
          .quantity("rescaled", &U::rescaled, size_in_bytes("gradients that the processors read and write in a pass of its own first"));
  return table;
}

const Table<Collective>& collective_table() {
  QuantityOptions<Bytes> bytes = size_in_bytes("the full buffer: before an all-reduce or reduce-scatter, after an all-gather");
  bytes.above = Bytes{};
  bytes.required = true;
  static const Table<Collective> table =
      Table<Collective>("collective", "Communication of a group of ranks.")
          .choice("kind", &Collective::kind, collective_words(), {.required = true, .help = "what is done"})
          .choice("group", &Collective::group, group_words(), {.required = true, .help = "who takes part"})
          .quantity("bytes", &Collective::bytes, bytes)
          .choice("overlap", &Collective::overlap, overlap_words(), {.help = "what it runs beside: the next operator, or the whole pass"})
          .flag("in_memory", &Collective::in_memory, {.help = "sums are made by the memory that parts arrive in (T3)"});
  return table;
}

void check_operator(const OperatorFile& op, const Report& report) {
  const int shapes = op.matmul.has_value() + op.grouped.has_value() + op.attention.has_value() + op.stream.has_value() +
                     op.collective.has_value() + op.transfer.has_value() + op.update.has_value() + op.scan.has_value();
  if (shapes != 1)
    report.error("", fmt::format("{} shapes in operator {}", shapes, shown(op.name)),
                 "one of matmul, grouped, attention, scan, stream, collective, transfer, update");
  if (op.attention && std::max(op.attention->heads, op.attention->kv_heads) != op.attention->heads)
    report.error("attention.kv_heads", fmt::format("{} key/value heads for {} heads", op.attention->kv_heads, op.attention->heads));
}

const Table<OperatorFile>& operator_table() {
  using O = OperatorFile;
  static const Table<O> table =
      Table<O>("operator", "One operator of one micro-batch on one rank.")
          .text("name", &O::name, {.required = true, .help = "name in reports"})
          .choice("class", &O::op_class, class_words(), {.help = "what its cost is reported under; by default that of its shape"})
          .choice("precision", &O::precision, precision_words(), {.help = "by default the graph's"})
          .object("matmul", &O::matmul, matmul_table(), {.help = "a matrix product"})
          .object("grouped", &O::grouped, grouped_table(), {.help = "matrix products of experts"})
          .object("attention", &O::attention, attention_table(), {.help = "a fused attention kernel"})
          .object("stream", &O::stream, stream_table(), {.help = "memory traffic"})
          .object("collective", &O::collective, collective_table(), {.help = "communication"})
          .object("transfer", &O::transfer, transfer_table(), {.help = "bytes to or from a tier outside the device"})
          .object("scan", &O::scan, scan_table(), {.help = "state that runs along sequences"})
          .object("update", &O::update, update_table(), {.help = "update of states outside the device"})
          .count("kernels", &O::kernels, {.min = 1, .max = 1'000'000, .help = "device kernels that the host launches"})
          .flag("recomputed", &O::recomputed, {.help = "repeats forward work in a backward pass"})
          .flag("weight_gradient", &O::weight_gradient, {.help = "only the optimizer waits for it"})
          .check(check_operator);
  return table;
}

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
