#include "scenarios/serving/serving_scenario.hpp"

#include "hardware/words.hpp"
#include "sim/base/diagnostics.hpp"
#include "sim/base/random.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace orrery {

namespace {

constexpr std::size_t piece_bytes = 1U << 20U;

RequestTrace read_trace(const TraceTraffic& trace) {
  RequestTraceReader reader(trace.selection());
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(trace.file, error);
  std::ifstream in(trace.file, std::ios::binary);
  if (error || !in)
    throw UserError(trace.file + ": cannot be read");
  reader.expect(size);
  std::string piece(piece_bytes, '\0');
  while (in && !reader.done()) {
    in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    reader.feed({piece.data(), static_cast<std::size_t>(in.gcount())});
  }
  RequestTrace read = reader.finish();
  if (!read.problem.empty())
    throw UserError(fmt::format("{}: {}", trace.file, read.problem));
  return read;
}

/// Gives the requests that follow none new times, in the order of the file.
void time_anew(RequestStream& stream, const ArrivalLaw& law, std::uint64_t seed) {
  ArrivalClock clock(law, seed);
  for (Request& request : stream.requests)
    if (request.follows == no_request)
      request.arrival = clock.next();
  if (const auto* loop = std::get_if<ClosedLoop>(&law))
    close_loop(stream, *loop);
}

/// Deals classes out by their shares; turns of a session are of one class.
void deal_classes(RequestStream& stream, const std::vector<TrafficClass>& classes, std::uint64_t seed) {
  if (classes.empty())
    return;
  stream.classes.clear();
  std::vector<double> sums;
  for (const TrafficClass& row : classes) {
    stream.classes.push_back(row.service());
    sums.push_back((sums.empty() ? 0 : sums.back()) + row.share);
  }
  RandomStream random(seed, "classes");
  for (Request& request : stream.requests) {
    const auto drawn = std::ranges::upper_bound(sums, random.uniform() * sums.back()) - sums.begin();
    request.service_class = static_cast<std::uint16_t>(std::min<std::ptrdiff_t>(drawn, static_cast<std::ptrdiff_t>(sums.size()) - 1));
    if (request.follows != no_request)
      request.service_class = stream.requests[request.follows].service_class;
  }
}

void take_token_bounds(ServiceClass& row, const ServiceTarget& target) {
  row.ttft = target.ttft.value_or(Seconds{});
  row.tpot = target.tpot.value_or(Seconds{});
  row.itl = target.itl.value_or(Seconds{});
  row.itl_within = target.itl_within.value_or(1);
}

/// Of a message by the worker that carries it.
Seconds carrying_time(const ServingScenario& job, const TrafficStage& stage) {
  const auto service = std::ranges::find(job.services, stage.service, &ServiceChoice::name);
  const bool timed = service != job.services.end() && service->bandwidth > BytesPerSecond{};
  return timed ? *stage.size / service->bandwidth : Seconds{};
}

} // namespace

TraceSelection TraceTraffic::selection() const {
  return {.format = format.value_or(""),
          .skip = skip,
          .requests = requests,
          .speed = speed,
          .max_context = max_context,
          .characters_per_token = characters_per_token};
}

bool has_bounds(const ServingScenario& job) {
  const std::vector<TrafficClass>& classes = job.traffic ? job.traffic->classes : job.trace->classes;
  return job.slo.ttft || job.slo.tpot || job.slo.end_to_end || job.slo.itl || job.slo.itl_p99 ||
         std::ranges::any_of(classes, [](const TrafficClass& row) { return row.ttft || row.tpot || row.end_to_end || row.itl; });
}

ServingPlan ServiceChoice::layout() const {
  ServingPlan layout = plan;
  if (image)
    layout.tp = image->patches;
  return layout;
}

int serving_devices(const ServingScenario& job) {
  int devices = job.pools || !has_model(job) ? 0 : job.plan.devices();
  if (job.pools) {
    devices += job.pools->prefill.node ? 0 : job.pools->prefill.plan.devices();
    devices += job.pools->same_devices() || job.pools->decode.node ? 0 : job.pools->decode.plan.devices();
  }
  for (const ServiceChoice& service : job.services)
    devices += service.on_devices() && !service.node ? service.layout().devices() : 0;
  return devices;
}

ServingJob serving_job(const ServingScenario& job, const ServiceChoice& service) {
  ServingScenario own = job;
  own.model = *service.model;
  own.weights = service.weights;
  own.kv = service.kv;
  own.speculation.reset();
  return serving_job(own);
}

ServingJob serving_job(const ServingScenario& job) {
  ServingJob served{
      .model = job.model, .precision = job.precision, .kv = job.kv.value_or(job.precision), .kept = job.kept, .routing = job.routing};
  const std::string name = job.weights.value_or(choice_name(precision_words(), job.precision));
  const WeightFormat* const format = find_weight_format(name);
  assert(format != nullptr && "the table knows the names");
  served.weights = *format;
  if (job.speculation)
    served.speculation = {.drafter = job.speculation->drafter,
                          .drafts = job.speculation->drafts,
                          .acceptance = job.speculation->acceptance,
                          .model = job.speculation->model.value_or(TransformerModel{})};
  return served;
}

ServingTraffic serving_traffic(const ServingScenario& job, std::uint64_t seed) {
  ServingTraffic traffic;
  if (job.trace) {
    RequestTrace read = read_trace(*job.trace);
    traffic = {std::move(read.stream), std::move(read.report)};
    if (job.trace->arrivals)
      time_anew(traffic.stream, *job.trace->arrivals, seed);
    deal_classes(traffic.stream, job.trace->classes, seed);
  } else {
    Traffic resolved = *job.traffic;
    for (TrafficStage& stage : resolved.stages)
      if (stage.size)
        stage.time = carrying_time(job, stage);
    traffic.stream = generate_requests(resolved, seed);
  }
  if (traffic.stream.stages > 1) { // the bound of a whole task is no stage's
    traffic.stream.task = job.slo.end_to_end.value_or(Seconds{});
    for (ServiceClass& row : traffic.stream.classes)
      take_token_bounds(row, job.slo);
    return traffic;
  }
  for (ServiceClass& row : traffic.stream.classes)
    if (row.ttft.si() == 0 && row.tpot.si() == 0 && row.end_to_end.si() == 0 && row.itl.si() == 0) {
      take_token_bounds(row, job.slo);
      row.end_to_end = job.slo.end_to_end.value_or(Seconds{});
    }
  return traffic;
}

} // namespace orrery
