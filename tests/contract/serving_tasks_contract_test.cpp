// Tasks of several stages: models and tools, forks and joins. No stage is lost, none begins before those that it comes after have ended,
// and skipping iterations changes nothing.
#include "tests/unit/engine/serving_cases.hpp"
#include "workloads/requests/request_traffic.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>

namespace orrery::serving_tasks_contract_test {

namespace {

/// Plan, two searches beside each other and a draft, an answer out of all three.
Traffic agents(int tasks, double rate) {
  Traffic traffic{.requests = static_cast<std::uint32_t>(tasks), .arrivals = PoissonArrivals{Hertz{rate}}};
  traffic.stages = {
      {.name = "plan", .input = UniformLength{10, 300}, .output = UniformLength{1, 40}},
      {.name = "search", .service = "web", .after = {"plan"}, .time = Seconds{0.4}, .sigma = 0.8},
      {.name = "look up", .after = {"plan"}, .time = Seconds{0.1}},
      {.name = "draft", .service = "small", .after = {"plan"}, .input = FixedLength{50}, .output = UniformLength{5, 60}},
      {.name = "answer", .after = {"search", "look up", "draft"}, .input = FixedLength{100}, .output = UniformLength{10, 80}},
  };
  return traffic;
}

/// Two replicas of the job's model, workers, one replica of the small model, tools without a limit.
ServingSystem system_of(IterationModel& model, int workers) {
  ServingReplica replica{.model = &model, .policy = batching_policies()[3], .kv_blocks = 300};
  replica.policy.max_sequences = 24;
  return {.replicas = {replica, replica, replica},
          .services = {{.first = 0, .replicas = 2}, {.workers = workers}, {.first = 2, .replicas = 1}, {}}};
}

void check_order(const RequestStream& stream, const ServingRun& run) {
  for (std::size_t i = 0; i < stream.requests.size(); ++i) {
    const Request& request = stream.requests[i];
    REQUIRE(run.requests[i].outcome == Outcome::served);
    CHECK(run.requests[i].scheduled >= run.requests[i].arrival);
    CHECK(run.requests[i].end >= run.requests[i].scheduled);
    if (request.follows != no_request)
      CHECK(run.requests[i].arrival >= run.requests[request.follows].end);
    if (request.output == 0)
      CHECK((run.requests[i].end - run.requests[i].scheduled).si() == Approx(stream.tool_times[i].si()));
  }
  for (const Dependency& join : stream.joins)
    CHECK(run.requests[join.after].arrival >= run.requests[join.before].end);
}

} // namespace

TEST_CASE("services are numbered as stages name them, tools without one last", "[contract][serving]") {
  CHECK(traffic_services(agents(1, 1)) == std::vector<std::string>{"web", "small", ""});
  const RequestStream stream = generate_requests(agents(3, 1), 5);
  REQUIRE(stream.requests.size() == 15);
  CHECK(stream.stages == 5);
  CHECK(stream.joins.size() == 6);
  const Request& answer = stream.requests[4];
  CHECK(answer.follows == 1);
  CHECK(answer.input == 100 + stream.requests[3].output); // tools say nothing
  CHECK(stream.requests[1].service == 1);
  CHECK(stream.requests[2].service == 3);
  CHECK(stream.requests[3].service == 2);
  CHECK(answer.service == 0);
  CHECK(stream.requests[1].output == 0);
}

TEST_CASE("stages of tasks follow those that they come after, whatever the number of workers", "[contract][serving]") {
  for (const int workers : {0, 1, 3}) {
    CAPTURE(workers);
    SimpleModel model;
    const RequestStream stream = generate_requests(agents(150, 3), 11);
    const ServingSystem system = system_of(model, workers);
    const ServingRun run = simulate_serving(stream, system);
    check_order(stream, run);
    Seconds searches;
    for (std::size_t i = 1; i < stream.requests.size(); i += 5)
      searches += stream.tool_times[i];
    CHECK(run.tools[1].busy.si() == Approx(searches.si()));
    CHECK((workers == 0 || run.tools[1].most <= workers));
    CHECK(run.replicas[2].prefill_tokens == 150 * 50 + [&] {
      std::uint64_t plans = 0;
      for (std::size_t i = 0; i < stream.requests.size(); i += 5)
        plans += stream.requests[i].output;
      return plans;
    }());
    const ServingRun stepped = simulate_serving(stream, system, {.skip = false});
    for (std::size_t i = 0; i < stream.requests.size(); ++i)
      CHECK(run.requests[i].end.si() == Approx(stepped.requests[i].end.si()).epsilon(1e-9));
  }
}

TEST_CASE("fewer workers never end tasks sooner", "[contract][serving]") {
  SimpleModel model;
  const RequestStream stream = generate_requests(agents(150, 3), 13);
  double before = 0;
  for (const int workers : {0, 4, 2, 1}) {
    const ServingRun run = simulate_serving(stream, system_of(model, workers));
    double sum = 0;
    for (std::size_t i = 0; i < stream.requests.size(); i += 5)
      sum += (run.requests[i + 4].end - run.requests[i].arrival).si();
    CHECK(sum >= before);
    before = sum;
  }
}

TEST_CASE("tasks that go back have their rounds, one after the other, over prompts that grow", "[contract][serving]") {
  Traffic traffic{.requests = 80, .arrivals = PoissonArrivals{Hertz{2}}};
  traffic.stages = {
      {.name = "ask", .input = FixedLength{40}, .output = FixedLength{4}},
      {.name = "think", .after = {"ask"}, .input = UniformLength{20, 60}, .output = UniformLength{5, 30}},
      {.name = "act", .service = "web", .after = {"think"}, .time = Seconds{0.2}, .back_to = "think", .rounds = UniformLength{1, 6}},
      {.name = "answer", .after = {"act"}, .input = FixedLength{30}, .output = FixedLength{20}, .continues = "think"}};
  const RequestStream stream = generate_requests(traffic, 7);
  int tasks = 0;
  int rounds = 0;
  std::uint32_t said = 0; // in the round before
  for (const Request& request : stream.requests) {
    tasks += request.follows == no_request ? 1 : 0;
    if (request.service_class == 0)
      said = 0;
    if (request.service_class == 3)
      CHECK(request.input == said + 30);
    if (request.service_class != 1)
      continue;
    ++rounds;
    CHECK(request.input >= said + 20);
    CHECK(request.prefix_blocks == (request.input + request.output) / stream.block_tokens);
    said = request.input + request.output;
  }
  CHECK(tasks == 80);
  CHECK(stream.requests.size() == 160 + 2 * static_cast<std::size_t>(rounds));
  CHECK(rounds == Approx(80 * 3.5).epsilon(0.15));
  SimpleModel model;
  ServingSystem system = system_of(model, 3);
  for (ServingReplica& replica : system.replicas)
    replica.prefix_cache = true;
  system.router = Router::session;
  const ServingRun run = simulate_serving(stream, system);
  check_order(stream, run);
  CHECK(run.replicas[0].cached_tokens + run.replicas[1].cached_tokens > 0);
  const ServingRun stepped = simulate_serving(stream, system, {.skip = false});
  for (std::size_t i = 0; i < stream.requests.size(); ++i)
    CHECK(run.requests[i].end.si() == Approx(stepped.requests[i].end.si()).epsilon(1e-9));
}

TEST_CASE("a router by session uses all replicas whatever the number of requests of a task", "[contract][serving]") {
  const int requests = GENERATE(1, 2, 4, 6);
  Traffic traffic{.requests = 200, .arrivals = PoissonArrivals{Hertz{2}}};
  for (int i = 0; i < requests; ++i)
    traffic.stages.push_back({.name = "s" + std::to_string(i), .input = FixedLength{40}, .output = FixedLength{4}});
  for (std::size_t i = 1; i < traffic.stages.size(); ++i)
    traffic.stages[i].after = {traffic.stages[i - 1].name};
  const RequestStream stream = generate_requests(traffic, 7);
  SimpleModel model;
  ServingSystem system = system_of(model, 2);
  system.router = Router::session;
  const ServingRun run = simulate_serving(stream, system);
  const auto replica = [&](std::size_t id) { return run.requests[id].replica; };
  int on_first = 0;
  for (std::size_t i = 0; i < stream.requests.size(); ++i) {
    on_first += replica(i) == 0 ? 1 : 0;
    if (stream.requests[i].follows != no_request)
      CHECK(replica(i) == replica(stream.requests[i].follows));
  }
  CHECK(on_first > 70 * requests);
  CHECK(on_first < 130 * requests);
}

TEST_CASE("a worker's latency holds back who waits, not the next one in its queue", "[closed_form][serving]") {
  SimpleModel model;
  Traffic traffic{.requests = 40, .arrivals = AtOnce{}};
  traffic.stages = {{.name = "carry", .service = "broker", .time = Seconds{0.5}}};
  const RequestStream stream = generate_requests(traffic, 3);
  ServingSystem system = system_of(model, 0);
  system.services = {{.first = 0, .replicas = 3}, {.workers = 2, .latency = Seconds{7}}};
  const ServingRun run = simulate_serving(stream, system);
  for (std::size_t i = 0; i < 40; ++i)
    CHECK(run.requests[i].end.si() == Approx(0.5 * static_cast<double>(i / 2 + 1) + 7));
  CHECK(run.tools[1].busy.si() == Approx(20));
}

TEST_CASE("a closed loop of tasks keeps so many of them in the system", "[contract][serving]") {
  SimpleModel model;
  Traffic traffic = agents(60, 1);
  traffic.arrivals = ClosedLoop{.concurrency = 4};
  const RequestStream stream = generate_requests(traffic, 17);
  const ServingRun run = simulate_serving(stream, system_of(model, 2));
  check_order(stream, run);
  int at_start = 0;
  for (std::size_t i = 0; i < stream.requests.size(); i += 5)
    at_start += run.requests[i].arrival == Seconds{} ? 1 : 0;
  CHECK(at_start == 4);
}

TEST_CASE("a tool alone is a queue of workers", "[closed_form][serving]") {
  SimpleModel model;
  Traffic traffic{.requests = 20'000, .arrivals = PoissonArrivals{Hertz{1.6}}};
  traffic.stages = {{.name = "work", .service = "workers", .time = Seconds{1}}};
  const RequestStream stream = generate_requests(traffic, 3);
  ServingSystem system = system_of(model, 0);
  system.services = {{.first = 0, .replicas = 3}, {.workers = 2}};
  const ServingRun run = simulate_serving(stream, system);
  double wait = 0;
  for (const RequestRecord& record : run.requests)
    wait += (record.scheduled - record.arrival).si() / 20'000;
  // M/D/2 at 80% load: about half of M/M/2's rho^2 / (1 - rho^2) = 1.78 service times, 0.92 by Cosmetatos' formula.
  const double rho = 0.8;
  const double exponential = rho * rho / (1 - rho * rho);
  const double deterministic = exponential / 2 * (1 + (1 - rho) * (2 - 1) * (std::sqrt(4 + 5.0 * 2) - 2) / (16 * rho * 2));
  CHECK(wait == Approx(deterministic).epsilon(0.06));
}

} // namespace orrery::serving_tasks_contract_test
