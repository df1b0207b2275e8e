#include "tools/reports/report_json.hpp"

#include "tools/reports/serving_json.hpp"
#include "tools/reports/text.hpp"

#include <algorithm>
#include <map>

namespace orrery {

namespace {

const Words<ScheduleKind> schedules = {
    {ScheduleKind::gpipe, "gpipe"},        {ScheduleKind::one_f_one_b, "1f1b"}, {ScheduleKind::interleaved, "interleaved"},
    {ScheduleKind::zb_1p, "zb-1p"},        {ScheduleKind::zb_2p, "zb-2p"},      {ScheduleKind::zb_v, "zb-v"},
    {ScheduleKind::skip_pipe, "skippipe"}, {ScheduleKind::dualpipe, "dualpipe"}};
const Words<Recompute> recomputes = {{Recompute::none, "none"}, {Recompute::selective, "selective"}, {Recompute::full, "full"}};
const Words<TimeKind> time_kinds = {{TimeKind::compute, "compute"},
                                    {TimeKind::communication, "communication"},
                                    {TimeKind::bubble, "bubble"},
                                    {TimeKind::optimizer, "optimizer"},
                                    {TimeKind::host, "host"}};

const JsonObject<Plan>& plan_object() {
  static const JsonObject<Plan> object =
      JsonObject<Plan>("Parallelism plan.")
          .value("tp", "tensor-parallel degree", [](const Plan& p) { return p.tp; })
          .value("pp", "pipeline stages", [](const Plan& p) { return p.pp; })
          .value("dp", "data-parallel replicas", [](const Plan& p) { return p.dp; })
          .value("micro_batch", "sequences per micro-batch and replica", [](const Plan& p) { return p.micro_batch; })
          .word("schedule", "pipeline schedule", schedules, [](const Plan& p) { return p.schedule; })
          .value("virtual_stages", "model chunks per stage", [](const Plan& p) { return p.virtual_stages; })
          .value("skip_stages", "stages that each micro-batch leaves out (SkipPipe)", [](const Plan& p) { return p.skip_stages; })
          .values("stage_layers", "layers per chunk; empty = as even as possible", &Plan::stage_layers)
          .word("recompute", "activations computed again in the backward pass", recomputes, [](const Plan& p) { return p.recompute; })
          .value("sequence_parallel", "", [](const Plan& p) { return p.sequence_parallel; })
          .value("zero", "ZeRO stage", [](const Plan& p) { return p.zero; })
          .value("overlap_grad_reduce", "", [](const Plan& p) { return p.overlap_grad_reduce; })
          .value("overlap_param_gather", "", [](const Plan& p) { return p.overlap_param_gather; })
          .value("overlap_p2p", "", [](const Plan& p) { return p.overlap_p2p; });
  return object;
}

const JsonObject<FlopRate>& flop_rate_object() {
  static const JsonObject<FlopRate> object =
      JsonObject<FlopRate>("FLOP rate under one counting convention.")
          .value("convention", "how FLOPs are counted", [](const FlopRate& r) { return r.convention; })
          .value("meaning", "", [](const FlopRate& r) { return r.meaning; })
          .value("per_device_flop_per_s", "", [](const FlopRate& r) { return r.per_device.si(); })
          .value("utilisation", "share of the device's peak at the job's precision", [](const FlopRate& r) { return r.utilisation; });
  return object;
}

const JsonObject<TimeShare>& time_share_object() {
  static const JsonObject<TimeShare> object =
      JsonObject<TimeShare>("Part of the step time, mean over ranks; the parts add up to step_time_s.")
          .word("kind", "", time_kinds, [](const TimeShare& t) { return t.kind; })
          .value("name", "operator class or kind of communication", [](const TimeShare& t) { return t.name; })
          .value("time_s", "", [](const TimeShare& t) { return t.time.si(); });
  return object;
}

const JsonObject<MemoryFootprint>& memory_object() {
  using M = MemoryFootprint;
  static const JsonObject<M> object =
      JsonObject<M>("Memory of one device of the fullest stage.")
          .value("parameters_bytes", "", [](const M& m) { return m.parameters.si(); })
          .value("gradients_bytes", "", [](const M& m) { return m.gradients.si(); })
          .value("optimizer_bytes", "master weights and moments", [](const M& m) { return m.optimizer.si(); })
          .value("activations_bytes", "kept from forward to backward", [](const M& m) { return m.activations.si(); })
          .value("working_set_bytes", "live at once inside a block", [](const M& m) { return m.working_set.si(); })
          .value("buffers_bytes", "pipeline messages", [](const M& m) { return m.buffers.si(); })
          .value("framework_bytes", "context and libraries", [](const M& m) { return m.framework.si(); })
          .value("fragmentation_bytes", "allocator slack", [](const M& m) { return m.fragmentation.si(); })
          .value("total_bytes", "", [](const M& m) { return m.total().si(); })
          .value("host_bytes", "in host memory, of this rank", [](const M& m) { return m.host.si(); })
          .value("storage_bytes", "on the drives of its node, of this rank", [](const M& m) { return m.storage.si(); });
  return object;
}

const JsonObject<StepPower>& power_object() {
  using P = StepPower;
  static const JsonObject<P> object =
      JsonObject<P>("Power and energy of a step.")
          .value("device_mean_w", "mean of one device", [](const P& p) { return p.device_mean.si(); })
          .value("device_peak_w", "", [](const P& p) { return p.device_peak.si(); })
          .value("facility_mean_w", "at the facility's feed, the job's share", [](const P& p) { return p.facility_mean.si(); })
          .value("facility_peak_w", "", [](const P& p) { return p.facility_peak.si(); })
          .value("energy_per_step_j", "at the facility's feed", [](const P& p) { return p.energy_per_step.si(); })
          .value("energy_per_token_j", "at the facility's feed", [](const P& p) { return p.energy_per_token.si(); })
          .value("clock", "lowest relative clock that a cap forced", [](const P& p) { return p.clock; })
          .value("above_cap", "even that draws more at times: memory keeps its rate, which a device that keeps its cap would not",
                 [](const P& p) { return p.above_cap; });
  return object;
}

const JsonObject<Goodput>& goodput_object() {
  using G = Goodput;
  static const JsonObject<G> object =
      JsonObject<G>("Long-run shares of wall time under failures.")
          .value("goodput", "share of wall time that is kept work", [](const G& g) { return g.goodput; })
          .value("checkpoint_share", "stalled by checkpoints", [](const G& g) { return g.checkpoint_share; })
          .value("lost_share", "work done and thrown away", [](const G& g) { return g.lost_share; })
          .value("detection_share", "until a failure is noticed", [](const G& g) { return g.detection_share; })
          .value("restart_share", "until training goes on", [](const G& g) { return g.restart_share; })
          .value("expected_failures", "over the run", [](const G& g) { return g.expected_failures; })
          .value("checkpoint_interval_s", "work between two checkpoints", [](const G& g) { return g.interval.si(); })
          .value("mtbf_s", "mean time between failures of the run; 0 = nothing fails", [](const G& g) { return g.mtbf.si(); });
  return object;
}

auto if_priced(Dollars Budget::* member) {
  return [member](const Budget& budget) { return budget.priced ? std::optional<double>((budget.*member).si()) : std::nullopt; };
}

const JsonObject<Budget>& budget_object() {
  static const JsonObject<Budget> object =
      JsonObject<Budget>("Time, cost and energy to the token budget.")
          .value("tokens", "", [](const Budget& b) { return b.tokens; })
          .value("steps", "", [](const Budget& b) { return b.steps; })
          .value("time_s", "wall time, failures and checkpoints included where the scenario has them",
                 [](const Budget& b) { return b.time.si(); })
          .value("energy_j", "at the facility's feed", [](const Budget& b) { return b.energy.si(); })
          .value("cost_usd", "absent where the catalogue does not state what it needs", if_priced(&Budget::cost))
          .value("capital_usd", "depreciation", if_priced(&Budget::capital))
          .value("electricity_usd", "", if_priced(&Budget::electricity))
          .value("device_hours", "", [](const Budget& b) { return b.device_hours; });
  return object;
}

const JsonObject<ErrorBand>& error_band_object() {
  static const JsonObject<ErrorBand> object = JsonObject<ErrorBand>("The step time is within [1 + low, 1 + high] of the stated one.")
                                                  .value("low", "relative", [](const ErrorBand& e) { return e.low; })
                                                  .value("high", "relative", [](const ErrorBand& e) { return e.high; })
                                                  .value("basis", "", [](const ErrorBand& e) { return e.basis; });
  return object;
}

const JsonObject<Method>& method_object() {
  static const JsonObject<Method> object =
      JsonObject<Method>("How the figures were made.")
          .value("kind", "estimate or simulate", [](const Method& m) { return m.kind; })
          .value("network", "network model and its settings", [](const Method& m) { return m.network; })
          .value("fold", "what was simulated once for many", [](const Method& m) { return m.fold; })
          .value("events", "", [](const Method& m) { return m.events; })
          .value("simulate_minus_estimate", "relative difference of the step time",
                 [](const Method& m) { return m.simulate_minus_estimate; });
  return object;
}

/// Keys that only a job that could run has; one above the facility's feed is infeasible, but its figures say by how much.
template <class V, class G> auto if_ran(G get) {
  return [get](const TrainingResult& job) { return job.step_time.si() > 0 ? std::optional<V>(get(job)) : std::nullopt; };
}
template <class U> auto part_if_ran(U TrainingResult::* member) {
  return [member](const TrainingResult& job) { return job.step_time.si() > 0 ? &(job.*member) : nullptr; };
}

/// What the replay of a trace does not have.
template <class U> auto part_if_trained(U TrainingResult::* member, bool ran) {
  return [member, ran](const TrainingResult& job) { return job.trace || (ran && job.step_time.si() <= 0) ? nullptr : &(job.*member); };
}
template <class V, class G> auto if_trained(G get, bool ran = false) {
  return [get, ran](const TrainingResult& job) {
    return job.trace || (ran && job.step_time.si() <= 0) ? std::nullopt : std::optional<V>(get(job));
  };
}

const JsonObject<TraceRank>& trace_rank_object() {
  using R = TraceRank;
  static const JsonObject<R> object =
      JsonObject<R>("Where the time of one rank goes: compute, exposed, host and waiting add up to step_time_s.")
          .value("rank", "", [](const R& r) { return r.rank; })
          .value("end_s", "end of its last node", [](const R& r) { return r.end.si(); })
          .value("compute_s", "", [](const R& r) { return r.compute.si(); })
          .value("exposed_communication_s", "in flight and the device idle", [](const R& r) { return r.exposed.si(); })
          .value("hidden_communication_s", "in flight beside compute", [](const R& r) { return r.hidden.si(); })
          .value("host_s", "host and memory nodes alone", [](const R& r) { return r.host.si(); })
          .value("waiting_s", "", [](const R& r) { return r.waiting.si(); });
  return object;
}

const JsonObject<TracePath>& trace_path_object() {
  using P = TracePath;
  static const JsonObject<P> object = JsonObject<P>("Nodes of one kind and name on the critical path.")
                                          .value("kind", "", [](const P& p) { return p.kind; })
                                          .value("node", "name in the trace", [](const P& p) { return p.name; })
                                          .value("time_s", "", [](const P& p) { return p.time.si(); })
                                          .value("nodes", "how many", [](const P& p) { return p.nodes; });
  return object;
}

const JsonObject<TraceReport>& trace_object() {
  using T = TraceReport;
  static const JsonObject<T> object =
      JsonObject<T>("What the replay of an execution trace gives.")
          .value("nodes", "", [](const T& t) { return t.nodes; })
          .value("roofline_nodes", "priced by their FLOPs and bytes", [](const T& t) { return t.roofline_nodes; })
          .value("recorded_nodes", "of recorded time", [](const T& t) { return t.recorded_nodes; })
          .value("untimed_nodes", "that say nothing of their time, and take none", [](const T& t) { return t.untimed_nodes; })
          .value("collectives", "", [](const T& t) { return t.collectives; })
          .value("lone_collectives", "with a single member: they take no time", [](const T& t) { return t.lone_collectives; })
          .value("messages", "", [](const T& t) { return t.messages; })
          .list("ranks", "", trace_rank_object(), &T::ranks)
          .list("critical_path", "the longest chain, by kind and name; adds up to step_time_s", trace_path_object(), &T::path);
  return object;
}

const JsonObject<TrainingResult>& job_object() {
  using T = TrainingResult;
  static const JsonObject<T> object =
      JsonObject<T>("A training job.")
          .value("name", "", [](const T& t) { return t.name; })
          .object("plan", "absent of a trace", plan_object(), part_if_trained(&T::plan, false))
          .value("devices", "", [](const T& t) { return t.devices; })
          .value("micro_batches", "per replica and step", if_trained<int>([](const T& t) { return t.micro_batches; }))
          .value("parameters", "of the model", if_trained<double>([](const T& t) { return t.parameters; }))
          .value("feasible", "", [](const T& t) { return t.violations.empty(); })
          .values("violations", "deciding inequalities; not empty = infeasible", &T::violations)
          .value("step_time_s", "", if_ran<double>([](const T& t) { return t.step_time.si(); }))
          .object("error_band", "", error_band_object(), part_if_trained(&T::error_band, true))
          .value("tokens_per_second", "", if_trained<double>([](const T& t) { return t.tokens_per_second; }, true))
          .value("tokens_per_second_per_device", "", if_trained<double>([](const T& t) { return t.tokens_per_second_per_device; }, true))
          .list("flop_rates", "one per counting convention; absent where the job cannot run", flop_rate_object(), &T::flop_rates, true)
          .list("time", "where the step goes; absent where the job cannot run", time_share_object(), &T::time, true)
          .object("memory", "", memory_object(), part_if_trained(&T::memory, false))
          .value("memory_stage", "the pipeline stage that needs most memory", if_trained<int>([](const T& t) { return t.memory_stage; }))
          .value("memory_capacity_bytes", "of one device", if_trained<double>([](const T& t) { return t.memory_capacity.si(); }))
          .value("memory_traffic_bytes", "read and written by one device in a step, mean over stages",
                 if_trained<double>([](const T& t) { return t.memory_traffic.si(); }, true))
          .object("power", "", power_object(), part_if_trained(&T::power, true))
          .object("goodput", "", goodput_object(), [](const T& t) { return t.goodput ? &*t.goodput : nullptr; })
          .value("goodput_run_length_s", "over which failures are counted",
                 [](const T& t) { return t.goodput ? std::optional<double>(t.goodput_run_length.si()) : std::nullopt; })
          .object("budget", "", budget_object(), [](const T& t) { return t.budget ? &*t.budget : nullptr; })
          .object("trace", "of the replay of a trace", trace_object(), [](const T& t) { return t.trace ? &*t.trace : nullptr; })
          .object("method", "", method_object(), part_if_ran(&T::method));
  return object;
}

const JsonObject<Assumption>& assumption_object() {
  static const JsonObject<Assumption> object = JsonObject<Assumption>("A figure of which no source was found.")
                                                   .value("subject", "", [](const Assumption& a) { return a.subject; })
                                                   .value("figure", "", [](const Assumption& a) { return a.figure; })
                                                   .value("reason", "", [](const Assumption& a) { return a.reason; });
  return object;
}

const JsonObject<ExpectationOutcome>& expectation_object() {
  using E = ExpectationOutcome;
  static const JsonObject<E> object = JsonObject<E>("A bound that the scenario sets on a metric, in SI units.")
                                          .value("metric", "", [](const E& e) { return e.metric; })
                                          .value("value", "", [](const E& e) { return e.value; })
                                          .value("min", "", [](const E& e) { return e.min; })
                                          .value("max", "", [](const E& e) { return e.max; })
                                          .value("met", "", [](const E& e) { return e.met; });
  return object;
}

const JsonObject<Result>& result_object() {
  static const JsonObject<Result> object = JsonObject<Result>("Result of a scenario. Keys end in their unit; values are SI.")
                                               .value("schema_version", "", [](const Result& r) { return r.schema_version; })
                                               .value("scenario", "", [](const Result& r) { return r.scenario; })
                                               .value("cluster", "", [](const Result& r) { return r.cluster; })
                                               .value("software", "", [](const Result& r) { return r.software; })
                                               .value("seed", "", [](const Result& r) { return r.seed; })
                                               .value("feasible", "", [](const Result& r) { return r.feasible(); })
                                               .value("expectations_met", "", [](const Result& r) { return r.expectations_met(); })
                                               .list("jobs", "", job_object(), &Result::jobs)
                                               .list("serving", "jobs that serve", serving_object(), &Result::serving, true)
                                               .list("assumptions", "", assumption_object(), &Result::assumptions)
                                               .list("expectations", "", expectation_object(), &Result::expectations);
  return object;
}

const JsonObject<RecordedSpan>& span_object() {
  using S = RecordedSpan;
  static const JsonObject<S> object = JsonObject<S>("A span of work.")
                                          .value("replica", "", [](const S& s) { return s.replica; })
                                          .value("stage", "", [](const S& s) { return s.stage; })
                                          .value("stream", "", [](const S& s) { return s.stream; })
                                          .value("name", "", [](const S& s) { return s.name; })
                                          .value("micro_batch", "", [](const S& s) { return s.micro_batch; })
                                          .value("begin_s", "", [](const S& s) { return s.begin.si(); })
                                          .value("end_s", "", [](const S& s) { return s.end.si(); })
                                          .value("power_w", "", [](const S& s) { return s.power.si(); })
                                          .value("memory_bytes", "", [](const S& s) { return s.memory.si(); });
  return object;
}

/// Takes the name of an element of a list out of it, for its flat path.
std::string take_name(OrderedJson& element, std::size_t index) {
  for (const char* key : {"name", "convention", "metric"}) {
    if (element.is_object() && element.contains(key)) {
      std::string name = element[key].get<std::string>();
      std::ranges::replace(name, ' ', '_');
      element.erase(key);
      return name;
    }
  }
  return std::to_string(index);
}

void flatten(const OrderedJson& node, const std::string& path, std::vector<std::pair<std::string, OrderedJson>>& leaves) {
  const auto below = [&](const std::string& key) { return path.empty() ? key : path + "." + key; };
  if (node.is_object()) {
    for (const auto& [key, value] : node.items())
      flatten(value, below(key), leaves);
  } else if (node.is_array()) {
    for (std::size_t i = 0; i < node.size(); ++i) {
      OrderedJson element = node[i];
      const std::string name = take_name(element, i);
      flatten(element, below(name), leaves);
    }
  } else {
    leaves.emplace_back(path, node);
  }
}

} // namespace

OrderedJson job_json(const TrainingResult& job) { return job_object().write(job); }

OrderedJson result_json(const Result& result) { return result_object().write(result); }

OrderedJson result_schema() {
  OrderedJson schema = {{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", "orrery result"}};
  schema.update(result_object().schema());
  schema["properties"]["schema_version"]["const"] = result_schema_version;
  return schema;
}

OrderedJson timeline_json(const TrainingResult& job) {
  OrderedJson spans = OrderedJson::array();
  for (const RecordedSpan& span : job.timeline)
    spans.push_back(span_object().write(span));
  return spans;
}

std::vector<std::pair<std::string, OrderedJson>> flat_job(const OrderedJson& job) {
  std::vector<std::pair<std::string, OrderedJson>> leaves;
  flatten(job, "", leaves);
  return leaves;
}

std::string result_csv(const Result& result) {
  std::vector<std::string> columns;
  std::vector<std::map<std::string, std::string>> rows;
  const auto add = [&](const OrderedJson& job) {
    std::map<std::string, std::string>& row = rows.emplace_back();
    row["scenario"] = result.scenario;
    for (const auto& [path, value] : flat_job(job)) {
      if (!row.contains(path) && std::ranges::find(columns, path) == columns.end())
        columns.push_back(path);
      row[path] = value.is_string() ? value.get<std::string>() : value.dump();
    }
  };
  for (const TrainingResult& job : result.jobs)
    add(job_json(job));
  for (const ServingResult& job : result.serving)
    add(serving_object().write(job));
  columns.insert(columns.begin(), "scenario");
  std::string out = csv_line(columns);
  for (auto& row : rows) {
    std::vector<std::string> cells;
    for (const std::string& column : columns)
      cells.push_back(row[column]);
    out += csv_line(cells);
  }
  return out;
}

std::string schedule_word(ScheduleKind kind) { return word_of(schedules, kind); }
std::string recompute_word(Recompute mode) { return word_of(recomputes, mode); }
std::string time_kind_word(TimeKind kind) { return word_of(time_kinds, kind); }

} // namespace orrery
