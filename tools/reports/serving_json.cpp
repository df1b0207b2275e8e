#include "tools/reports/serving_json.hpp"

#include "tools/reports/text.hpp"

#include <fmt/format.h>

namespace orrery {

namespace {

const Words<Pool> pools = {{Pool::both, "both"}, {Pool::prefill, "prefill"}, {Pool::decode, "decode"}};
const Words<Outcome> outcome_words = {{Outcome::waiting, "waiting"}, {Outcome::served, "served"}, {Outcome::refused, "refused"}};

const JsonObject<LatencySummary>& summary_object() {
  using L = LatencySummary;
  static const JsonObject<L> object = JsonObject<L>("Over requests, or tokens; percentiles are interpolated linearly.")
                                          .value("count", "of those that have one", [](const L& l) { return l.count; })
                                          .value("mean_s", "", [](const L& l) { return l.mean.si(); })
                                          .value("p50_s", "", [](const L& l) { return l.p50.si(); })
                                          .value("p90_s", "", [](const L& l) { return l.p90.si(); })
                                          .value("p95_s", "", [](const L& l) { return l.p95.si(); })
                                          .value("p99_s", "", [](const L& l) { return l.p99.si(); })
                                          .value("max_s", "", [](const L& l) { return l.max.si(); });
  return object;
}

const JsonObject<ServingLatencies>& latencies_object() {
  using L = ServingLatencies;
  static const JsonObject<L> object =
      JsonObject<L>("Latencies of served requests.")
          .object("ttft", "time from arrival to the first token", summary_object(), [](const L& l) { return &l.ttft; })
          .object("tpot", "(last token - first token) / (output tokens - 1), per request", summary_object(),
                  [](const L& l) { return &l.tpot; })
          .object("end_to_end", "time from arrival to the last token", summary_object(), [](const L& l) { return &l.end_to_end; })
          .object("queueing", "time from arrival to the first iteration", summary_object(), [](const L& l) { return &l.queueing; })
          .value("itl_mean_s", "mean time between tokens, over all tokens", [](const L& l) { return l.itl_mean.si(); });
  return object;
}

const JsonObject<ServingPlan>& serving_plan_object() {
  using P = ServingPlan;
  static const JsonObject<P> object = JsonObject<P>("Layout of replicas.")
                                          .value("tp", "tensor-parallel degree", [](const P& p) { return p.tp; })
                                          .value("pp", "pipeline stages", [](const P& p) { return p.pp; })
                                          .value("ep", "ranks over which experts are spread", [](const P& p) { return p.ep; })
                                          .value("attention_dp", "attention groups", [](const P& p) { return p.attention_dp; })
                                          .value("replicas", "", [](const P& p) { return p.replicas; });
  return object;
}

const JsonObject<TierResult>& tier_object() {
  static const JsonObject<TierResult> object =
      JsonObject<TierResult>("Memory below that of the devices.")
          .value("name", "", [](const TierResult& t) { return t.name; })
          .value("tokens", "of prompts, that came up from it instead of being computed", [](const TierResult& t) { return t.tokens; });
  return object;
}

const JsonObject<PoolResult>& pool_object() {
  using P = PoolResult;
  static const JsonObject<P> object =
      JsonObject<P>("Replicas that are alike.")
          .value("name", "what they do: both, prefill or decode", [](const P& p) { return pool_word(p.pool); })
          .value("service", "empty = the job's own model", [](const P& p) { return p.service; })
          .value("node", "type of its machines", [](const P& p) { return p.node; })
          .object("plan", "", serving_plan_object(), [](const P& p) { return &p.plan; })
          .value("patches", "devices that share each image; 0 = they serve a language model", [](const P& p) { return p.patches; })
          .value("policy", "of batching", [](const P& p) { return p.policy.name; })
          .value("max_sequences", "in a batch", [](const P& p) { return p.policy.max_sequences; })
          .value("max_tokens", "of an iteration", [](const P& p) { return p.policy.max_tokens; })
          .value("weights_bytes", "on the fullest device", [](const P& p) { return p.weights.si(); })
          .value("workspace_bytes", "", [](const P& p) { return p.workspace.si(); })
          .value("framework_bytes", "", [](const P& p) { return p.framework.si(); })
          .value("kv_room_bytes", "for the KV cache of that device", [](const P& p) { return p.kv_room.si(); })
          .value("kv_tokens", "that a replica's KV cache holds", [](const P& p) { return p.kv_tokens; })
          .value("busy_share", "of the time in iterations", [](const P& p) { return p.busy; })
          .value("peak_kv_share", "most of the KV cache in use, of the fullest replica", [](const P& p) { return p.peak_kv; })
          .value("peak_sequences", "", [](const P& p) { return p.peak_sequences; })
          .value("iterations", "", [](const P& p) { return p.iterations; })
          .value("mean_batch", "decoding sequences per iteration", [](const P& p) { return p.mean_batch; })
          .value("prefill_tokens", "computed", [](const P& p) { return p.prefill_tokens; })
          .value("cached_tokens", "of prompts, found in the prefix cache", [](const P& p) { return p.cached_tokens; })
          .value("decode_tokens", "", [](const P& p) { return p.decode_tokens; })
          .value("preemptions", "", [](const P& p) { return p.preemptions; })
          .list("tiers", "", tier_object(), &P::tiers)
          .value("swapped_out_blocks", "KV blocks of preempted sequences that were written", [](const P& p) { return p.swapped_out; })
          .value("swapped_in_blocks", "", [](const P& p) { return p.swapped_in; })
          .value("reused_blocks", "that needed no writing", [](const P& p) { return p.reused; })
          .value("moving_share", "of the time in iterations, that they waited for KV blocks", [](const P& p) { return p.moving; });
  return object;
}

std::optional<double> bound_of(Seconds bound) { return bound.si() > 0 ? std::optional(bound.si()) : std::nullopt; }

const JsonObject<ClassResult>& class_object() {
  using C = ClassResult;
  static const JsonObject<C> object =
      JsonObject<C>("A class of service. Shares are of its requests, served or not.")
          .value("name", "", [](const C& c) { return c.bounds.name; })
          .value("priority", "", [](const C& c) { return c.bounds.priority; })
          .value("requests", "", [](const C& c) { return c.requests; })
          .value("served", "", [](const C& c) { return c.served; })
          .value("ttft_bound_s", "", [](const C& c) { return bound_of(c.bounds.ttft); })
          .value("tpot_bound_s", "", [](const C& c) { return bound_of(c.bounds.tpot); })
          .value("end_to_end_bound_s", "", [](const C& c) { return bound_of(c.bounds.end_to_end); })
          .value("itl_bound_s", "of the gaps between a request's tokens", [](const C& c) { return bound_of(c.bounds.itl); })
          .value("itl_bound_within", "share of a request's gaps that has to keep it",
                 [](const C& c) { return c.bounds.itl.si() > 0 ? std::optional(c.bounds.itl_within) : std::nullopt; })
          .value("ttft_share", "that kept the bound", [](const C& c) { return c.ttft_met; })
          .value("tpot_share", "", [](const C& c) { return c.tpot_met; })
          .value("end_to_end_share", "", [](const C& c) { return c.end_to_end_met; })
          .value("itl_share", "", [](const C& c) { return c.itl_met; })
          .value("attainment_share", "that kept all bounds", [](const C& c) { return c.attainment; })
          .object("latencies", "", latencies_object(), [](const C& c) { return c.served > 0 ? &c.latencies : nullptr; })
          .object("itl", "times between tokens, over tokens", summary_object(),
                  [](const C& c) { return c.itl.count > 0 ? &c.itl : nullptr; });
  return object;
}

const JsonObject<ToolResult>& tool_object() {
  using T = ToolResult;
  static const JsonObject<T> object = JsonObject<T>("Workers that run tools.")
                                          .value("name", "of the service", [](const T& t) { return t.name; })
                                          .value("workers", "0 = as many as were asked for", [](const T& t) { return t.workers; })
                                          .value("most", "that ran at once", [](const T& t) { return t.most; })
                                          .value("busy_share", "of their time", [](const T& t) { return t.busy; })
                                          .value("cost_usd", "over the time", [](const T& t) { return t.cost.si(); });
  return object;
}

const JsonObject<TaskResult>& task_object() {
  using T = TaskResult;
  static const JsonObject<T> object =
      JsonObject<T>("Tasks of several stages.")
          .value("stages", "", [](const T& t) { return t.stages; })
          .value("count", "", [](const T& t) { return t.count; })
          .value("served", "", [](const T& t) { return t.served; })
          .value("tasks_per_s", "", [](const T& t) { return t.per_second; })
          .object("end_to_end", "time from arrival to the last end", summary_object(), [](const T& t) { return &t.end_to_end; });
  return object;
}

const JsonObject<Saturation>& saturation_object() {
  using S = Saturation;
  static const JsonObject<S> object =
      JsonObject<S>("Whether requests come faster than they are served: the queue grows until the last arrival.")
          .value("saturated", "", [](const S& s) { return s.saturated; })
          .value("offered_per_second", "requests until the last arrival", [](const S& s) { return s.offered; })
          .value("served_per_second", "the same of those that ended by then", [](const S& s) { return s.served; })
          .value("queue", "waiting requests, mean over the last quarter of that time", [](const S& s) { return s.queue; });
  return object;
}

const JsonObject<RefusedLine>& refused_object() {
  static const JsonObject<RefusedLine> object = JsonObject<RefusedLine>("A line that holds no request.")
                                                    .value("line", "", [](const RefusedLine& r) { return r.line; })
                                                    .value("reason", "", [](const RefusedLine& r) { return r.reason; });
  return object;
}

const JsonObject<RequestTraceReport>& serving_trace_object() {
  using T = RequestTraceReport;
  static const JsonObject<T> object =
      JsonObject<T>("What became of the lines of a trace. read = accepted + refused + left_out.")
          .value("format", "", [](const T& t) { return t.format; })
          .value("read", "", [](const T& t) { return t.read; })
          .value("accepted", "", [](const T& t) { return t.accepted; })
          .value("refused", "", [](const T& t) { return t.refused; })
          .value("left_out", "good ones that the scenario does not take", [](const T& t) { return t.left_out; })
          .value("out_of_order", "of the accepted; they were put in order", [](const T& t) { return t.out_of_order; })
          .list("first_refused", "", refused_object(), &T::first_refused);
  return object;
}

const JsonObject<ServingSample>& sample_object() {
  using S = ServingSample;
  static const JsonObject<S> object = JsonObject<S>("State of a replica.")
                                          .value("time_s", "", [](const S& s) { return s.time.si(); })
                                          .value("replica", "", [](const S& s) { return s.replica; })
                                          .value("waiting", "", [](const S& s) { return s.waiting; })
                                          .value("running", "", [](const S& s) { return s.running; })
                                          .value("kv_blocks", "", [](const S& s) { return s.blocks; });
  return object;
}

const JsonObject<GoodputPoint>& goodput_point_object() {
  using G = GoodputPoint;
  static const JsonObject<G> object =
      JsonObject<G>("A rate that was tried.")
          .value("rate_per_second", "requests that come", [](const G& g) { return g.rate; })
          .value("attainment_share", "requests that keep all their bounds", [](const G& g) { return g.attainment; })
          .value("saturated", "", [](const G& g) { return g.saturated; })
          .value("kept", "the share is reached, and the queue does not grow", [](const G& g) { return g.kept; })
          .value("ttft_p90_s", "", [](const G& g) { return g.ttft_p90.si(); })
          .value("tpot_p90_s", "", [](const G& g) { return g.tpot_p90.si(); });
  return object;
}

const JsonObject<ServingGoodput>& serving_goodput_object() {
  using G = ServingGoodput;
  static const JsonObject<G> object =
      JsonObject<G>("The highest rate at which the due share of requests keeps its bounds.")
          .value("rate_per_second", "0 = none", [](const G& g) { return g.rate; })
          .value("rate_per_second_per_device", "", [](const G& g) { return g.per_device; })
          .value("bounded", "a higher rate was missed; else the search ended before one was", [](const G& g) { return g.bounded; })
          .list("points", "", goodput_point_object(), &G::points);
  return object;
}

const JsonObject<RolloutResult>& rollouts_object() {
  using R = RolloutResult;
  static const JsonObject<R> object =
      JsonObject<R>("Steps of reinforcement learning.")
          .value("steps", "", [](const R& r) { return r.steps; })
          .value("generation_s", "mean of a step's phase", [](const R& r) { return r.generation.si(); })
          .value("tokens_per_second", "of finished responses, over the generation phases", [](const R& r) { return r.tokens_per_second; })
          .value("tokens_per_second_with_training", "", [](const R& r) { return r.tokens_per_second_with_training; })
          .value("carried", "responses that go on in the next step, mean", [](const R& r) { return r.carried; })
          .value("earlier_policy_share", "tokens that an earlier policy sampled", [](const R& r) { return r.earlier_policy; })
          .value("computed_again_share", "tokens computed again, over those sampled", [](const R& r) { return r.computed_again; });
  return object;
}

/// A figure of a job that ran.
template <class G> auto if_ran(G get) {
  return [get](const ServingResult& r) { return r.served > 0 ? std::optional(get(r)) : std::nullopt; };
}

} // namespace

const JsonObject<ServingResult>& serving_object() {
  using S = ServingResult;
  static const JsonObject<S> object =
      JsonObject<S>("A job that serves.")
          .value("name", "of the model", [](const S& s) { return s.name; })
          .value("weights", "format of the linear layers", [](const S& s) { return s.weights; })
          .value("devices", "", [](const S& s) { return s.devices; })
          .value("parameters", "", [](const S& s) { return s.parameters; })
          .values("violations", "deciding inequalities; not empty = infeasible", &S::violations)
          .list("pools", "", pool_object(), &S::pools)
          .object("trace", "", serving_trace_object(), [](const S& s) { return s.trace ? &*s.trace : nullptr; })
          .value("requests", "", if_ran([](const S& s) { return s.requests; }))
          .value("served", "", if_ran([](const S& s) { return s.served; }))
          .value("refused", "longer than a replica's KV cache", if_ran([](const S& s) { return s.refused; }))
          .value("unfinished", "behind a refused one", if_ran([](const S& s) { return s.unfinished; }))
          .value("time_s", "from the first arrival to the last token", if_ran([](const S& s) { return s.time.si(); }))
          .value("requests_per_second", "", if_ran([](const S& s) { return s.requests_per_second; }))
          .value("input_tokens_per_second", "", if_ran([](const S& s) { return s.input_tokens_per_second; }))
          .value("output_tokens_per_second", "", if_ran([](const S& s) { return s.output_tokens_per_second; }))
          .value("output_tokens_per_second_per_device", "", if_ran([](const S& s) { return s.output_tokens_per_second_per_device; }))
          .object("saturation", "", saturation_object(), [](const S& s) { return s.saturation.offered > 0 ? &s.saturation : nullptr; })
          .object("latencies", "", latencies_object(), [](const S& s) { return s.served > 0 ? &s.latencies : nullptr; })
          .object("itl", "times between tokens, over tokens; percentiles within 0.6%", summary_object(),
                  [](const S& s) { return s.itl.count > 0 ? &s.itl : nullptr; })
          .object("tasks", "", task_object(), [](const S& s) { return s.tasks ? &*s.tasks : nullptr; })
          .list("tools", "", tool_object(), &S::tools)
          .list("classes", "", class_object(), &S::classes)
          .value("attainment_share", "requests that keep all their bounds", if_ran([](const S& s) { return s.attainment; }))
          .value("attainment_due_share", "", if_ran([](const S& s) { return s.attainment_due; }))
          .object("goodput", "", serving_goodput_object(), [](const S& s) { return s.goodput ? &*s.goodput : nullptr; })
          .object("rollouts", "", rollouts_object(), [](const S& s) { return s.rollouts ? &*s.rollouts : nullptr; })
          .value("iterations_per_request", "", if_ran([](const S& s) { return s.iterations_per_request; }))
          .value("mfu_utilisation", "FLOPs as run over the devices' peak", if_ran([](const S& s) { return s.mfu; }))
          .value("mbu_utilisation", "memory traffic over the devices' bandwidth", if_ran([](const S& s) { return s.mbu; }))
          .value("mean_devices", "that are there, over the time", if_ran([](const S& s) { return s.mean_devices; }))
          .value("device_mean_w", "", if_ran([](const S& s) { return s.device_power.si(); }))
          .value("above_cap", "the lowest clock draws more than a device's cap in some iterations: memory keeps its rate",
                 if_ran([](const S& s) { return s.above_cap; }))
          .value("facility_mean_w", "of the job's share of the cluster", if_ran([](const S& s) { return s.facility_power.si(); }))
          .value("energy_per_output_token_j", "at the feed; 0 where no tokens come out",
                 if_ran([](const S& s) { return s.energy_per_output_token.si(); }))
          .value("energy_per_request_j", "of one served, or of a task", if_ran([](const S& s) { return s.energy_per_request.si(); }))
          .value("cost_per_million_output_tokens_usd", "",
                 [](const S& s) { return s.served > 0 && s.priced ? std::optional(s.cost_per_million_output_tokens.si()) : std::nullopt; })
          .value("cost_per_request_usd", "or task; tools included",
                 [](const S& s) { return s.served > 0 && s.priced ? std::optional(s.cost_per_request.si()) : std::nullopt; })
          .list("samples", "state of replicas over time", sample_object(), &S::samples, true)
          .value("events", "that the engine handled", if_ran([](const S& s) { return s.method.events; }))
          .value("iterations", "that they stand for", if_ran([](const S& s) { return s.method.iterations; }))
          .value("fold", "", if_ran([](const S& s) { return s.method.fold; }));
  return object;
}

void write_requests(std::ostream& out, const Result& result) {
  out << "job,request,class,input_tokens,output_tokens,follows,outcome,replica,preemptions,arrival_s,scheduled_s,first_token_s,end_s,"
         "ttft_s,tpot_s,late_tokens\n";
  for (const ServingResult& job : result.serving)
    for (std::size_t i = 0; i < job.rows.size(); ++i) {
      const auto& [request, record] = job.rows[i];
      const bool served = record.outcome == Outcome::served;
      out << fmt::format("{},{},{},{},{},{},{},", csv_cell(job.name), i, csv_cell(job.classes[request.service_class].bounds.name),
                         request.input, request.output, request.follows == no_request ? "" : std::to_string(request.follows),
                         word_of(outcome_words, record.outcome));
      if (!served) {
        out << fmt::format(",,{},,,,,,\n", record.outcome == Outcome::refused ? fmt::format("{:.9f}", record.arrival.si()) : "");
        continue;
      }
      out << fmt::format("{},{},{:.9f},{:.9f},{:.9f},{:.9f},{:.9f},", job.rows[i].ran_tool() ? "" : std::to_string(record.replica),
                         record.preemptions, record.arrival.si(), record.scheduled.si(), record.first_token.si(), record.end.si(),
                         (record.first_token - record.arrival).si());
      if (request.output > 1)
        out << fmt::format("{:.9f}", (record.end - record.first_token).si() / (request.output - 1));
      const bool bounded = job.classes[request.service_class].bounds.itl > Seconds{};
      out << ',' << (bounded ? std::to_string(record.late_tokens) : "") << '\n';
    }
}

std::string pool_word(Pool pool) { return word_of(pools, pool); }

} // namespace orrery
