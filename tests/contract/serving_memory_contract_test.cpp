// KV memory that moves: preemption by priorities that change, copies in host memory, tiers behind the prefix cache. Under random traffic no
// request is lost or served twice, no memory exceeds its capacity, and skipping iterations changes nothing.
#include "tests/unit/engine/serving_cases.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace orrery::serving_memory_contract_test {

namespace {

ServingSystem tiered_system(IterationModel& model, const BatchingPolicy& policy, int replicas = 1, int stages = 1) {
  ServingSystem system = scarce_system(model, policy, replicas, stages);
  for (ServingReplica& replica : system.replicas)
    replica.tiers = {{.blocks = 400, .read = Seconds{2e-5}, .write = Seconds{3e-5}, .copy = Seconds{1e-5}}};
  return system;
}

/// Every token that a request was to get, whoever computed what again; times between tokens of all of them.
void check_conserved(const RequestStream& stream, const ServingRun& run) {
  double gaps = 0;
  double after_first = 0;
  std::uint64_t decoded = 0;
  std::uint64_t preemptions = 0;
  for (std::size_t i = 0; i < stream.requests.size(); ++i) {
    const RequestRecord& record = run.requests[i];
    REQUIRE(record.outcome == Outcome::served);
    CHECK(record.produced == stream.requests[i].output);
    CHECK(record.first_token > record.scheduled);
    CHECK(record.end >= record.first_token);
    after_first += stream.requests[i].output - 1;
    preemptions += record.preemptions;
  }
  for (const ReplicaTotals& totals : run.replicas) {
    CHECK(totals.peak_blocks <= kv_blocks);
    decoded += totals.decode_tokens;
    for (const GapHistogram& histogram : totals.gaps)
      gaps += histogram.count();
  }
  CHECK(gaps == Approx(after_first)); // each time between two tokens is counted once
  CHECK(static_cast<double>(decoded) <= after_first);
  CHECK(static_cast<double>(decoded + preemptions) >= after_first);
}

void check_stepping(const RequestStream& stream, const ServingSystem& system, const ServingRun& skipped) {
  const ServingRun stepped = simulate_serving(stream, system, {.skip = false});
  for (std::size_t i = 0; i < stream.requests.size(); ++i) {
    CHECK(skipped.requests[i].first_token.si() == Approx(stepped.requests[i].first_token.si()).epsilon(1e-9));
    CHECK(skipped.requests[i].end.si() == Approx(stepped.requests[i].end.si()).epsilon(1e-9));
    CHECK(skipped.requests[i].preemptions == stepped.requests[i].preemptions);
  }
  CHECK(skipped.replicas[0].swapped_out == stepped.replicas[0].swapped_out);
  CHECK(skipped.replicas[0].tier_tokens == stepped.replicas[0].tier_tokens);
}

/// Ten conversations, each turn with a block more than the last one.
RequestStream conversations(int count, double rate) {
  RequestStream stream = random_stream(count, rate, 17);
  stream.block_tokens = 32;
  for (std::size_t i = 0; i < stream.requests.size(); ++i) {
    Request& request = stream.requests[i];
    request.prefix = static_cast<std::uint32_t>(stream.blocks.size());
    request.prefix_blocks = static_cast<std::uint16_t>(std::min<std::size_t>(request.input / 32, 1 + i / 10));
    for (std::uint32_t k = 0; k < request.prefix_blocks; ++k)
      stream.blocks.push_back(static_cast<std::uint32_t>(i % 10) * 1000 + k);
  }
  return stream;
}

} // namespace

TEST_CASE("priorities that change preempt, and lose nothing", "[contract][serving]") {
  for (const BatchingPolicy& policy : batching_policies())
    for (const Fairness::Order order : {Fairness::Order::random, Fairness::Order::least_service})
      for (const KvMoves moves : {KvMoves{}, KvMoves{.swap = true}, KvMoves{.swap = true, .keep_copies = true, .overlapped = true}}) {
        CAPTURE(policy.name, static_cast<int>(order), moves.swap, moves.overlapped);
        SimpleModel model;
        const RequestStream stream = random_stream(200, 12, 7);
        ServingSystem system = tiered_system(model, policy);
        system.replicas[0].fairness = Fairness{.order = order, .every = 20};
        system.replicas[0].moves = moves;
        const ServingRun run = simulate_serving(stream, system);
        check_conserved(stream, run);
        check_stepping(stream, system, run);
        const ReplicaTotals& totals = run.replicas[0];
        CHECK((totals.preemptions > 0) == (policy.admission == Admission::continuous));
        CHECK((totals.swapped_in > 0) == (moves.swap && totals.preemptions > 0));
        CHECK(totals.swapped_in == totals.swapped_out + totals.reused); // all that went came back
        CHECK((totals.reused > 0) == (moves.keep_copies && totals.preemptions > 0));
      }
}

TEST_CASE("priorities change in the batches of a pipeline too", "[contract][serving]") {
  SimpleModel model;
  const RequestStream stream = random_stream(300, 20, 11);
  ServingSystem system = tiered_system(model, batching_policies()[3], 2, 3);
  for (ServingReplica& replica : system.replicas) {
    replica.fairness = Fairness{.every = 15};
    replica.moves = {.swap = true, .overlapped = true};
  }
  const ServingRun run = simulate_serving(stream, system);
  check_conserved(stream, run);
  CHECK(run.replicas[0].swapped_in > 0);
}

TEST_CASE("who has got least goes first where service decides", "[contract][serving]") {
  SimpleModel model;
  RequestStream stream = random_stream(200, 100, 13);
  ServingSystem system = tiered_system(model, batching_policies()[3]);
  system.replicas[0].moves.swap = true;
  const auto short_ones = [&](const ServingRun& run) {
    double sum = 0;
    for (std::size_t i = 0; i < stream.requests.size(); ++i)
      if (stream.requests[i].output < 50)
        sum += (run.requests[i].end - run.requests[i].arrival).si();
    return sum;
  };
  const double in_order = short_ones(simulate_serving(stream, system));
  system.replicas[0].fairness = Fairness{.order = Fairness::Order::least_service, .every = 20};
  CHECK(short_ones(simulate_serving(stream, system)) < 0.8 * in_order);
}

TEST_CASE("copies of groups of blocks and copies that stay valid save waiting", "[contract][serving]") {
  SimpleModel model;
  const RequestStream stream = random_stream(200, 12, 19);
  ServingSystem system = tiered_system(model, batching_policies()[2]);
  ServingReplica& replica = system.replicas[0];
  replica.fairness = Fairness{.every = 20};
  replica.moves.swap = true;
  replica.tiers.front().copy = Seconds{1e-3};
  const Seconds by_block = simulate_serving(stream, system).replicas[0].moving;
  replica.tiers.front().unit = 16;
  const Seconds by_group = simulate_serving(stream, system).replicas[0].moving;
  replica.moves.keep_copies = true;
  const ServingRun kept = simulate_serving(stream, system);
  replica.moves.overlapped = true;
  const ServingRun overlapped = simulate_serving(stream, system);
  CHECK(by_group < 0.3 * by_block);
  CHECK(kept.replicas[0].moving < by_group);
  CHECK(overlapped.replicas[0].moving == Seconds{});
}

TEST_CASE("host memory that is full leaves sequences to be computed again", "[contract][serving]") {
  SimpleModel model;
  const RequestStream stream = random_stream(200, 12, 23);
  ServingSystem system = tiered_system(model, batching_policies()[3]);
  ServingReplica& replica = system.replicas[0];
  replica.fairness = Fairness{.every = 20};
  replica.moves = {.swap = true, .keep_copies = true};
  const std::uint64_t roomy = simulate_serving(stream, system).replicas[0].prefill_tokens;
  replica.tiers.front().blocks = 40;
  const ServingRun run = simulate_serving(stream, system);
  check_conserved(stream, run);
  check_stepping(stream, system, run);
  CHECK(run.replicas[0].swapped_in > 0);
  CHECK(run.replicas[0].prefill_tokens > roomy);
}

TEST_CASE("evicted blocks come back from below while that is sooner than computing them", "[contract][serving]") {
  for (const bool overlapped : {false, true}) {
    SimpleModel model; // 20 us a token: 32 of a block in 640 us
    const RequestStream stream = conversations(300, 12);
    ServingSystem system = tiered_system(model, batching_policies()[3]);
    ServingReplica& replica = system.replicas[0];
    replica.prefix_cache = true;
    replica.moves.overlapped = overlapped;
    replica.tiers.clear();
    const ServingRun none = simulate_serving(stream, system);
    replica.tiers = {{.blocks = 60, .read = Seconds{1e-5}, .write = Seconds{1e-5}},
                     {.blocks = 10'000, .read = Seconds{5e-5}, .write = Seconds{5e-5}, .latency = Seconds{1e-4}}};
    const ServingRun two = simulate_serving(stream, system);
    check_conserved(stream, two);
    check_stepping(stream, system, two);
    CHECK(two.replicas[0].cached_tokens > none.replicas[0].cached_tokens);
    CHECK(two.replicas[0].tier_tokens[0] > 0);
    CHECK(two.replicas[0].tier_tokens[1] > 0);
    std::uint64_t input = 0;
    for (const Request& request : stream.requests)
      input += request.input;
    CHECK(two.replicas[0].prefill_tokens + two.replicas[0].cached_tokens >= input);
    replica.tiers[0].read = replica.tiers[1].read = Seconds{1};
    const ServingRun slow = simulate_serving(stream, system);
    CHECK(slow.replicas[0].tier_tokens == std::vector<std::uint64_t>{0, 0});
    CHECK(slow.end.si() == Approx(none.end.si()).epsilon(1e-12));
  }
}

TEST_CASE("tiers hold no more than they have room for", "[contract][serving]") {
  KvTiers tiers(std::vector<KvTier>{{.blocks = 6}, {.blocks = 4}}, 2);
  for (std::uint32_t block = 0; block < 6; ++block)
    tiers.put(block);
  CHECK(!tiers.find(0)); // three above, two below, the oldest one lost
  CHECK(tiers.find(1) == 1);
  CHECK(tiers.find(2) == 1);
  CHECK(tiers.find(3) == 0);
  tiers.touch(3);
  CHECK(tiers.take(3)); // pushes two blocks down
  CHECK(tiers.find(3) == 0);
  CHECK(tiers.find(4) == 1);
  CHECK(!tiers.find(1));
  CHECK(!tiers.take(4));
  CHECK(tiers.take(3));
  CHECK(!tiers.find(4)); // pushed out of the last by the block above
  tiers.put(9);          // sequences have all of the first tier
  CHECK(tiers.find(9) == 1);
  tiers.give(6);
  tiers.put(10);
  CHECK(tiers.find(10) == 0);
  CHECK(tiers.peak() == 6);
}

TEST_CASE("a transfer takes the longer of its bytes and its copies", "[contract][serving]") {
  const KvTier tier{
      .blocks = 100, .read = Seconds{2e-6}, .write = Seconds{4e-6}, .latency = Seconds{1e-5}, .copy = Seconds{1e-5}, .unit = 4};
  CHECK(tier.up(0) == Seconds{});
  CHECK(tier.up(8).si() == Approx(3e-5));     // two copies
  CHECK(tier.up(1).si() == Approx(2e-5));     // one
  CHECK(tier.down(8).si() == Approx(4.2e-5)); // bytes
}

} // namespace orrery::serving_memory_contract_test
