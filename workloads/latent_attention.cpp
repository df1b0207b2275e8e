#include "workloads/latent_attention.hpp"

namespace orrery {

namespace {

using List = BlockBuilder::List;

struct LatentSizes {
  double down;    ///< width of all that the down projections make
  double latent;  ///< of these, what is normalised
  double queries; ///< input of the queries' projection on this rank
  double keys;    ///< keys without positions, and values, on this rank

  explicit LatentSizes(const BlockBuilder& b) {
    const LatentAttention& l = b.model.latent;
    latent = l.kv_rank + l.query_rank;
    down = latent + l.rope_dim;
    queries = l.query_rank > 0 ? l.query_rank : b.size.hidden;
    keys = b.size.heads * (b.size.head_dim - l.rope_dim + l.value_dim);
  }
};

/// Gathers (forward) or scatters (backward) a tensor of `width` over the sequence shards.
void exchange(const BlockBuilder& b, List& list, const char* name, CollectiveKind kind, double width) {
  if (b.plan.sequence_parallel)
    b.collective(list, name, kind, b.size.tokens * width * b.size.element);
}

void latent_norm(const BlockBuilder& b, List& list, const char* name, double latent, bool backward) {
  const double bytes = b.size.shard * latent * b.size.element;
  b.streaming(list, name, OpClass::normalization, (backward ? 3 : 1) * bytes, bytes, backward ? 4 : 2);
}

/// Rotation of the positions' part, and keys and queries put together from their parts.
void rotary(const BlockBuilder& b, List& list, const char* name) {
  const double assembled = b.size.tokens * 2 * b.size.query * b.size.element;
  b.streaming(list, name, OpClass::elementwise, assembled, assembled, 4);
}

/// Casts of the input and of the weights. `readers` = layers that cast the input, each its own.
void forward_casts(const BlockBuilder& b, List& list, const std::string& name, double rows, double in, double out, int readers,
                   bool of_norm) {
  if (!b.low_precision(OpClass::gemm))
    return;
  b.cast(list, name, {.elements = rows * in, .times = static_cast<double>(readers), .of_norm = of_norm});
  b.cast_weights(list, name, in * out);
}

void backward_products(const BlockBuilder& b, List& list, const char* dgrad, const char* product, double rows, double in, double out) {
  if (b.low_precision(OpClass::gemm))
    b.cast(list, std::string(product) + "_grad", {.elements = rows * out});
  b.matmul(list, dgrad, OpClass::gemm, {.m = rows, .n = in, .k = out});
  b.weight_gradient(list, product, OpClass::gemm, {.m = out, .n = in, .k = rows});
}

} // namespace

void latent_projections(const BlockBuilder& b, List& list) {
  const Sizes& s = b.size;
  const LatentAttention& l = b.model.latent;
  const LatentSizes z(b);
  forward_casts(b, list, "latent_down", s.shard, s.hidden, z.down, l.query_rank > 0 ? 2 : 1, false);
  b.matmul(list, "latent_down", OpClass::gemm, {.m = s.shard, .n = z.down, .k = s.hidden});
  latent_norm(b, list, "latent_norm", z.latent, false);
  exchange(b, list, "latent_gather", CollectiveKind::all_gather, l.query_rank > 0 ? z.down : z.down + s.hidden);
  forward_casts(b, list, "query_up", s.tokens, z.queries, s.query, 1, true);
  b.matmul(list, "query_up", OpClass::gemm, {.m = s.tokens, .n = s.query, .k = z.queries});
  forward_casts(b, list, "key_value_up", s.tokens, l.kv_rank, z.keys, 1, true);
  b.matmul(list, "key_value_up", OpClass::gemm, {.m = s.tokens, .n = z.keys, .k = static_cast<double>(l.kv_rank)});
  rotary(b, list, "rotary");
}

void latent_projections_backward(const BlockBuilder& b, List& list) {
  const Sizes& s = b.size;
  const LatentAttention& l = b.model.latent;
  const LatentSizes z(b);
  rotary(b, list, "rotary_backward");
  backward_products(b, list, "key_value_up_dx", "key_value_up", s.tokens, l.kv_rank, z.keys);
  backward_products(b, list, "query_up_dx", "query_up", s.tokens, z.queries, s.query);
  const double scattered = l.query_rank > 0 ? z.down : z.down + s.hidden;
  if (b.plan.sequence_parallel)
    exchange(b, list, "latent_scatter", CollectiveKind::reduce_scatter, scattered);
  else // the down projections are whole on every rank, and see the gradients of all heads
    b.collective(list, "latent_reduce", CollectiveKind::all_reduce, s.tokens * scattered * s.element);
  latent_norm(b, list, "latent_norm_back", z.latent, true);
  backward_products(b, list, "latent_down_dx", "latent_down", s.shard, s.hidden, z.down);
}

double latent_elements(const BlockBuilder& b) {
  if (b.model.latent.kv_rank == 0)
    return 0;
  const LatentSizes z(b);
  return b.size.shard * (z.down + z.latent); // before and after the norms
}

double latent_rank_parameters(const BlockBuilder& b) {
  const Sizes& s = b.size;
  const LatentSizes z(b);
  return s.hidden * z.down + z.latent + z.queries * s.query + b.model.latent.kv_rank * z.keys + s.context * s.hidden +
         b.model.latent.index_parameters(s.hidden);
}

} // namespace orrery
