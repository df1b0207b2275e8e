#include "sim/engine/engine.hpp"
#include "sim/engine/link_loads.hpp"
#include "sim/engine/pipeline.hpp"
#include "tests/benchmarks/rows.hpp"
#include "tests/unit/engine/pipeline_cases.hpp"
#include "tests/unit/hardware/clusters.hpp"

#include <memory>
#include <numeric>
#include <stdexcept>

namespace orrery::bench {

namespace {

void expect(bool held, const char* what) {
  if (!held)
    throw std::runtime_error(what);
}

/// A million spans, a thousand at a time.
class Chains final : public WorkSource {
public:
  void start(WorkScheduler& scheduler) override {
    for (std::uint32_t actor = 0; actor < 1000; ++actor)
      scheduler.submit({.actor = actor, .tag = 1, .stretchable = Seconds{1e-6 * (1 + actor % 97)}});
  }
  void completed(WorkId /*id*/, const Work& work, WorkScheduler& scheduler) override {
    if (work.tag < 1000)
      scheduler.submit({.actor = work.actor, .tag = work.tag + 1, .stretchable = work.stretchable});
  }
};

void million_spans() {
  Engine engine;
  Chains chains;
  engine.run(chains);
  expect(engine.completed_count() == 1'000'000, "every span completes");
}

/// TP8 PP8 DP192, 64 micro-batches, 6 chunks a stage.
CostedGraph megatron_step() {
  CostedGraph graph = testing::full_pipeline(ScheduleKind::interleaved, 8, 6, 64);
  testing::lay_out(graph, 8, 192);
  return graph;
}

void megatron_folded() {
  static const CostedGraph graph = megatron_step();
  expect(simulate_step(graph).step.si() > 1, "a step takes time");
}

void megatron_unfolded() {
  static const CostedGraph graph = megatron_step();
  expect(simulate_step(graph, {.jitter = 0.05, .weights = each_by_itself(graph.replicas).weights()}).simulated_replicas == 192,
         "all replicas are simulated");
}

/// The folded step with the traffic of all its ranks on the links of a 2:1 tree; from the topology to the end.
void megatron_traffic() {
  static const CostedGraph graph = megatron_step();
  static const Topology topology(testing::tree_cluster(1536, 2.0));
  const StepTraffic traffic = step_traffic(topology, graph, one_for_all(graph.replicas));
  expect(simulate_step(graph, {.traffic = &traffic}).step.si() > 1, "a step takes time");
}

/// 999,936 GPUs, TP8 PP64 DP1953, 128 micro-batches, 2 chunks a stage.
const CostedGraph& million_step() {
  static const CostedGraph graph = [] {
    CostedGraph step = testing::full_pipeline(ScheduleKind::interleaved, 64, 2, 128);
    testing::lay_out(step, 8, 1953);
    return step;
  }();
  return graph;
}

void million_devices() { expect(simulate_step(million_step()).step.si() > 1, "a step takes time"); }

/// The same with the traffic of all its ranks on rails of 32 nodes; from the cluster to the end.
void million_traffic() {
  Cluster cluster = testing::rail_cluster(124'992);
  cluster.fabric.nodes_per_leaf = 32;
  const StepTraffic traffic = step_traffic(Topology(cluster), million_step(), one_for_all(million_step().replicas));
  expect(simulate_step(million_step(), {.traffic = &traffic}).step.si() > 1, "a step takes time");
}

/// The same on a 2:1 tree of leaves of 32 nodes.
void million_tree() {
  Cluster cluster = testing::tree_cluster(124'992, 2.0);
  cluster.fabric.nodes_per_leaf = 32;
  const StepTraffic traffic = step_traffic(Topology(cluster), million_step(), one_for_all(million_step().replicas));
  expect(simulate_step(million_step(), {.traffic = &traffic}).step.si() > 1, "a step takes time");
}

/// Transfers that start together.
class Together final : public WorkSource {
public:
  explicit Together(std::vector<Work> works) : works_(std::move(works)) {}
  void start(WorkScheduler& scheduler) override {
    for (const Work& work : works_)
      scheduler.submit(work);
  }
  void completed(WorkId /*id*/, const Work& /*work*/, WorkScheduler& /*scheduler*/) override {}

private:
  std::vector<Work> works_;
};

/// A ring over all 1,024 devices against rings over the odd and over the even nodes, in a 2:1 tree; from the topology to the end.
void contended_ring() {
  static const Topology topology(testing::tree_cluster(128, 2.0));
  LoadCounter counter(topology);
  std::vector<int> all(1024);
  std::iota(all.begin(), all.end(), 0);
  std::vector<int> halves[2];
  for (const int device : all)
    halves[topology.node_of(device) % 2].push_back(device);
  std::vector<Work> works = {ring_all_reduce(counter, all, Bytes{1e9}), ring_all_reduce(counter, halves[0], Bytes{1e9}),
                             ring_all_reduce(counter, halves[1], Bytes{1e9})};
  std::vector<std::vector<LinkLoad>*> routes;
  for (Work& work : works)
    routes.push_back(&work.route);
  fold_links(bandwidths(topology), routes);
  Engine engine(used_links(topology, routes));
  Together source(std::move(works));
  expect(engine.run(source) > Seconds{0.04}, "contention slows the rings");
}

/// 48 kernels in sequence; each is followed by an all-reduce of its gradients on a stream of its own, over links that another job uses as
/// well.
class LayerStep final : public WorkSource {
public:
  LayerStep(Work all_reduce, Work other) : all_reduce_(std::move(all_reduce)), other_(std::move(other)) {}

  void start(WorkScheduler& scheduler) override {
    compute(scheduler);
    scheduler.submit(other_);
  }
  void completed(WorkId /*id*/, const Work& work, WorkScheduler& scheduler) override {
    if (work.tag == compute_tag) {
      ++computed_;
      if (computed_ < layers)
        compute(scheduler);
      reduce(scheduler);
    } else if (work.tag == reduce_tag) {
      reducing_ = false;
      ++reduced;
      reduce(scheduler);
    } else if (reduced < layers) {
      scheduler.submit(other_);
    }
  }
  int reduced = 0;
  static constexpr int layers = 48;
  static constexpr std::uint64_t compute_tag = 1, reduce_tag = 2, other_tag = 3;

private:
  void compute(WorkScheduler& scheduler) { scheduler.submit({.tag = compute_tag, .stretchable = Seconds{2e-3}}); }
  void reduce(WorkScheduler& scheduler) {
    if (reducing_ || reduced == computed_)
      return;
    reducing_ = true;
    scheduler.submit(all_reduce_);
  }

  Work all_reduce_;
  Work other_;
  int computed_ = 0;
  bool reducing_ = false;
};

void collectives_of_a_step() {
  static const Topology topology(testing::tree_cluster(32));
  LoadCounter counter(topology);
  std::vector<int> all(256);
  std::iota(all.begin(), all.end(), 0);
  Work all_reduce = ring_all_reduce(counter, all, Bytes{64e6});
  all_reduce.tag = LayerStep::reduce_tag;
  for (int node = 0; node < 16; ++node)
    counter.add(node * 8 + 7, (node + 16) * 8);
  Work other{.tag = LayerStep::other_tag, .bytes = Bytes{16e6}, .latency = Seconds{5e-6}, .route = counter.take()};
  const std::vector<std::vector<LinkLoad>*> routes = {&all_reduce.route, &other.route};
  fold_links(bandwidths(topology), routes);
  Engine engine(used_links(topology, routes));
  LayerStep step(std::move(all_reduce), std::move(other));
  engine.run(step);
  expect(step.reduced == LayerStep::layers, "every all-reduce completes");
}

} // namespace

Rows engine_rows() {
  return {{"engine: 1,000,000 spans, 1,000 at a time", 0.667, million_spans},
          {"step of 12,288 GPUs, TP8 PP8 DP192, 64 micro-batches, 6 chunks: folded", 0.010, megatron_folded, 15},
          {"step of 12,288 GPUs: folded, traffic of every rank on a 2:1 tree", 1.0, megatron_traffic},
          {"step of 12,288 GPUs: all 192 replicas, 5% jitter", 3.0, megatron_unfolded},
          {"step of 999,936 GPUs, TP8 PP64 DP1953, 128 micro-batches, 2 chunks: folded", 1.0, million_devices},
          {"step of 999,936 GPUs: folded, traffic of every rank on rails of 32 nodes", 1.0, million_traffic, 3},
          {"step of 999,936 GPUs: folded, traffic of every rank on a 2:1 tree", 1.0, million_tree, 3},
          {"ring all-reduce on 1,024 devices against two rings of 512", 0.050, contended_ring, 15},
          {"step with 48 kernels and 48 all-reduces of 64 MB on 256 devices, contended", 0.050, collectives_of_a_step, 15}};
}

} // namespace orrery::bench
