#include "scenarios/serving/rollouts.hpp"

#include <cassert>
#include <cmath>

namespace orrery {

namespace {

/// A response under way: what is left of it, and what it has produced before.
struct Response {
  Request rest;
  double earlier = 0;
};

/// The phase of one step. Finished responses leave `under_way`.
RolloutStep generate(std::vector<Response>& under_way, const ServingSystem& system, int needed) {
  RequestStream stream;
  RolloutStep step;
  for (const Response& response : under_way) {
    stream.requests.push_back(response.rest);
    step.computed_again += response.earlier > 0 ? response.rest.input : 0;
  }
  const ServingRun run = simulate_serving(stream, system, {.stop_after = static_cast<std::uint64_t>(needed)});
  step.generation = run.end;
  std::vector<Response> carried;
  int finished = 0;
  for (std::size_t i = 0; i < under_way.size(); ++i) {
    Response response = under_way[i];
    const RequestRecord& record = run.requests[i];
    if (record.outcome == Outcome::served && finished < needed) {
      ++finished;
      step.output_tokens += response.earlier + response.rest.output;
      step.earlier_tokens += response.earlier;
      continue;
    }
    // Of those that end at the same moment beyond the number needed, the last token is left for the next step.
    const std::uint32_t produced = std::min(record.produced, response.rest.output - 1);
    response.rest.input += produced;
    response.rest.output -= produced;
    response.earlier += produced;
    carried.push_back(response);
  }
  step.carried = static_cast<int>(carried.size());
  under_way = std::move(carried);
  return step;
}

} // namespace

Seconds RolloutRun::generation() const {
  Seconds sum;
  for (const RolloutStep& step : steps)
    sum += step.generation;
  return sum;
}

double RolloutRun::output_tokens() const {
  double sum = 0;
  for (const RolloutStep& step : steps)
    sum += step.output_tokens;
  return sum;
}

double RolloutRun::tokens_per_second(const RolloutOptions& options) const {
  return output_tokens() / (generation() + options.training_step * static_cast<double>(steps.size())).si();
}

RolloutRun simulate_rollouts(const std::vector<Request>& responses, const ServingSystem& system, const RolloutOptions& options) {
  assert(!responses.empty());
  const auto present = static_cast<std::size_t>(std::ceil(options.responses * (1 + options.surplus)));
  RolloutRun run;
  std::vector<Response> under_way;
  std::size_t next = 0;
  for (int step = 0; step < options.steps; ++step) {
    while (under_way.size() < present) {
      Request request = responses[next++ % responses.size()];
      request.arrival = Seconds{};
      under_way.push_back({.rest = request});
    }
    run.steps.push_back(generate(under_way, system, options.responses));
  }
  return run;
}

} // namespace orrery
