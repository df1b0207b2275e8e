// The operator graph as YAML: what is written reads back to the same graph, short files get sensible defaults, mistakes are named.
#include "sim/base/catalogue.hpp"
#include "sim/base/random.hpp"
#include "tests/support/yaml_text.hpp"
#include "workloads/graph_tables.hpp"
#include "workloads/tables.hpp"

#include <catch2/catch.hpp>

namespace orrery::graph_tables_test {
namespace {

void check_same(std::span<const Operator> a, std::span<const Operator> b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    CAPTURE(a[i].name);
    CHECK(a[i].name == b[i].name);
    CHECK(a[i].op_class == b[i].op_class);
    CHECK(a[i].precision == b[i].precision);
    CHECK(a[i].kernels == b[i].kernels);
    CHECK(a[i].recomputed == b[i].recomputed);
    REQUIRE(a[i].shape.index() == b[i].shape.index());
    if (const auto* m = std::get_if<Matmul>(&a[i].shape)) {
      const auto& n = std::get<Matmul>(b[i].shape);
      CHECK((m->batch == n.batch && m->m == n.m && m->n == n.n && m->k == n.k));
    } else if (const auto* e = std::get_if<GroupedMatmul>(&a[i].shape)) {
      const auto& h = std::get<GroupedMatmul>(b[i].shape);
      CHECK((e->groups == h.groups && e->rows == h.rows && e->busiest == h.busiest && e->n == h.n && e->k == h.k));
      CHECK(e->weight_gradient == h.weight_gradient);
      CHECK((e->block_scaled == h.block_scaled && e->tile.rows == h.tile.rows && e->tile.columns == h.tile.columns));
      CHECK((e->idle.count == h.idle.count && e->idle.tile_rows == h.idle.tile_rows && e->idle.rows == h.idle.rows));
    } else if (const auto* f = std::get_if<FusedAttention>(&a[i].shape)) {
      const auto& g = std::get<FusedAttention>(b[i].shape);
      CHECK((f->batch == g.batch && f->heads == g.heads && f->kv_heads == g.kv_heads && f->head_dim == g.head_dim));
      CHECK((f->value_dim == g.value_dim && f->window == g.window));
      CHECK((f->queries == g.queries && f->keys == g.keys && f->causal == g.causal && f->backward == g.backward));
    } else if (const auto* s = std::get_if<Streaming>(&a[i].shape)) {
      const auto& t = std::get<Streaming>(b[i].shape);
      CHECK((s->read == t.read && s->written == t.written && s->flops == t.flops));
    } else if (const auto* u = std::get_if<ChunkScan>(&a[i].shape)) {
      const auto& v = std::get<ChunkScan>(b[i].shape);
      CHECK((u->sequences == v.sequences && u->heads == v.heads && u->tokens == v.tokens && u->chunk == v.chunk));
      CHECK((u->flops == v.flops && u->bytes == v.bytes && u->backward == v.backward));
    } else {
      const auto& c = std::get<Collective>(a[i].shape);
      const auto& d = std::get<Collective>(b[i].shape);
      CHECK((c.kind == d.kind && c.group == d.group && c.bytes == d.bytes && c.overlap == d.overlap));
    }
  }
}

/// Bit for bit: no tolerance anywhere.
void check_same(const OpGraph& a, const OpGraph& b) {
  CHECK((a.name == b.name && a.precision == b.precision && a.schedule == b.schedule && a.micro_batches == b.micro_batches));
  CHECK((a.virtual_stages == b.virtual_stages && a.overlap_p2p == b.overlap_p2p));
  CHECK((a.boundary_forward == b.boundary_forward && a.boundary_backward == b.boundary_backward));
  CHECK((a.tokens == b.tokens && a.sequences == b.sequences));
  CHECK((a.flops.full_attention == b.flops.full_attention && a.flops.causal == b.flops.causal && a.flops.executed == b.flops.executed));
  for (std::size_t g = 0; g < group_kinds; ++g)
    if (const GroupShape& shape = a.groups.at(static_cast<Group>(g)); shape.size > 1)
      CHECK(shape == b.groups.at(static_cast<Group>(g)));
  REQUIRE(a.blocks.size() == b.blocks.size());
  for (std::size_t i = 0; i < a.blocks.size(); ++i) {
    const Block &x = a.blocks[i], &y = b.blocks[i];
    CHECK((x.name == y.name && x.activations == y.activations && x.working_set == y.working_set && x.parameters == y.parameters));
    check_same(x.forward, y.forward);
    check_same(x.backward, y.backward);
  }
  REQUIRE(a.chunks.size() == b.chunks.size());
  for (std::size_t i = 0; i < a.chunks.size(); ++i) {
    REQUIRE(a.chunks[i].blocks.size() == b.chunks[i].blocks.size());
    for (std::size_t k = 0; k < a.chunks[i].blocks.size(); ++k)
      CHECK((a.chunks[i].blocks[k].block == b.chunks[i].blocks[k].block && a.chunks[i].blocks[k].count == b.chunks[i].blocks[k].count));
  }
  REQUIRE(a.stages.size() == b.stages.size());
  for (std::size_t i = 0; i < a.stages.size(); ++i) {
    const Stage &x = a.stages[i], &y = b.stages[i];
    CHECK((x.chunks == y.chunks && x.parameters == y.parameters && x.gradients == y.gradients && x.optimizer == y.optimizer));
    check_same(a.step_of(x), b.step_of(y));
  }
}

OpGraph through_text(const OpGraph& graph) {
  Diagnostics diagnostics;
  const std::string text = yaml::to_yaml(write_graph(graph));
  const OpGraph result = read_graph(yaml::parse_yaml(text, "graph.yaml", diagnostics), diagnostics);
  INFO(diagnostics.render());
  REQUIRE(diagnostics.empty());
  return result;
}

OpGraph read_text(const std::string& text, Diagnostics& diagnostics) {
  return read_graph(yaml::parse_yaml(text, "graph.yaml", diagnostics), diagnostics);
}

std::string graph_mistakes(const std::string& text) {
  Diagnostics diagnostics;
  static_cast<void>(read_text(text, diagnostics));
  return diagnostics.render();
}

constexpr const char* short_graph = "{ name: g, blocks: [{ name: b, forward: [{ name: up, matmul: { m: 2, n: 3, k: 4 } }] }]";

} // namespace

TEST_CASE("every model of the catalogue goes through text and back under several plans", "[workloads][graph]") {
  const std::vector<Plan> plans = {
      {},
      {.tp = 8, .pp = 2, .dp = 3, .micro_batch = 2, .recompute = Recompute::full, .zero = 1, .overlap_grad_reduce = true},
      {.tp = 4,
       .pp = 2,
       .dp = 1,
       .schedule = ScheduleKind::interleaved,
       .virtual_stages = 3,
       .recompute = Recompute::selective,
       .sequence_parallel = true,
       .overlap_p2p = true},
      {.pp = 4, .dp = 2, .schedule = ScheduleKind::gpipe}};
  int tried = 0;
  const std::vector<std::string> profiles = software_catalogue().names();
  for (const std::string& model : model_catalogue().names()) {
    const std::string& software = profiles[static_cast<std::size_t>(tried) % profiles.size()];
    for (const Plan& plan : plans) {
      TrainingJob job;
      job.model = from_catalogue(model, model_table(), model_catalogue());
      job.global_batch = 24;
      job.precision = Precision::fp16;
      if (!check_plan(job, plan, plan.ranks()).empty())
        continue;
      CAPTURE(model, software);
      const OpGraph graph = build_training_graph(job, plan, from_catalogue(software, software_table(), software_catalogue()));
      check_same(graph, through_text(graph));
      ++tried;
    }
  }
  CHECK(tried > 100);
}

TEST_CASE("awkward numbers go through text and back", "[workloads][graph]") {
  Diagnostics diagnostics;
  OpGraph graph = read_text(std::string(short_graph) + "}", diagnostics);
  REQUIRE(diagnostics.empty());
  RandomStream random(1, "graph");
  for (int i = 0; i < 300; ++i) {
    const auto any = [&](double largest) { return largest * random.uniform() * random.uniform() * random.uniform(); };
    Block& block = graph.blocks.front();
    block.activations = Bytes{any(1e12)};
    block.working_set = Bytes{any(1e-3)};
    block.parameters = any(1e12);
    block.forward = {{.name = "a: b, {c}", .precision = Precision::fp8, .shape = Matmul{any(9) + 1, any(1e9) + 1, any(7) + 0.1, 1}},
                     {.name = "null", .op_class = OpClass::loss, .shape = Streaming{Bytes{any(1e15)}, Bytes{any(1)}, Flops{any(1e18)}}},
                     {.name = "#", .op_class = OpClass::cast, .shape = Collective{.bytes = Bytes{any(1e9) + 1e-9}}, .kernels = 1 + i}};
    graph.flops.executed = Flops{any(1e26)};
    graph.tokens = any(1e9) + 1e-6;
    check_same(graph, through_text(graph));
  }
}

TEST_CASE("a dump has one operator a line, and says nothing that is the default", "[workloads][graph]") {
  TrainingJob job;
  job.model = from_catalogue("gpt3-175b", model_table(), model_catalogue());
  job.global_batch = 8;
  const std::string text = yaml::to_yaml(write_graph(build_training_graph(job, {.tp = 8, .pp = 2}, {.name = "s"})));
  CHECK_THAT(text, Catch::Contains("      - { name: qkv, matmul: { m: 2048, n: 4608, k: 12288 } }\n"));
  CHECK_THAT(text, Catch::Contains("      - { name: projection_reduce, collective: { kind: all_reduce, group: tensor, bytes: "));
  CHECK_THAT(text, Catch::Contains("  - { name: chunk-0, blocks: [{ block: embedding }, { block: layer, count: 48 }] }\n"));
  CHECK(std::count(text.begin(), text.end(), '\n') < 150);
}

TEST_CASE("a short graph gets one rank, one chunk and one stage", "[workloads][graph]") {
  Diagnostics diagnostics;
  const OpGraph graph = read_graph(yaml::read_yaml_file(data_root() + "/scenarios/graphs/mlp.yaml"), diagnostics);
  INFO(diagnostics.render());
  REQUIRE(diagnostics.empty());
  CHECK(graph.ranks() == 1);
  for (std::size_t g = 0; g < group_kinds; ++g)
    CHECK(graph.groups.at(static_cast<Group>(g)).size == 1);
  REQUIRE(graph.stages.size() == 1);
  CHECK(graph.stages[0].chunks == std::vector<int>{0});
  CHECK(graph.stages[0].parameters.si() == Approx(2 * 134.2e6));
  CHECK(graph.flops.executed.si() == Approx(4 * 2 * 2.0 * 4096 * 4096 * 16384));
  CHECK(graph.sequences == 16384);
  CHECK(graph.tokens == 16384);
  CHECK(graph.blocks[0].forward[1].op_class == OpClass::elementwise);
}

TEST_CASE("strides follow from sizes", "[workloads][graph]") {
  Diagnostics diagnostics;
  const OpGraph graph = read_text(
      std::string(short_graph) + ", groups: { tensor: { size: 4 }, data: { size: 3 }, pipeline: { size: 2 } }, chunks: [{ name: c, blocks: "
                                 "[{ block: b }] }], stages: [{ chunks: [c] }, { chunks: [c] }] }",
      diagnostics);
  INFO(diagnostics.render());
  REQUIRE(diagnostics.empty());
  CHECK(graph.ranks() == 24);
  CHECK(graph.groups.at(Group::data).stride == 4);
  CHECK(graph.groups.at(Group::pipeline).stride == 12);
  CHECK(graph.groups.at(Group::embedding).size == 2);
  CHECK(graph.groups.at(Group::embedding).stride == 12);
}

TEST_CASE("mistakes in a graph are named", "[workloads][graph]") {
  const auto with = [](const std::string& more) { return graph_mistakes(std::string(short_graph) + ", " + more + " }"); };
  const auto with_operator = [](const std::string& op) {
    return graph_mistakes("{ name: g, blocks: [{ name: b, forward: [{ name: x, " + op + " }] }] }");
  };
  CHECK(graph_mistakes(std::string(short_graph) + "}").empty());
  CHECK_THAT(graph_mistakes("{ name: g }"), Catch::Contains("blocks: missing"));
  CHECK_THAT(graph_mistakes("{ name: g, blocks: [] }"), Catch::Contains("blocks: no block"));
  CHECK_THAT(graph_mistakes("[]"), Catch::Contains("a list"));
  CHECK_THAT(with("chunks: [{ name: c, blocks: [{ block: bb }] }]"),
             Catch::Contains("chunks.0.blocks.0.block: no block of the name 'bb'; allowed: b"));
  CHECK_THAT(with("chunks: [{ name: c, blocks: [] }]"), Catch::Contains("blocks: no block"));
  CHECK_THAT(with("stages: [{ chunks: [c] }]"), Catch::Contains("chunks: none"));
  CHECK_THAT(with("groups: { pipeline: { size: 2 } }"), Catch::Contains("stages: 1 stages; allowed: 2"));
  CHECK_THAT(with("groups: { tensor: { size: 2, stride: 3 } }"), Catch::Contains("strides 3 of tensor"));
  CHECK_THAT(with("groups: { tensor: { size: 10000000 }, data: { size: 10000000 }, pipeline: { size: 10000000 } }"),
             Catch::Contains("at most 10000000"));
  CHECK_THAT(with("groups: { tenser: { size: 2 } }"), Catch::Contains("did you mean 'tensor'?"));
  CHECK_THAT(with("virtual_stages: 2"), Catch::Contains("virtual_stages: 2 without the interleaved schedule"));
  CHECK_THAT(with("micro_batches: 1000000, schedule: interleaved, virtual_stages: 2"), Catch::Contains("at most 1000000 passes"));
  CHECK_THAT(with_operator("kernels: 1"), Catch::Contains("0 shapes in operator 'x'"));
  CHECK_THAT(with_operator("matmul: { m: 1, n: 1, k: 1 }, stream: {}"), Catch::Contains("2 shapes"));
  CHECK_THAT(with_operator("matmul: { m: 0, n: -1 }"),
             Catch::Contains("matmul.m: '0'") && Catch::Contains("n: '-1'") && Catch::Contains("k: missing"));
  CHECK_THAT(with_operator("stream: { read: 12 }"), Catch::Contains("read: "));
  CHECK_THAT(with_operator("collective: { kind: all_reduce, group: tensor, bytes: 0 B }"), Catch::Contains("bytes: "));
  CHECK_THAT(with_operator("attention: { heads: 2, kv_heads: 4, head_dim: 8, queries: 1, keys: 1 }"),
             Catch::Contains("4 key/value heads for 2 heads"));
}

} // namespace orrery::graph_tables_test
