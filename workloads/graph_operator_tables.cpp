// The operators of a graph's file, by their shape.
#include "hardware/words.hpp"
#include "workloads/graph_file.hpp"
#include "workloads/tables.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

NumberOptions positive(std::string help, bool required) { return {.above = 0, .max = 1e15, .required = required, .help = std::move(help)}; }

QuantityOptions<Bytes> size_in_bytes(std::string help) { return {.max = Bytes{1e18}, .unit_hint = "MB", .help = std::move(help)}; }
QuantityOptions<Flops> flop_count(std::string help) { return {.max = Flops{1e30}, .unit_hint = "GFLOP", .help = std::move(help)}; }

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

} // namespace

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

} // namespace orrery
