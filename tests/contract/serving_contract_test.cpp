// Every batching policy, under random traffic: no request is lost or served twice, tokens in = tokens out, KV memory never above capacity,
// and skipping iterations changes nothing.
#include "tests/unit/engine/serving_cases.hpp"
#include "workloads/requests/request_traffic.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

namespace orrery::serving_contract_test {

namespace {

void check_conserved(const RequestStream& stream, const ServingRun& run, std::int64_t blocks) {
  std::uint64_t output = 0;
  std::uint64_t input = 0;
  std::uint64_t first = 0;
  for (std::size_t i = 0; i < stream.requests.size(); ++i) {
    const RequestRecord& record = run.requests[i];
    REQUIRE(record.outcome == Outcome::served);
    CHECK(record.scheduled >= record.arrival);
    CHECK(record.first_token > record.scheduled);
    CHECK((stream.requests[i].output == 1 ? record.end == record.first_token : record.end > record.first_token));
    input += stream.requests[i].input;
    output += stream.requests[i].output;
    ++first;
  }
  std::uint64_t prefilled = 0; ///< or found in a cache
  std::uint64_t decoded = 0;
  std::uint64_t preemptions = 0;
  for (const ReplicaTotals& totals : run.replicas) {
    prefilled += totals.prefill_tokens + totals.cached_tokens;
    decoded += totals.decode_tokens;
    preemptions += totals.preemptions;
    CHECK(totals.peak_blocks <= blocks);
  }
  if (preemptions == 0) {
    CHECK(prefilled == input);
    CHECK(decoded + first == output);
  } else { // each prompt is computed again, and gives a token of its own at its end
    CHECK(prefilled > input);
    CHECK(decoded + first <= output);
    CHECK(decoded + first + preemptions >= output);
  }
}

} // namespace

TEST_CASE("every policy conserves requests, tokens and memory", "[contract][serving]") {
  for (const BatchingPolicy& policy : batching_policies())
    for (const int stages : {1, 3}) {
      CAPTURE(policy.name, stages);
      SimpleModel model;
      const RequestStream stream = random_stream(400, 20, 7);
      check_conserved(stream, simulate_serving(stream, scarce_system(model, policy, 2, stages)), kv_blocks);
    }
}

TEST_CASE("tokens of long prompts hold up the others where they are not cut", "[contract][serving]") {
  SimpleModel model;
  RequestStream stream = random_stream(200, 3, 41);
  for (std::size_t i = 0; i < stream.requests.size(); i += 10)
    stream.requests[i].input = 4000;
  std::vector<GapHistogram> gaps;
  for (const char* name : {"vllm-v0", "sarathi"}) {
    const auto policy = std::ranges::find(batching_policies(), name, &BatchingPolicy::name);
    ServingSystem system = scarce_system(model, *policy, 1);
    system.replicas[0].kv_blocks = 100'000;
    const ServingRun run = simulate_serving(stream, system);
    std::uint64_t after_first = 0;
    for (const Request& request : stream.requests)
      after_first += request.output - 1;
    CHECK(run.replicas[0].gaps[0].count() == static_cast<double>(after_first));
    gaps.push_back(run.replicas[0].gaps[0]);
    const ServingRun stepped = simulate_serving(stream, system, {.skip = false});
    CHECK(stepped.replicas[0].gaps[0].percentile(0.99).si() == Approx(gaps.back().percentile(0.99).si()).epsilon(0.02));
    CHECK(stepped.replicas[0].gaps[0].mean().si() == Approx(gaps.back().mean().si()).epsilon(1e-6));
  }
  CHECK(gaps[0].longest() > Seconds{0.08}); // 4,000 tokens at 20 us
  CHECK(gaps[1].longest() < Seconds{0.05});
  CHECK(gaps[1].percentile(0.99) < gaps[0].percentile(0.99));
}

TEST_CASE("skipping iterations in which nothing changes changes nothing", "[contract][serving]") {
  for (const BatchingPolicy& policy : batching_policies())
    for (const std::uint64_t seed : {1, 2, 3}) {
      CAPTURE(policy.name, seed);
      SimpleModel model;
      const RequestStream stream = random_stream(300, 12, seed);
      const ServingSystem system = scarce_system(model, policy, 2);
      const ServingRun skipped = simulate_serving(stream, system);
      const ServingRun stepped = simulate_serving(stream, system, {.skip = false});
      for (std::size_t i = 0; i < stream.requests.size(); ++i) {
        CHECK(skipped.requests[i].first_token.si() == Approx(stepped.requests[i].first_token.si()).epsilon(1e-9));
        CHECK(skipped.requests[i].end.si() == Approx(stepped.requests[i].end.si()).epsilon(1e-9));
        CHECK(skipped.requests[i].preemptions == stepped.requests[i].preemptions);
      }
      CHECK(skipped.replicas[0].iterations == stepped.replicas[0].iterations);
      CHECK(skipped.events < stepped.events);
    }
}

TEST_CASE("gaps above a class's bound are counted request by request, skipping or not", "[contract][serving]") {
  for (const BatchingPolicy& policy : batching_policies())
    for (const double bound : {1e-6, 0.0115, 0.013, 0.02, 1e3}) {
      CAPTURE(policy.name, bound);
      SimpleModel model;
      RequestStream stream = random_stream(300, 15, 5);
      stream.classes = {{.name = "bounded", .itl = Seconds{bound}}, {.name = "free"}};
      for (std::size_t i = 0; i < stream.requests.size(); i += 3)
        stream.requests[i].service_class = 1;
      const ServingSystem system = scarce_system(model, policy, 2);
      const ServingRun skipped = simulate_serving(stream, system);
      const ServingRun stepped = simulate_serving(stream, system, {.skip = false});
      for (std::size_t i = 0; i < stream.requests.size(); ++i) {
        const std::uint32_t late = skipped.requests[i].late_tokens;
        CHECK(late == stepped.requests[i].late_tokens);
        const bool free = stream.requests[i].service_class == 1 || bound == 1e3;
        CHECK(late <= (free ? 0 : stream.requests[i].output - 1));
        if (bound == 1e-6 && !free)
          CHECK(late == stream.requests[i].output - 1);
      }
    }
}

TEST_CASE("prefill and decode replicas hand requests over", "[contract][serving]") {
  SimpleModel model;
  const RequestStream stream = random_stream(300, 12, 5);
  ServingSystem system = scarce_system(model, batching_policies()[3], 4);
  system.replicas[0].pool = system.replicas[1].pool = Pool::prefill;
  system.replicas[2].pool = system.replicas[3].pool = Pool::decode;
  system.transfer = {.network = {.links = {{"link", BytesPerSecond{1e9}}}}, .per_token = Bytes{1e5}, .latency = Seconds{1e-4}};
  system.transfer.routes.assign(16, {{.link = 0, .weight = 1}});
  const ServingRun run = simulate_serving(stream, system);
  check_conserved(stream, run, kv_blocks);
  CHECK(run.replicas[0].decode_tokens == 0);
  CHECK(run.replicas[2].decode_tokens > 0);
  // The second token waits for the transfer: never less than the wire needs.
  for (std::size_t i = 0; i < stream.requests.size(); ++i)
    if (stream.requests[i].output > 1)
      CHECK((run.requests[i].end - run.requests[i].first_token).si() >= stream.requests[i].input * 1e5 / 1e9);
}

TEST_CASE("prefill and decode on the same devices share their memory", "[contract][serving]") {
  for (const std::size_t policy : {1, 3}) {
    SimpleModel model;
    const RequestStream stream = random_stream(300, 30, 31);
    ServingSystem system = scarce_system(model, batching_policies()[policy], 2);
    system.replicas[0].pool = Pool::prefill;
    system.replicas[1].pool = Pool::decode;
    system.replicas[1].shares_memory_with = 0;
    const ServingRun run = simulate_serving(stream, system);
    check_conserved(stream, run, kv_blocks);
    CHECK(run.replicas[0].peak_blocks == run.replicas[1].peak_blocks);
    const ServingRun stepped = simulate_serving(stream, system, {.skip = false});
    CHECK(run.end.si() == Approx(stepped.end.si()).epsilon(1e-9));
  }
}

TEST_CASE("replicas are started and stopped with the load, and lose nothing", "[contract][serving]") {
  SimpleModel model;
  RequestStream stream = random_stream(2000, 10, 37);
  double now = 0; // a quiet start, a busy middle, a quiet end
  for (std::size_t i = 0; i < stream.requests.size(); ++i) {
    now += i > 500 && i < 1500 ? 0.02 : 0.4;
    stream.requests[i].arrival = Seconds{now};
  }
  ServingSystem system = scarce_system(model, batching_policies()[3], 6);
  const ServingRun fixed = simulate_serving(stream, system);
  system.autoscaling = {.interval = Seconds{5}, .start_up = Seconds{10}, .least = 1, .target = 8};
  const ServingRun reactive = simulate_serving(stream, system);
  system.autoscaling.window = Seconds{60};
  const ServingRun forecast = simulate_serving(stream, system);
  const auto active = [](const ServingRun& run) {
    double sum = 0;
    for (const ReplicaTotals& totals : run.replicas)
      sum += totals.active.si();
    return sum;
  };
  check_conserved(stream, fixed, kv_blocks);
  check_conserved(stream, reactive, kv_blocks);
  check_conserved(stream, forecast, kv_blocks);
  CHECK(active(fixed) == Approx(6 * fixed.end.si()));
  CHECK(active(reactive) < 0.5 * active(fixed));
  CHECK(active(forecast) < active(fixed));
  CHECK(reactive.replicas[3].iterations > 0);
}

TEST_CASE("prompts that start alike are computed once while memory lasts", "[contract][serving]") {
  for (const std::int64_t blocks : {150, 100000}) {
    SimpleModel model;
    RequestStream stream = random_stream(300, 12, 17);
    stream.block_tokens = 32;
    for (std::size_t i = 0; i < stream.requests.size(); ++i) { // ten conversations, each turn with a block more than the last one
      Request& request = stream.requests[i];
      request.prefix = static_cast<std::uint32_t>(stream.blocks.size());
      request.prefix_blocks = static_cast<std::uint16_t>(std::min<std::size_t>(request.input / 32, 1 + i / 10));
      for (std::uint32_t k = 0; k < request.prefix_blocks; ++k)
        stream.blocks.push_back(static_cast<std::uint32_t>(i % 10) * 1000 + k);
    }
    ServingSystem system = scarce_system(model, batching_policies()[3], 2);
    for (ServingReplica& replica : system.replicas) {
      replica.kv_blocks = blocks;
      replica.prefix_cache = true;
    }
    system.router = Router::prefix;
    const ServingRun run = simulate_serving(stream, system);
    check_conserved(stream, run, blocks);
    CHECK(run.replicas[0].cached_tokens + run.replicas[1].cached_tokens > 1000);
    const ServingRun stepped = simulate_serving(stream, system, {.skip = false});
    CHECK(run.end.si() == Approx(stepped.end.si()).epsilon(1e-9));
    CHECK(run.replicas[0].cached_tokens == stepped.replicas[0].cached_tokens);
  }
}

TEST_CASE("preempted sequences that are swapped out are not computed again", "[contract][serving]") {
  SimpleModel model;
  const RequestStream stream = random_stream(300, 20, 19);
  ServingSystem system = scarce_system(model, batching_policies()[3], 1);
  const ServingRun recomputed = simulate_serving(stream, system);
  system.replicas[0].tiers = {{.blocks = 1000, .read = Seconds{1e-5}, .write = Seconds{1e-5}}};
  system.replicas[0].moves.swap = true;
  const ServingRun swapped = simulate_serving(stream, system);
  check_conserved(stream, recomputed, kv_blocks);
  CHECK(recomputed.replicas[0].preemptions > 0);
  CHECK(swapped.replicas[0].preemptions > 0);
  CHECK(swapped.replicas[0].prefill_tokens < recomputed.replicas[0].prefill_tokens);
  const ServingRun stepped = simulate_serving(stream, system, {.skip = false});
  CHECK(swapped.end.si() == Approx(stepped.end.si()).epsilon(1e-9));
}

TEST_CASE("accepted drafts save iterations", "[contract][serving]") {
  SimpleModel model;
  const RequestStream stream = random_stream(200, 4, 23);
  ServingSystem system = scarce_system(model, batching_policies()[3], 1);
  system.replicas[0].policy.reservation = Reservation::whole;
  const ServingRun plain = simulate_serving(stream, system);
  system.replicas[0].tokens_per_iteration = 1.7;
  const ServingRun drafted = simulate_serving(stream, system);
  check_conserved(stream, drafted, kv_blocks);
  CHECK(drafted.replicas[0].iterations < plain.replicas[0].iterations);
  const ServingRun stepped = simulate_serving(stream, system, {.skip = false});
  CHECK(drafted.end.si() == Approx(stepped.end.si()).epsilon(1e-9));
}

TEST_CASE("a run that stops early says how far each request came", "[contract][serving]") {
  SimpleModel model;
  RequestStream stream = random_stream(64, 1000, 29);
  for (Request& request : stream.requests)
    request.arrival = Seconds{};
  const ServingSystem system = scarce_system(model, batching_policies()[1], 1);
  for (const bool skip : {true, false}) {
    const ServingRun whole = simulate_serving(stream, system, {.skip = skip});
    const ServingRun part = simulate_serving(stream, system, {.skip = skip, .stop_after = 20});
    CHECK(part.end < whole.end);
    CHECK(std::ranges::count(part.requests, Outcome::served, &RequestRecord::outcome) >= 20);
    std::uint64_t produced = 0;
    for (std::size_t i = 0; i < stream.requests.size(); ++i) {
      const RequestRecord& record = part.requests[i];
      CHECK(record.produced <= stream.requests[i].output);
      CHECK((record.outcome == Outcome::served) == (record.produced == stream.requests[i].output));
      produced += record.produced;
    }
    CHECK(produced > 20);
  }
}

TEST_CASE("a closed loop keeps so many requests in the system", "[contract][serving]") {
  SimpleModel model;
  RequestStream stream = random_stream(200, 1, 9);
  close_loop(stream, {.concurrency = 8});
  const ServingRun run = simulate_serving(stream, scarce_system(model, batching_policies()[3], 1));
  check_conserved(stream, run, kv_blocks);
  CHECK(run.replicas[0].peak_sequences <= 8);
  std::vector<double> arrivals;
  for (const RequestRecord& record : run.requests)
    arrivals.push_back(record.arrival.si());
  CHECK(std::ranges::count(arrivals, 0.0) == 8);
}

TEST_CASE("a request that no replica holds is refused", "[contract][serving]") {
  SimpleModel model;
  RequestStream stream = random_stream(20, 5, 11);
  stream.requests[7].input = kv_blocks * 16 + 1;
  const ServingRun run = simulate_serving(stream, scarce_system(model, batching_policies()[2], 1));
  CHECK(run.requests[7].outcome == Outcome::refused);
  CHECK(std::ranges::count(run.requests, Outcome::served, &RequestRecord::outcome) == 19);
}

TEST_CASE("higher classes go first, followers after what they follow", "[contract][serving]") {
  SimpleModel model;
  RequestStream stream = random_stream(200, 100, 13);
  stream.classes = {{.name = "batch"}, {.name = "chat", .priority = 1}};
  for (std::size_t i = 0; i < stream.requests.size(); i += 2)
    stream.requests[i].service_class = 1;
  stream.requests[150].follows = 20;
  stream.requests[150].arrival = Seconds{3};
  const ServingRun run = simulate_serving(stream, scarce_system(model, batching_policies()[3], 1));
  check_conserved(stream, run, kv_blocks);
  CHECK(run.requests[150].arrival.si() == Approx(run.requests[20].end.si() + 3));
  double chat = 0;
  double batch = 0;
  for (std::size_t i = 0; i < stream.requests.size(); ++i)
    (stream.requests[i].service_class == 1 ? chat : batch) += (run.requests[i].first_token - run.requests[i].arrival).si();
  CHECK(chat < 0.5 * batch);
}

} // namespace orrery::serving_contract_test
