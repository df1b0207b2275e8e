#include "hardware/provenance.hpp"
#include "hardware/words.hpp"
#include "workloads/tables.hpp"

#include <fmt/format.h>

namespace orrery {

namespace {

NumberOptions size_of(double max, std::string help) { return {.min = 1, .max = max, .required = true, .help = std::move(help)}; }
NumberOptions part_of(double max, std::string help) { return {.max = max, .help = std::move(help)}; }

void require(int value, const char* key, const char* with, const Report& report) {
  if (value == 0)
    report.error(key, fmt::format("0 with {}", with), "at least 1");
}

void check_experts(const TransformerModel& model, const Report& report) {
  const Experts& e = model.experts;
  if (e.count == 0)
    return;
  require(e.hidden, "experts.hidden", "experts", report);
  if (e.top_k > e.count)
    report.error("experts.top_k", fmt::format("{} of {} experts", e.top_k, e.count), fmt::format("at most {}", e.count));
  if (e.count % e.groups != 0)
    report.error("experts.groups", fmt::format("{} groups of {} experts", e.groups, e.count), "a divisor of the experts");
  else if (e.top_groups > e.groups || e.count / e.groups * e.top_groups < e.top_k)
    report.error("experts.top_groups", fmt::format("{} of {} groups", e.top_groups, e.groups),
                 fmt::format("at most the groups, with {} experts in them", e.top_k));
}

void check_pattern(const TransformerModel& model, const Report& report) {
  if (model.pattern.empty())
    return;
  if (model.pattern.size() != static_cast<std::size_t>(model.layers))
    report.error("pattern", fmt::format("{} letters", model.pattern.size()), fmt::format("one for each of {} layers", model.layers));
  if (model.pattern.find_first_not_of("M*-E") != std::string::npos)
    report.error("pattern", fmt::format("'{}'", model.pattern), "letters M (recurrent), * (attention), - (dense), E (experts)");
  if (model.pattern.find('M') != std::string::npos)
    require(model.recurrent.heads, "recurrent.heads", "M in the pattern", report);
  if (model.pattern.find('E') != std::string::npos)
    require(model.experts.count, "experts.count", "E in the pattern", report);
}

/// A feed-forward network is given wherever a layer has one.
void check_dense(const TransformerModel& model, const Report& report) {
  for (int layer = 0; layer < model.layers; ++layer)
    if (model.layer_kind(layer).feed_forward == FeedForward::dense) {
      require(model.ffn_hidden, "ffn_hidden", "layers that have a feed-forward network", report);
      return;
    }
}

void check_mixers(const TransformerModel& model, const Report& report) {
  if (model.heads % model.kv_heads != 0)
    report.error("kv_heads", fmt::format("{} key/value heads for {} heads", model.kv_heads, model.heads), "a divisor of heads");
  if (const LatentAttention& l = model.latent; l.kv_rank > 0) {
    require(l.value_dim, "latent.value_dim", "latent attention", report);
    if (l.index_keys > 0) {
      require(l.index_heads, "latent.index_heads", "an index", report);
      require(l.index_dim, "latent.index_dim", "an index", report);
      require(l.query_rank, "latent.query_rank", "an index, whose queries come from the latent of queries,", report);
    }
    if (l.rope_dim > model.head_dim)
      report.error("latent.rope_dim", fmt::format("{} > head_dim {}", l.rope_dim, model.head_dim), "a part of head_dim");
  }
  if (const RecurrentMixer& r = model.recurrent; r.heads > 0) {
    require(r.head_dim, "recurrent.head_dim", "recurrent layers", report);
    require(r.key_heads, "recurrent.key_heads", "recurrent layers", report);
    require(r.key_dim, "recurrent.key_dim", "recurrent layers", report);
  }
}

void check_model(const TransformerModel& model, const Report& report) {
  check_mixers(model, report);
  check_experts(model, report);
  check_pattern(model, report);
  if (model.pattern.empty() || model.pattern.size() == static_cast<std::size_t>(model.layers))
    check_dense(model, report);
  if (model.position == PositionKind::learned && model.max_positions == 0)
    report.error("max_positions", "0 with learned positions", "the rows of the position table");
  if (model.position != PositionKind::learned && model.max_positions > 0)
    report.error("max_positions", fmt::format("{} without learned positions", model.max_positions), "0: rotary and ALiBi have no table");
  check_sources(model_table(), model_table().write(model), model.sources, report);
}

void check_routing(const Routing& routing, const Report& report) {
  double sum = 0;
  for (const double share : routing.shares)
    sum += share;
  if (routing.kind == RoutingKind::measured && sum <= 0)
    report.error("shares", "no tokens", "the tokens of every expert");
  if (routing.kind != RoutingKind::measured && !routing.shares.empty())
    report.error("shares", "given", "nothing", "write 'kind: measured'");
  if (routing.redundant > 0 && !routing.balanced)
    report.error("redundant", "given", "nothing", "write 'balanced: true'");
  if (routing.nodes > 1 && !routing.balanced)
    report.error("nodes", "given", "nothing", "write 'balanced: true'");
}

const Table<Experts>& experts_table() {
  using E = Experts;
  static const Table<E> table =
      Table<E>("experts", "A mixture of experts in place of the feed-forward network.")
          .count("count", &E::count, part_of(1e6, "experts of a layer; 0 = dense"))
          .count("top_k", &E::top_k, {.min = 1, .max = 1e6, .help = "experts that a token is sent to"})
          .count("hidden", &E::hidden, part_of(1e7, "inner width of an expert"))
          .count("shared_hidden", &E::shared_hidden,
                 part_of(1e7, "inner width of what every token passes besides, all shared experts together"))
          .count("dense_layers", &E::dense_layers, part_of(10'000, "first layers that keep a feed-forward network"))
          .count("every", &E::every, {.min = 1, .max = 10'000, .help = "of so many layers the last has experts"})
          .number("capacity", &E::capacity,
                  {.max = 1e6, .help = "tokens that an expert takes, over the mean: more are dropped, fewer padded; 0 = all that it gets"})
          .count("groups", &E::groups, {.min = 1, .max = 1e6, .help = "parts of the experts, spread over the nodes"})
          .count("top_groups", &E::top_groups, {.min = 1, .max = 1e6, .help = "parts among which a token's experts lie"});
  return table;
}

const Table<LatentAttention>& latent_table() {
  using L = LatentAttention;
  static const Table<L> table =
      Table<L>("latent", "Multi-head latent attention; head_dim of the model is that of a key, positions included.")
          .count("kv_rank", &L::kv_rank, part_of(1e6, "width of the latent of keys and values; 0 = plain attention"))
          .count("query_rank", &L::query_rank, part_of(1e6, "width of the latent of queries; 0 = none"))
          .count("rope_dim", &L::rope_dim, part_of(1e5, "part of a head's width that carries positions"))
          .count("value_dim", &L::value_dim, part_of(1e5, "width of a value"))
          .count("index_heads", &L::index_heads, part_of(1e5, "queries that score the tokens to read"))
          .count("index_dim", &L::index_dim, part_of(1e5, "width of these queries and of a token's key for them"))
          .count("index_keys", &L::index_keys, part_of(1e8, "tokens that a query reads, chosen by an index of all; 0 = all"));
  return table;
}

const Table<RecurrentMixer>& recurrent_table() {
  using R = RecurrentMixer;
  static const Choices<RecurrentKind> kinds = {{"mamba2", RecurrentKind::mamba2}, {"gated_delta", RecurrentKind::gated_delta}};
  static const Table<R> table =
      Table<R>("recurrent", "Layers whose tokens are mixed by a state that runs along the sequence.")
          .choice("kind", &R::kind, kinds, {.help = "state space, or linear attention with the gated delta rule"})
          .count("heads", &R::heads, part_of(1e5, "heads; 0 = no such layers"))
          .count("head_dim", &R::head_dim, part_of(1e5, "width of a value"))
          .count("key_heads", &R::key_heads, part_of(1e5, "heads of keys and queries (Mamba-2: groups)"))
          .count("key_dim", &R::key_dim, part_of(1e5, "width of a key (Mamba-2: of the state)"))
          .count("convolution", &R::convolution, {.min = 1, .max = 100, .help = "taps of the convolution before the scan"})
          .count("chunk", &R::chunk, {.min = 1, .max = 1e5, .help = "tokens that the scan works on at once"});
  return table;
}

} // namespace

const Table<TransformerModel>& model_table() {
  using M = TransformerModel;
  static const Choices<FfnKind> ffn = {{"gelu", FfnKind::gelu}, {"gated", FfnKind::gated}};
  static const Choices<PositionKind> position = {
      {"learned", PositionKind::learned}, {"rotary", PositionKind::rotary}, {"alibi", PositionKind::alibi}};
  static const Choices<NormKind> norm = {{"layer_norm", NormKind::layer_norm}, {"rms_norm", NormKind::rms_norm}};
  static const Table<M> table =
      Table<M>("model", "A decoder-only transformer.")
          .text("name", &M::name, {.required = true, .help = "name in reports"})
          .count("layers", &M::layers, size_of(10'000, "transformer layers"))
          .count("hidden", &M::hidden, size_of(1'000'000, "width of the residual stream"))
          .count("heads", &M::heads, size_of(100'000, "query heads of a layer"))
          .count("kv_heads", &M::kv_heads, size_of(100'000, "key/value heads of a layer: heads (MHA), 1 (MQA) or between (GQA)"))
          .count("head_dim", &M::head_dim, size_of(100'000, "width of a head"))
          .count("ffn_hidden", &M::ffn_hidden, part_of(10'000'000, "inner width of the feed-forward network of layers without experts"))
          .choice("ffn", &M::ffn, ffn, {.help = "gelu: two matrices, any activation; gated: three (SwiGLU, GeGLU)"})
          .count("vocabulary", &M::vocabulary, size_of(100'000'000, "rows of the token table, padding included"))
          .choice("position", &M::position, position, {.help = "how positions enter"})
          .count("max_positions", &M::max_positions, {.max = 100'000'000, .help = "rows of a learned position table"})
          .choice("norm", &M::norm, norm, {.help = "kind of normalisation"})
          .flag("tied_embedding", &M::tied_embedding, {.help = "the LM head shares the token table"})
          .flag("biases", &M::biases, {.help = "linear layers carry biases"})
          .flag("parallel_block", &M::parallel_block, {.help = "attention and feed-forward network side by side on the layer's input"})
          .count("attention_window", &M::attention_window, {.max = 100'000'000, .help = "tokens that attention reaches back; 0 = all"})
          .count("full_attention_every", &M::full_attention_every,
                 part_of(10'000, "of so many layers the last attends to all tokens; 0 = none, where there is a window or a state"))
          .text("pattern", &M::pattern,
                {.help = "a letter for each layer, which is then one part: M recurrent, * attention, - dense, E experts"})
          .object("experts", &M::experts, experts_table(), {.help = "mixture of experts"})
          .object("latent", &M::latent, latent_table(), {.help = "multi-head latent attention"})
          .object("recurrent", &M::recurrent, recurrent_table(), {.help = "state-space or linear-attention layers"})
          .flag("query_key_norm", &M::query_key_norm, {.help = "queries and keys are normalised head by head"})
          .flag("whole_query_norm", &M::whole_query_norm,
                {.help = "their squares are summed over all heads, of all ranks of tensor parallelism"})
          .flag("post_norms", &M::post_norms, {.help = "norms behind attention and feed-forward network too"})
          .flag("attention_sinks", &M::attention_sinks, {.help = "a learned score of no key in every head's softmax"})
          .count("prediction_layers", &M::prediction_layers,
                 part_of(100, "layers with a head of their own behind the last, for tokens further on"))
          .list("sources", &M::sources, provenance_table(), {.help = "where the figures come from"})
          .overlaid(override_sources)
          .check(check_model);
  return table;
}

const Table<Routing>& routing_table() {
  using R = Routing;
  static const Choices<RoutingKind> kinds = {{"uniform", RoutingKind::uniform},
                                             {"zipf", RoutingKind::zipf},
                                             {"power_law", RoutingKind::power_law},
                                             {"measured", RoutingKind::measured}};
  static const Table<R> table =
      Table<R>("routing", "How tokens spread over experts.")
          .choice("kind", &R::kind, kinds,
                  {.help = "independent draws, a power law over the ranks of experts (zipf) or of their loads (power_law) in random order, "
                           "or a histogram"})
          .number("exponent", &R::exponent, {.max = 10, .help = "of the power law: 0 = uniform"})
          .numbers("shares", &R::shares, {.max = 1e18, .help = "measured: tokens of each expert, of any sum"})
          .flag("balanced", &R::balanced, {.help = "experts are placed on ranks by their load, not as they come"})
          .count("redundant", &R::redundant, {.max = 1e6, .help = "copies of hot experts beyond one of each, where balanced"})
          .count("nodes", &R::nodes,
                 {.min = 1,
                  .max = 1e6,
                  .help =
                      "where balanced: nodes to which the model's groups of experts are dealt first, where they divide the groups; their "
                      "copies stay there (hierarchical EPLB)"})
          .check(check_routing);
  return table;
}

} // namespace orrery
