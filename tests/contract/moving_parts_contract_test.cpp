// Parts of a device that follow the load between prompts and decoding, and prompts taken shortest first.
#include "tests/unit/engine/serving_cases.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <memory>

namespace orrery::moving_parts_contract_test {

namespace {

constexpr int parts = 10;

/// Ten models, each `1 / share` as slow as the whole.
class PartModel final : public IterationModel {
public:
  explicit PartModel(double share) : share_(share) {}

  IterationCost cost(std::span<const PrefillChunk> prompts, int decodes, double context) override {
    return slowed(whole_.cost(prompts, decodes, context));
  }
  const DecodeCurve& decode(int sequences) override {
    const auto found = curves_.find(sequences);
    if (found != curves_.end())
      return found->second;
    const DecodeCurve& whole = whole_.decode(sequences);
    const std::vector<double> contexts{1, 100, 1000, 10000};
    std::vector<IterationCost> costs;
    for (const double context : contexts)
      costs.push_back(slowed(whole.at(context)));
    return curves_.emplace(sequences, DecodeCurve(contexts, costs)).first->second;
  }

private:
  [[nodiscard]] IterationCost slowed(IterationCost cost) const {
    cost.latency = cost.latency / share_;
    cost.occupancy = cost.occupancy / share_;
    return cost;
  }
  double share_;
  SimpleModel whole_;
  std::map<int, DecodeCurve> curves_;
};

struct Split {
  std::vector<std::unique_ptr<PartModel>> models;
  ServingSystem system;

  Split(const char* policy, double slack) {
    const auto found = std::ranges::find(batching_policies(), policy, &BatchingPolicy::name);
    std::vector<IterationModel*> all;
    for (int i = 1; i <= parts; ++i)
      all.push_back(models.emplace_back(std::make_unique<PartModel>(static_cast<double>(i) / parts)).get());
    const ServingReplica replica{
        .model = all.back(), .parts = all, .decode_slack = slack, .policy = *found, .kv_blocks = 5000, .pool = Pool::prefill};
    system.replicas = {replica, replica};
    system.replicas[1].pool = Pool::decode;
    system.replicas[1].shares_memory_with = 0;
  }
};

double mean_first_token(const RequestStream& stream, const ServingRun& run) {
  double sum = 0;
  for (const RequestRecord& record : run.requests)
    sum += (record.first_token - record.arrival).si();
  return sum / static_cast<double>(stream.requests.size());
}

} // namespace

TEST_CASE("parts that follow the load lose no request and no token", "[contract][serving]") {
  for (const double slack : {0.0, 0.5, 4.0}) {
    const RequestStream stream = random_stream(300, 12, 31);
    const Split split("vllm-v0", slack);
    const ServingRun run = simulate_serving(stream, split.system);
    std::uint64_t after_first = 0;
    std::uint64_t input = 0;
    for (std::size_t i = 0; i < stream.requests.size(); ++i) {
      REQUIRE(run.requests[i].outcome == Outcome::served);
      after_first += stream.requests[i].output - 1;
      input += stream.requests[i].input;
    }
    CHECK(run.replicas[0].prefill_tokens == input);
    CHECK(run.replicas[1].decode_tokens == after_first);
    const ServingRun stepped = simulate_serving(stream, split.system, {.skip = false});
    CHECK(run.end.si() == Approx(stepped.end.si()).epsilon(1e-9));
  }
}

TEST_CASE("a phase alone has the whole device", "[contract][serving]") {
  RequestStream stream;
  stream.requests.push_back({.arrival = Seconds{}, .input = 1000, .output = 101});
  const Split split("vllm-v0", 0.5);
  const ServingRun run = simulate_serving(stream, split.system);
  SimpleModel whole;
  const PrefillChunk prompt{.tokens = 1000, .last = true};
  CHECK(run.requests[0].first_token.si() == Approx(whole.cost({&prompt, 1}, 0, 0).latency.si()));
  const double decoding = (run.requests[0].end - run.requests[0].first_token).si();
  CHECK(decoding == Approx(whole.decode(1).sum(1001, 100, 1).latency.si()).epsilon(1e-3));
}

TEST_CASE("more slack of decoding brings first tokens sooner and the others later", "[contract][serving]") {
  const RequestStream stream = random_stream(400, 14, 5);
  std::array<ServingRun, 2> runs;
  for (const std::size_t i : {0, 1})
    runs[i] = simulate_serving(stream, Split("vllm-v0", i == 0 ? 0.2 : 3).system);
  CHECK(mean_first_token(stream, runs[1]) < mean_first_token(stream, runs[0]));
  CHECK(runs[1].replicas[1].gaps.front().mean() > runs[0].replicas[1].gaps.front().mean());
}

TEST_CASE("short prompts overtake long ones that have not waited long", "[contract][serving]") {
  RequestStream stream;
  // The first one keeps the replica busy while the others come.
  for (const std::uint32_t input : {8000U, 6000U, 300U, 200U})
    stream.requests.push_back({.arrival = Seconds{0.001 * static_cast<double>(stream.requests.size())}, .input = input, .output = 2});
  stream.requests.push_back({.arrival = Seconds{0.1}, .input = 100, .output = 2});
  SimpleModel model;
  const auto first_tokens = [&](const char* name, double aging) {
    BatchingPolicy policy = *std::ranges::find(batching_policies(), name, &BatchingPolicy::name);
    policy.max_tokens = 500;
    if (policy.aging)
      policy.aging = aging;
    const ServingReplica replica{.model = &model, .policy = policy, .kv_blocks = 5000};
    std::vector<double> times;
    for (const RequestRecord& record : simulate_serving(stream, {.replicas = {replica}}).requests)
      times.push_back(record.first_token.si());
    return times;
  };
  const std::vector<double> shortest = first_tokens("shortest-prompt", 150);
  CHECK(shortest[4] <= shortest[3]);
  CHECK(shortest[3] < shortest[2]);
  CHECK(shortest[2] < shortest[1]);
  const std::vector<double> aged = first_tokens("shortest-prompt", 1e9); // each microsecond counts more than any prompt
  CHECK(aged == first_tokens("vllm-v0", 0));
  CHECK(aged[1] < aged[2]);
}

} // namespace orrery::moving_parts_contract_test
