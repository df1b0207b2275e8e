// Latent attention and the index before it, in ServingGraph.
#include "workloads/serving_graph.hpp"

#include <algorithm>

namespace orrery {

namespace {

// Prompts of the tables' modules also take 20 ns a token on H100 (17 on B200) and 0.6 ns a token and head more than the operators here,
// which no engine that fuses or compiles its rotation is known to have. Their attention takes half as long as the kernels of its own
// tables: 1,110 of 989 TFLOP/s on H100, if they computed all scores.
constexpr int latent_kernels = 11; // around latent attention: joints of its parts, split plan, sum over the splits, transposes, and the
                                   // rotation in pieces; tables of modules that are not compiled have them
constexpr int fused_latent_kernels = 3; // where one attention operator, or a compiler, has all but copies and the sum
constexpr int index_kernels = 8;        // norm, rotation, two Hadamard transforms, two casts, gates' scale, writing of the key
constexpr int choice_kernels = 2;       // of the best scores: histogram, gathering

} // namespace

void ServingGraph::latent_inputs(const BlockBuilder& b, List& list) const {
  const Sizes& s = b.size;
  const LatentAttention& l = b.model.latent;
  linear(b, list, "latent_down", s.hidden, l.kv_rank + l.query_rank + l.rope_dim, false);
  const double normed = s.tokens * (l.kv_rank + l.query_rank) * s.element;
  b.streaming(list, "latent_norm", OpClass::normalization, normed, normed, l.query_rank > 0 ? 2 : 1);
  linear(b, list, "query_up", l.query_rank > 0 ? l.query_rank : s.hidden, s.query, false);
  if (l.index_keys > 0) { // on every rank of a tensor-parallel group alike
    linear(b, list, "index_queries", l.query_rank, static_cast<double>(l.index_heads) * l.index_dim, false);
    b.plain_matmul(list, "index_key", OpClass::gemm, {.m = s.tokens, .n = static_cast<double>(l.index_dim + l.index_heads), .k = s.hidden});
    const double scored = s.tokens * (l.index_heads + 1) * l.index_dim;
    b.streaming(list, "index_cast", OpClass::cast, scored * s.element, scored * element_bytes(Precision::fp8), index_kernels);
  }
  const double rotated = s.tokens * (s.heads + 1) * l.rope_dim * s.element;
  const double kept = s.tokens * (l.kv_rank + l.rope_dim);
  b.streaming(list, "rotary_cache", OpClass::elementwise, rotated + kept * s.element, rotated + kept * element_bytes(job_.kv),
              software_.serving.fused_rotary_cache ? 1 : 2);
}

/// Small kernels around latent attention, over queries of that width.
void ServingGraph::latent_copies(const BlockBuilder& b, List& list, double width) const {
  const ServingTraits& e = software_.serving;
  const double bytes = b.size.tokens * b.size.heads * width * b.size.element;
  b.streaming(list, "latent_copies", OpClass::normalization, bytes, bytes,
              e.fused_rotary_cache || e.compiled_layers ? fused_latent_kernels : latent_kernels);
}

/// Scores of every key for the index, and the choice of the best. Scoring is one product where attention has two: half as many heads.
void ServingGraph::index_scores(const BlockBuilder& b, List& list, const FusedAttention& over) const {
  const LatentAttention& l = b.model.latent;
  FusedAttention scores = over;
  scores.heads = l.index_heads / 2.0;
  scores.kv_heads = 1;
  scores.head_dim = l.index_dim;
  scores.value_dim = 0;
  scores.window = 0;
  scores.shared_values = true;
  scores.kept_bytes = l.index_bytes() / l.index_dim;
  list.push_back({.name = "index_scores", .op_class = OpClass::attention, .precision = job_.precision, .shape = scores});
  const double chosen = over.batch * over.queries * std::min<double>(over.keys, l.index_keys) * fp32_bytes;
  const double all = over.batch * over.queries * over.keys * fp32_bytes;
  b.streaming(list, "index_choice", OpClass::softmax, all, chosen, choice_kernels);
}

/// Attention over latents, all heads reading the same, between the products that take queries to the latent's width and values back.
void ServingGraph::absorbed(const BlockBuilder& b, List& list, FusedAttention shape) const {
  const LatentAttention& l = b.model.latent;
  const auto absorb = [&](const char* name, double in, double out) {
    b.plain_matmul(list, name, OpClass::attention, {.batch = b.size.heads, .m = b.size.tokens, .n = out, .k = in});
  };
  if (l.index_keys > 0)
    index_scores(b, list, shape);
  absorb("query_absorb", b.size.head_dim - l.rope_dim, l.kv_rank);
  shape.kv_heads = 1;
  shape.head_dim = l.kv_rank + l.rope_dim;
  shape.value_dim = l.kv_rank;
  shape.window = l.index_keys;
  shape.shared_values = true;
  list.push_back({.name = "attention", .op_class = OpClass::attention, .precision = job_.precision, .shape = shape});
  absorb("value_expand", l.kv_rank, l.value_dim);
  latent_copies(b, list, shape.head_dim);
}

} // namespace orrery
