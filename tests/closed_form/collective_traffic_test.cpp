// Memory traffic of collectives, counted by hand.
#include "models/collective_traffic.hpp"
#include "scenarios/data_files.hpp"
#include "scenarios/run.hpp"
#include "tests/support/scenarios.hpp"

#include <catch2/catch.hpp>

namespace orrery::collective_traffic_test {

namespace {

double traffic(CollectiveKind kind, int ranks, bool in_memory = false) {
  return collective_traffic({.kind = kind, .bytes = Bytes{840}, .in_memory = in_memory}, ranks).si();
}

} // namespace

TEST_CASE("a ring reads and writes each part as often as it passes", "[traffic]") {
  // Two ranks: a part sent is a read; the one that arrives is written, read with the own one, and their sum written.
  CHECK(traffic(CollectiveKind::reduce_scatter, 2) == Approx(840.0 / 2 * (1 + 1 + 2 + 1)));
  CHECK(traffic(CollectiveKind::reduce_scatter, 4) == Approx(840.0 / 4 * (7 + 4)));
  CHECK(traffic(CollectiveKind::all_gather, 4) == Approx(840.0 / 4 * 6));
  CHECK(traffic(CollectiveKind::all_to_all, 4) == Approx(840.0 / 4 * 6));
  CHECK(traffic(CollectiveKind::broadcast, 4) == Approx(840));
  CHECK(traffic(CollectiveKind::all_reduce, 4) == Approx(840.0 / 4 * (11 + 6)));
  for (const CollectiveKind kind : {CollectiveKind::all_reduce, CollectiveKind::all_gather, CollectiveKind::reduce_scatter})
    CHECK(traffic(kind, 1) == 0);
}

TEST_CASE("sums in memory spare the reads of what arrives, and one write of the producer", "[traffic]") {
  // Of 7 reads and 4 writes, 2 reads and 3 writes stay, and one part is never written by the producer.
  CHECK(traffic(CollectiveKind::reduce_scatter, 4, true) == Approx(840.0 / 4 * (2 + 3 - 1)));
  CHECK(traffic(CollectiveKind::all_reduce, 4, true) == Approx(840.0 / 4 * (2 + 3 - 1 + 6)));
  CHECK(traffic(CollectiveKind::all_gather, 4, true) == traffic(CollectiveKind::all_gather, 4));
  for (const int ranks : {2, 3, 8, 64})
    CHECK(traffic(CollectiveKind::reduce_scatter, ranks, true) < traffic(CollectiveKind::reduce_scatter, ranks));
}

TEST_CASE("a step moves what its operators and collectives move", "[traffic]") {
  const auto moved = [](const char* overlap) {
    const Scenario scenario =
        quickstart({"cluster.nodes=1", "cluster.fabric.kind=single_node",
                    std::string("jobs=[{ graph: { name: g, groups: { tensor: { size: 8 } }, micro_batches: 3, blocks: [{ name: b, "
                                "forward: [{ name: s, stream: { read: 2 GB, written: 1 GB } }, { name: c, collective: { kind: "
                                "reduce_scatter, group: tensor, bytes: 8 GB") +
                        overlap + " } }] }] } }]"});
    return run_scenario(scenario, {.fidelity = Fidelity::estimate}).jobs.front().memory_traffic.si();
  };
  CHECK(moved("") == Approx(3 * (3e9 + 8e9 / 8 * (15 + 8))));
  CHECK(moved(", in_memory: true") == Approx(3 * (3e9 + 8e9 / 8 * (6 + 7 - 1))));
}

} // namespace orrery::collective_traffic_test
