#include "scenarios/serving/serving_metrics.hpp"

#include "models/money.hpp"
#include "models/power.hpp"
#include "scenarios/scenario.hpp"
#include "sim/base/percentile.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

namespace orrery {

namespace {

LatencySummary summary_of(std::vector<double> values) {
  LatencySummary summary{.count = values.size()};
  if (values.empty())
    return summary;
  double sum = 0;
  for (const double value : values)
    sum += value;
  summary.mean = Seconds{sum / static_cast<double>(values.size())};
  summary.p50 = Seconds{percentile(values, 0.50)};
  summary.p90 = Seconds{percentile(values, 0.90)};
  summary.p95 = Seconds{percentile(values, 0.95)};
  summary.p99 = Seconds{percentile(values, 0.99)};
  summary.max = Seconds{*std::ranges::max_element(values)};
  return summary;
}

/// Latencies of one request that was served.
struct Latencies {
  Seconds ttft;
  Seconds tpot; ///< of more than one token
  Seconds end_to_end;
};

Latencies latencies_of(const Request& request, const RequestRecord& record) {
  Latencies l{.ttft = record.first_token - record.arrival, .end_to_end = record.end - record.arrival};
  if (request.output > 1)
    l.tpot = (record.end - record.first_token) / static_cast<double>(request.output - 1);
  return l;
}

/// The latencies of the requests of a class, or of all.
ServingLatencies latencies_of(const RequestStream& stream, const ServingRun& run, std::optional<std::size_t> service_class) {
  std::vector<double> ttft;
  std::vector<double> tpot;
  std::vector<double> whole;
  std::vector<double> queueing;
  double decoding = 0;
  double tokens = 0;
  for (std::size_t i = 0; i < stream.requests.size(); ++i) {
    const Request& request = stream.requests[i];
    const RequestRecord& record = run.requests[i];
    if (record.outcome != Outcome::served || (service_class && request.service_class != *service_class))
      continue;
    if (request.output == 0 && !service_class) // tools give no tokens
      continue;
    const Latencies l = latencies_of(request, record);
    const bool speaks = gives_tokens(stream, request);
    if (speaks)
      ttft.push_back(l.ttft.si());
    whole.push_back(l.end_to_end.si());
    queueing.push_back((record.scheduled - record.arrival).si());
    if (!speaks || request.output < 2)
      continue;
    tpot.push_back(l.tpot.si());
    decoding += (record.end - record.first_token).si();
    tokens += request.output - 1;
  }
  return {.ttft = summary_of(std::move(ttft)),
          .tpot = summary_of(std::move(tpot)),
          .end_to_end = summary_of(std::move(whole)),
          .queueing = summary_of(std::move(queueing)),
          .itl_mean = Seconds{tokens > 0 ? decoding / tokens : 0}};
}

LatencySummary summary_of(const GapHistogram& gaps) {
  return {.count = static_cast<std::uint64_t>(gaps.count()),
          .mean = gaps.mean(),
          .p50 = gaps.percentile(0.50),
          .p90 = gaps.percentile(0.90),
          .p95 = gaps.percentile(0.95),
          .p99 = gaps.percentile(0.99),
          .max = gaps.longest()};
}

/// Times between the tokens of a class, or of all.
LatencySummary gaps_of(const RequestStream& stream, const ServingRun& run, std::optional<std::size_t> service_class) {
  GapHistogram gaps;
  for (const ReplicaTotals& totals : run.replicas)
    for (std::size_t c = 0; c < totals.gaps.size(); ++c)
      if ((!service_class || c == *service_class) && !stream.classes[c].images)
        gaps.add(totals.gaps[c]);
  return summary_of(gaps);
}

bool within(Seconds value, Seconds bound) { return bound.si() == 0 || value <= bound; }

/// Whether enough of the gaps between a request's tokens keep its class's bound.
bool flows(const Request& request, const RequestRecord& record, const ServiceClass& bounds) {
  constexpr double rounding = 1e-9;
  const double gaps = request.output - 1.0;
  return record.late_tokens <= (1 - bounds.itl_within) * gaps + rounding;
}

/// Tasks, and the share of them that keep their bounds. `kept` = requests that keep theirs.
void fill_tasks(ServingResult& result, const RequestStream& stream, const ServingRun& run, const std::vector<bool>& kept) {
  std::vector<double> times;
  std::uint64_t count = 0;
  std::uint64_t in_time = 0;
  for (std::size_t first = 0; first < stream.requests.size(); ++count) {
    const Seconds arrival = run.requests[first].arrival;
    Seconds end;
    bool served = true;
    bool within_bounds = true;
    do {
      served = served && run.requests[first].outcome == Outcome::served;
      within_bounds = within_bounds && kept[first];
      end = std::max(end, run.requests[first].end);
      ++first;
    } while (first < stream.requests.size() && stream.requests[first].follows != no_request);
    if (!served)
      continue;
    times.push_back((end - arrival).si());
    in_time += within_bounds && within(end - arrival, stream.task) ? 1 : 0;
  }
  result.tasks = TaskResult{.stages = stream.stages,
                            .count = count,
                            .served = times.size(),
                            .per_second = static_cast<double>(times.size()) / result.time.si(),
                            .end_to_end = summary_of(std::move(times))};
  result.attainment = static_cast<double>(in_time) / static_cast<double>(count);
}

void fill_classes(ServingResult& result, const RequestStream& stream, const ServingRun& run) {
  constexpr std::array shares{&ClassResult::ttft_met, &ClassResult::tpot_met, &ClassResult::end_to_end_met, &ClassResult::itl_met,
                              &ClassResult::attainment};
  std::vector<std::array<std::uint64_t, shares.size()>> counts(stream.classes.size());
  std::vector<bool> kept_all(stream.requests.size());
  for (const ServiceClass& bounds : stream.classes)
    result.classes.push_back({.bounds = bounds});
  for (std::size_t i = 0; i < stream.requests.size(); ++i) {
    const Request& request = stream.requests[i];
    ClassResult& row = result.classes[request.service_class];
    ++row.requests;
    if (run.requests[i].outcome != Outcome::served)
      continue;
    ++row.served;
    const Latencies l = latencies_of(request, run.requests[i]);
    const bool tokens = gives_tokens(stream, request);
    const bool ttft = !tokens || within(l.ttft, row.bounds.ttft);
    const bool tpot = !tokens || within(l.tpot, row.bounds.tpot);
    const bool whole = within(l.end_to_end, row.bounds.end_to_end);
    const bool itl = !tokens || flows(request, run.requests[i], row.bounds);
    const bool all = ttft && tpot && whole && itl;
    kept_all[i] = all;
    const std::array kept{ttft, tpot, whole, itl, all};
    for (std::size_t k = 0; k < shares.size(); ++k)
      counts[request.service_class][k] += kept[k] ? 1 : 0;
  }
  for (std::size_t c = 0; c < result.classes.size(); ++c) {
    ClassResult& row = result.classes[c];
    if (row.requests == 0)
      continue;
    for (std::size_t k = 0; k < shares.size(); ++k)
      row.*shares[k] = static_cast<double>(counts[c][k]) / static_cast<double>(row.requests);
    row.itl = gaps_of(stream, run, c);
    row.latencies = result.classes.size() == 1 ? result.latencies : latencies_of(stream, run, c);
  }
  const auto kept = static_cast<double>(std::ranges::count(kept_all, true));
  result.attainment = kept / static_cast<double>(stream.requests.size());
  if (stream.stages > 1)
    fill_tasks(result, stream, run, kept_all);
}

/// Overlap of [begin, end] with [from, to].
double overlap(Seconds begin, Seconds end, Seconds from, Seconds to) {
  return std::max(0.0, (std::min(end, to) - std::max(begin, from)).si());
}

/// Requests that wait keep growing in number until the last arrival: half as many again in the last quarter of the time as in the second,
/// and more than chance would leave.
Saturation saturation_of(const RequestStream& stream, const ServingRun& run) {
  constexpr double growth = 1.5; // a queue that grows steadily from the start: 7/3
  constexpr double least_share = 0.02;
  constexpr double least = 4;
  Saturation saturation;
  Seconds first{1e300};
  Seconds last;
  for (const RequestRecord& record : run.requests)
    if (record.outcome != Outcome::waiting) { // the others never came
      first = std::min(first, record.arrival);
      last = std::max(last, record.arrival);
    }
  const Seconds window = last - first;
  if (stream.concurrency > 0 || window.si() <= 0)
    return saturation;
  double second = 0;
  double fourth = 0;
  std::uint64_t ended = 0;
  for (const RequestRecord& record : run.requests) {
    if (record.outcome != Outcome::served)
      continue;
    ended += record.end <= last ? 1 : 0;
    second += overlap(record.arrival, record.scheduled, first + window * 0.25, first + window * 0.5);
    fourth += overlap(record.arrival, record.scheduled, first + window * 0.75, last);
  }
  const auto count = static_cast<double>(run.requests.size());
  saturation.offered = count / window.si();
  saturation.served = static_cast<double>(ended) / window.si();
  saturation.queue = fourth / (0.25 * window.si());
  saturation.saturated = fourth > growth * second && saturation.queue > std::max(least, least_share * count);
  return saturation;
}

Watts idle_power(const Device& device) { return power_model(device, JoulesPerByte{}, JoulesPerByte{}).idle; }

} // namespace

bool gives_tokens(const RequestStream& stream, const Request& request) {
  return request.output > 0 && !stream.classes[request.service_class].images;
}

void fill_request_metrics(ServingResult& result, const RequestStream& stream, const ServingRun& run) {
  result.requests = stream.requests.size();
  Seconds first{1e300};
  double input = 0;
  double output = 0;
  for (std::size_t i = 0; i < stream.requests.size(); ++i) {
    const RequestRecord& record = run.requests[i];
    if (record.outcome != Outcome::waiting)
      first = std::min(first, record.arrival);
    result.refused += record.outcome == Outcome::refused ? 1 : 0;
    result.unfinished += record.outcome == Outcome::waiting ? 1 : 0;
    if (record.outcome != Outcome::served)
      continue;
    ++result.served;
    if (!gives_tokens(stream, stream.requests[i]))
      continue;
    input += stream.requests[i].input;
    output += stream.requests[i].output;
  }
  result.time = run.end - first;
  if (result.served == 0)
    return;
  result.requests_per_second = static_cast<double>(result.served) / result.time.si();
  result.input_tokens_per_second = input / result.time.si();
  result.output_tokens_per_second = output / result.time.si();
  result.output_tokens_per_second_per_device = result.output_tokens_per_second / result.devices;
  result.latencies = latencies_of(stream, run, std::nullopt);
  result.itl = gaps_of(stream, run, std::nullopt);
  result.saturation = saturation_of(stream, run);
  fill_classes(result, stream, run);
}

void fill_pool_metrics(PoolResult& pool, const ServingRun& run, std::size_t first, std::int64_t kv_blocks, Seconds time) {
  double busy = 0;
  double moving = 0;
  for (std::size_t r = first; r < first + static_cast<std::size_t>(pool.plan.replicas); ++r) {
    const ReplicaTotals& totals = run.replicas[r];
    pool.active += std::min(totals.active, time);
    busy += (totals.cost.latency + totals.moving).si() / pool.plan.pp;
    pool.iterations += totals.iterations;
    pool.prefill_tokens += totals.prefill_tokens;
    pool.cached_tokens += totals.cached_tokens;
    pool.decode_tokens += totals.decode_tokens;
    pool.preemptions += totals.preemptions;
    pool.swapped_out += totals.swapped_out;
    pool.swapped_in += totals.swapped_in;
    pool.reused += totals.reused;
    moving += totals.moving.si();
    for (std::size_t t = 0; t < pool.tiers.size(); ++t)
      pool.tiers[t].tokens += totals.tier_tokens[t];
    pool.peak_kv = std::max(pool.peak_kv, static_cast<double>(totals.peak_blocks) / static_cast<double>(kv_blocks));
    pool.peak_sequences = std::max(pool.peak_sequences, totals.peak_sequences);
  }
  if (busy > 0)
    pool.moving = moving / pool.plan.pp / busy;
  if (pool.active.si() > 0)
    pool.busy = std::min(1.0, busy / pool.active.si());
  if (pool.iterations > 0)
    pool.mean_batch =
        static_cast<double>(pool.decode_tokens + (pool.patches > 0 ? pool.prefill_tokens : 0)) / static_cast<double>(pool.iterations);
}

void fill_device_metrics(ServingResult& result, const std::vector<PoolMachine>& machines, const ServingRun& run) {
  Flops flops;
  Flops most_flops;
  Bytes memory;
  Bytes most_memory;
  Joules energy;
  IterationCost iterated;
  Seconds device_time;
  Dollars cost;
  std::uint64_t iterations = 0;
  result.priced = true;
  for (std::size_t p = 0; p < machines.size(); ++p) {
    const PoolResult& pool = result.pools[p];
    const Cluster& cluster = *machines[p].cluster;
    const Device& device = cluster.node.device;
    const Seconds there = pool.active * (pool.plan.replica_devices() * machines[p].part);
    Joules of_pool = idle_power(device) * ((1 - pool.busy) * there); // between iterations a device draws its idle power
    for (std::size_t r = machines[p].first; r < machines[p].first + static_cast<std::size_t>(pool.plan.replicas); ++r) {
      of_pool += run.replicas[r].cost.energy;
      iterated += run.replicas[r].cost;
      flops += run.replicas[r].cost.flops;
      memory += run.replicas[r].cost.memory;
      iterations += run.replicas[r].iterations;
    }
    energy += of_pool;
    device_time += there;
    most_flops += peak_of(device, machines[p].peak) * there;
    if (!device.memory.empty())
      most_memory += device.memory.front().bandwidth * there;
    if (there == Seconds{})
      continue;
    const Watts facility = facility_power(cluster, of_pool / there); // were all its devices like the pool's
    const double share = there / result.time / cluster.devices();
    result.facility_power += facility * share;
    const RunCost whole = run_cost(cluster, result.time, facility);
    result.priced = result.priced && whole.priced;
    cost += whole.total() * share;
  }
  result.mfu = flops / most_flops;
  result.mbu = most_memory > Bytes{} ? memory / most_memory : 0;
  result.iterations_per_request = static_cast<double>(iterations) / static_cast<double>(result.served);
  result.method.iterations = iterations;
  result.mean_devices = device_time / result.time;
  result.device_power = energy / device_time;
  constexpr double crumb = 1e-3; // curves over contexts are straight between few points
  result.above_cap = iterated.excess > crumb * iterated.energy;
  const double output = result.output_tokens_per_second * result.time.si();
  const auto served = static_cast<double>(std::max<std::uint64_t>(1, result.tasks ? result.tasks->served : result.served));
  result.energy_per_request = result.facility_power * result.time / served;
  if (output > 0) {
    result.energy_per_output_token = result.facility_power * result.time / output;
    result.cost_per_million_output_tokens = cost * (1e6 / output);
  }
  for (const ToolResult& tool : result.tools)
    cost += tool.cost;
  result.cost_per_request = cost / served;
}

} // namespace orrery
