#include "hardware/catalogue.hpp"
#include "hardware/tables.hpp"
#include "hardware/words.hpp"
#include "scenarios/serving/serving_option_tables.hpp"
#include "scenarios/serving/serving_scenario.hpp"
#include "sim/base/catalogue.hpp"
#include "workloads/requests/request_tables.hpp"
#include "workloads/tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace orrery {

namespace {

constexpr double most_devices = 1'000'000;

const std::vector<std::string>& policy_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const BatchingPolicy& policy : batching_policies())
      all.push_back(policy.name);
    return all;
  }();
  return names;
}

const std::vector<std::string>& weight_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const WeightFormat& format : weight_formats())
      all.emplace_back(format.name);
    return all;
  }();
  return names;
}

const Table<BatchingChoice>& batching_table() {
  using B = BatchingChoice;
  static const Table<B> table =
      Table<B>("batching", "How batches are formed, where not as the software does.")
          .word("policy", &B::policy, policy_names(), {.help = "who joins an iteration, and what KV memory it is given"})
          .count("max_sequences", &B::max_sequences, {.min = 1, .max = 1'000'000, .help = "in a batch of one attention group"})
          .count("max_tokens", &B::max_tokens,
                 {.min = 1, .max = 100'000'000, .help = "of an attention group's iteration, prompts and decoding together"});
  return table;
}

const Table<ServingPools>& pools_table() {
  static const Table<ServingPool> pool =
      Table<ServingPool>("pool", "Replicas that do one phase of every request.")
          .object("plan", &ServingPool::plan, serving_plan_table(), {.help = "how they are laid out"})
          .object("batching", &ServingPool::batching, batching_table(), {.help = "how they batch"})
          .reference("node", &ServingPool::node, node_table(), node_catalogue(), {.help = "machines of its own, beside the cluster"});
  static const Table<ServingPools> table =
      Table<ServingPools>("pools", "Prefill and decode on replicas of their own.")
          .object("prefill", &ServingPools::prefill, pool, {.required = true, .help = "they compute prompts and hand their KV memory over"})
          .object("decode", &ServingPools::decode, pool, {.required = true, .help = "they generate"})
          .number("prefill_share", &ServingPools::prefill_share,
                  {.min = 0.05, .max = 0.95, .help = "both on the same devices: share of the multiprocessors that prompts are computed on"})
          .number("decode_slack", &ServingPools::decode_slack,
                  {.max = 100,
                   .help = "both on the same devices, whose multiprocessors follow the load: prompts have as many as leave a "
                           "decode iteration at most that share longer"})
          .check([](const ServingPools& pools, const Report& report) {
            const char* key = pools.prefill_share ? "prefill_share" : "decode_slack";
            if (pools.same_devices() && (pools.prefill.node || pools.decode.node))
              report.error(key, "of pools with machines of their own", "pools on the cluster");
            if (pools.same_devices() && pools.prefill.plan != pools.decode.plan)
              report.error(key, "of pools with different plans", "the same plan for both");
            if (pools.prefill_share && pools.decode_slack)
              report.error("decode_slack", "beside a share that stays", "one of prefill_share, decode_slack");
            if (pools.decode_slack && pools.prefill.plan.pp > 1)
              report.error("decode_slack", "of replicas with several stages", "pp 1");
          });
  return table;
}

/// A file that there is, relative to the one that names it.
Codec<std::string> file_codec() {
  Codec<std::string> codec;
  codec.shape = Shape{.kind = ShapeKind::text};
  codec.read = [shape = codec.shape](const yaml::Node& node, const Site& site, std::string& file) {
    const std::optional<std::string> text = read_text(node, shape, site);
    if (!text)
      return;
    std::error_code error;
    file = resolved_path(*text, node.location);
    if (!std::filesystem::is_regular_file(file, error))
      site.error(node, "no file " + shown(file), "a trace of requests: CSV or JSON");
  };
  codec.write = [](const std::string& file) { return yaml::scalar(file); };
  return codec;
}

const Table<TraceTraffic>& trace_traffic_table() {
  using T = TraceTraffic;
  static const Table<T> table =
      Table<T>("trace", "Requests from a file.")
          .value("file", &T::file, file_codec(), {.required = true, .help = "CSV or JSON, relative to this file"})
          .word("format", &T::format, request_format_names(), {.help = "by default the one whose columns are there"})
          .count("skip", &T::skip, {.max = 1e12, .help = "requests at the start that are left out"})
          .count("requests", &T::requests, {.min = 1, .max = most_requests, .help = "the first ones after those; by default all"})
          .number("speed", &T::speed, {.above = 0, .max = 1e6, .help = "arrivals come so many times as fast"})
          .count("max_context", &T::max_context,
                 {.min = 2, .max = 1e9, .help = "requests with more tokens, prompt and answer together, are left out"})
          .number("characters_per_token", &T::characters_per_token, {.above = 0, .max = 100, .help = "of a trace of texts"})
          .value("arrivals", &T::arrivals, arrival_codec(), {.help = "instead of the file's times"})
          .list("classes", &T::classes, traffic_class_table(), {.help = "of service, dealt out by their shares"})
          .check([](const T& trace, const Report& report) {
            check_classes(trace.classes, "classes", report);
            for (std::size_t i = 0; i < trace.classes.size(); ++i)
              if (trace.classes[i].input || trace.classes[i].output)
                report.error(fmt::format("classes.{}", i), "lengths beside those of the file", "a class without them");
          });
  return table;
}

QuantityOptions<Seconds> bound(std::string help) {
  return {.above = Seconds{}, .max = Seconds{1e9}, .unit_hint = "s", .help = std::move(help)};
}

const Table<ServiceTarget>& target_table() {
  using T = ServiceTarget;
  static const Table<T> table =
      with_gap_bound(Table<T>("slo", "What requests are promised.")
                         .quantity("ttft", &T::ttft, bound("bound of the time to first token, of classes without one"))
                         .quantity("tpot", &T::tpot, bound("the same of a request's mean time per output token after the first"))
                         .quantity("end_to_end", &T::end_to_end, bound("the same of the time from arrival to the last token")),
                     bound("the same of the gaps between a request's tokens"))
          .quantity("itl_p99", &T::itl_p99, bound("bound of the 99th percentile of the time between tokens, over all requests"))
          .number("attainment", &T::attainment, {.above = 0, .max = 1, .help = "share of requests that has to keep its bounds"});
  return table;
}

const Table<SpeculationChoice>& speculation_table() {
  using S = SpeculationChoice;
  static const Choices<Drafter> drafters = {
      {"lookup", Drafter::lookup}, {"prediction_layers", Drafter::prediction_layers}, {"model", Drafter::model}};
  static const Table<S> table =
      Table<S>("speculation", "Tokens guessed ahead of the model, which checks them together.")
          .choice(
              "drafter", &S::drafter, drafters,
              {.required = true, .help = "who guesses: earlier text, layers behind the model's last (MTP, EAGLE), or a model of its own"})
          .count("drafts", &S::drafts, {.min = 1, .max = 100, .required = true, .help = "tokens guessed per sequence and iteration"})
          .number("acceptance", &S::acceptance, {.max = 1, .required = true, .help = "of a guess, those before it being right"})
          .reference("model", &S::model, model_table(), model_catalogue(), {.help = "that guesses, with 'drafter: model'"})
          .check([](const S& speculation, const Report& report) {
            if ((speculation.drafter == Drafter::model) != speculation.model.has_value())
              report.error("model", speculation.model ? "beside another drafter" : "missing", "a model with 'drafter: model' alone");
          });
  return table;
}

const Choices<Precision>& kept_precisions() {
  static const Choices<Precision> kept = {
      {"bf16", Precision::bf16}, {"fp16", Precision::fp16}, {"fp8", Precision::fp8}, {"int8", Precision::int8}, {"fp4", Precision::fp4}};
  return kept;
}

/// A service against what it is.
void check_service(const ServiceChoice& service, const Report& report) {
  if (service.name.empty())
    report.error("name", "empty", "a name");
  if (service.model && service.image)
    report.error("image", "beside a model", "one of them");
  const bool works =
      service.workers > 0 || service.price > DollarsPerSecond{} || service.bandwidth > BytesPerSecond{} || service.latency > Seconds{};
  if (service.on_devices() && works)
    report.error("workers", "beside a model", "one of them");
  const bool batches = service.batching.policy || service.batching.max_sequences || service.batching.max_tokens;
  if (!service.on_devices() && (service.plan != ServingPlan{} || service.weights || service.kv || service.node || batches))
    report.error("model", "missing, beside how one is served", "a model, or workers alone");
  if (!service.image)
    return;
  if (service.plan != ServingPlan{.replicas = service.plan.replicas})
    report.error("plan", "of images, more than replicas", "'replicas' alone; 'image.patches' shares an image");
  if (service.weights || service.kv)
    report.error("weights", "of a network over images", "none: it runs in the job's precision");
  if (!service.batching.max_sequences)
    report.error("batching.max_sequences", "missing", "images in a batch");
}

const Table<ServiceChoice>& service_table() {
  using S = ServiceChoice;
  static const Table<S> table =
      Table<S>("service", "What stages of tasks go to: another model, a network over images, or workers that run tools or carry messages.")
          .text("name", &S::name, {.required = true, .help = "by which stages name it"})
          .reference("model", &S::model, model_table(), model_catalogue(), {.help = "that is served; without one, workers"})
          .object("image", &S::image, image_table(), {.help = "instead: a network over images"})
          .word("weights", &S::weights, weight_names(), {.help = "format of its linear layers; by default half precision"})
          .choice("kv", &S::kv, kept_precisions(), {.help = "precision of its KV cache; by default that of activations"})
          .object("plan", &S::plan, serving_plan_table(), {.help = "how it is laid out"})
          .object("batching", &S::batching, batching_table(), {.help = "how it batches"})
          .reference("node", &S::node, node_table(), node_catalogue(), {.help = "machines of its own, beside the cluster"})
          .count("workers", &S::workers, {.max = 10'000'000, .help = "that run tools at once; 0 = as many as are asked for"})
          .quantity("bandwidth", &S::bandwidth, {.unit_hint = "GB/s", .help = "of a worker that carries messages; 0 = they take no time"})
          .quantity("latency", &S::latency,
                    {.max = Seconds{1e6}, .unit_hint = "ms", .help = "from the end of a worker's work to the next stage"})
          .quantity("price", &S::price, {.unit_hint = "USD/h", .help = "of a worker"})
          .check(check_service);
  return table;
}

/// A search for the goodput needs bounds, and a rate.
void check_goodput(const ServingScenario& job, const Report& report) {
  if (!has_bounds(job))
    report.error("goodput", "a goodput without bounds on latencies", "bounds in 'slo' or in a class");
  const ArrivalLaw* law = job.traffic ? &job.traffic->arrivals : job.trace->arrivals ? &*job.trace->arrivals : nullptr;
  if (law != nullptr && !is_open(*law))
    report.error("goodput", "a goodput of arrivals that have no times", "a law with a rate, or a trace with times");
}

/// Services against the stages that name them.
void check_services(const ServingScenario& job, const Report& report) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < job.services.size(); ++i) {
    if (std::ranges::find(names, job.services[i].name) != names.end())
      report.error(fmt::format("services.{}.name", i), shown(job.services[i].name) + " again", "a name for each service");
    names.push_back(job.services[i].name);
  }
  const std::vector<TrafficStage> none;
  const std::vector<TrafficStage>& stages = job.traffic ? job.traffic->stages : none;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const auto found = std::ranges::find(job.services, stages[i].service, &ServiceChoice::name);
    const std::string key = fmt::format("traffic.stages.{}.service", i);
    if (!stages[i].service.empty() && found == job.services.end())
      report.error(key, "no service " + shown(stages[i].service), {}, did_you_mean(stages[i].service, names));
    else if (found != job.services.end() && found->on_devices() == stages[i].tool())
      report.error(key, found->on_devices() ? "a tool on a model" : "an answer of workers",
                   found->on_devices() ? "workers, or no 'time' or 'size'" : "a model, or a 'time' or 'size'");
    else if ((found != job.services.end() && found->image.has_value()) != stages[i].steps.has_value())
      report.error(key, stages[i].steps ? "'steps' of what makes no images" : "images without 'steps'",
                   stages[i].steps ? "a service with 'image'" : "'steps', 1 where they are looked at");
    else if (stages[i].service.empty() && stages[i].size)
      report.error(key, "a message that nothing carries", "a service with a 'bandwidth' or a 'latency'");
    else if (stages[i].service.empty() && !stages[i].tool() && !has_model(job))
      report.error(key, "an answer of the job's own model, which is missing", "a service, or 'model'");
  }
  for (std::size_t i = 0; i < job.services.size(); ++i)
    if (std::ranges::find(stages, job.services[i].name, &TrafficStage::service) == stages.end())
      report.error(fmt::format("services.{}", i), "no stage goes to " + shown(job.services[i].name), "a stage that names it");
  if (stages.empty() && !has_model(job))
    report.error("model", "missing", "what is served, or stages that all go to services");
  const bool own = job.pools || job.plan != ServingPlan{} || job.weights || job.kv || job.speculation;
  if (!has_model(job) && own)
    report.error("model", "missing, beside how it is served", "a model, or services alone");
  if (!stages.empty() && (job.autoscaling || job.rollouts))
    report.error(job.autoscaling ? "autoscaling" : "rollouts", "beside tasks of several stages", "requests of one");
}

void check_serving(const ServingScenario& job, const Report& report) {
  check_services(job, report);
  if (job.kept == KvContent::inputs && job.model.latent.kv_rank > 0)
    report.error("kv_content", "inputs of layers with latent attention, whose cache is narrower", "keys_values");
  if (job.traffic.has_value() == job.trace.has_value())
    report.error("", job.traffic ? "both 'traffic' and 'trace'" : "neither 'traffic' nor 'trace'", "one of them");
  else if (job.goodput)
    check_goodput(job, report);
  if (job.traffic && std::holds_alternative<ClosedLoop>(job.traffic->arrivals) && job.traffic->continuations.levels > 1)
    report.error("traffic.arrivals", "a closed loop of trees, of which several requests end", "a law with times");
  if (!job.kv_tiers.empty() && !job.swap && job.prefix_cache == false)
    report.error("kv_tiers", "without a prefix cache or swapping, nothing goes there", "'prefix_cache: true' or 'swap: true'");
  if (job.rollouts && (job.goodput || job.autoscaling))
    report.error("rollouts", "beside goodput or autoscaling", "rollouts alone");
  if (job.autoscaling && job.autoscaling->least > job.plan.replicas)
    report.error("autoscaling.least", std::to_string(job.autoscaling->least), fmt::format("at most plan.replicas = {}", job.plan.replicas));
  if (job.swap && job.plan.host_attention)
    report.error("swap", "of a KV cache that lies in host memory", "plan.host_attention alone");
  if (job.kept == KvContent::inputs && job.plan.host_attention)
    report.error("kv_content", "'inputs' of a KV cache that the host's processors attend to", "keys_values");
  if (!job.pools)
    return;
  if (job.autoscaling)
    report.error("autoscaling", "beside 'pools', whose replicas serve all the time", "replicas that both prefill and decode");
  if (job.plan != ServingPlan{})
    report.error("plan", "beside 'pools', which have plans of their own", "one of them");
  if (job.batching.policy || job.batching.max_sequences || job.batching.max_tokens)
    report.error("batching", "beside 'pools', which have their own", "one of them");
}

} // namespace

const Table<ServingPlan>& serving_plan_table() {
  using P = ServingPlan;
  static const Table<P> table =
      Table<P>("serving_plan", "How replicas are laid out. Devices of one = tp x pp x attention_dp.")
          .count("tp", &P::tp, {.min = 1, .max = 1024, .help = "tensor-parallel degree of attention and dense layers"})
          .count("pp", &P::pp, {.min = 1, .max = 1024, .help = "pipeline stages"})
          .count("ep", &P::ep, {.min = 1, .max = 10'000, .help = "ranks over which experts are spread, among tp x attention_dp"})
          .count("attention_dp", &P::attention_dp,
                 {.min = 1, .max = 10'000, .help = "groups of tp devices that attend to sequences of their own and share the experts"})
          .count("replicas", &P::replicas, {.min = 1, .max = 100'000, .help = "alike"})
          .number("host_weights", &P::host_weights,
                  {.max = 1, .help = "share of the weights that lies in host memory and comes in for every iteration"})
          .flag("host_attention", &P::host_attention,
                {.help = "the KV cache lies in host memory, and the host's processors attend to it while sequences decode"})
          .check([](const P& plan, const Report& report) {
            const double devices = static_cast<double>(plan.tp) * plan.pp * plan.attention_dp * plan.replicas;
            if (devices > most_devices)
              report.error("", fmt::format("tp x pp x attention_dp x replicas = {} devices", exact_number(devices)),
                           fmt::format("at most {}", exact_number(most_devices)));
          });
  return table;
}

const Table<ServingScenario>& serving_table() {
  using S = ServingScenario;
  static const Choices<Precision> precisions = {{"bf16", Precision::bf16}, {"fp16", Precision::fp16}};
  static const Choices<KvContent> contents = {{"keys_values", KvContent::keys_values}, {"inputs", KvContent::inputs}};
  static const Choices<Router> routers = {{"round_robin", Router::round_robin},
                                          {"least_requests", Router::least_requests},
                                          {"least_tokens", Router::least_tokens},
                                          {"prefix", Router::prefix},
                                          {"session", Router::session}};
  static const Table<S> table =
      Table<S>("serving", "A model that is served.")
          .reference("model", &S::model, model_table(), model_catalogue(),
                     {.help = "what is served; none where all stages of tasks go to services"})
          .choice("precision", &S::precision, precisions, {.help = "of activations"})
          .word("weights", &S::weights, weight_names(), {.help = "format of the linear layers; by default that of precision"})
          .choice("kv", &S::kv, kept_precisions(), {.help = "precision of the KV cache; by default that of activations"})
          .choice("kv_content", &S::kept, contents,
                  {.help = "what the KV cache keeps: keys and values, or inputs of layers, from which these are computed again"})
          .object("routing", &S::routing, routing_table(), {.help = "how tokens spread over experts"})
          .object("plan", &S::plan, serving_plan_table(), {.help = "how it is laid out"})
          .object("batching", &S::batching, batching_table(), {.help = "how batches are formed, where not as the software does"})
          .object("pools", &S::pools, pools_table(), {.help = "instead of plan: prefill and decode apart"})
          .choice("router", &S::router, routers, {.help = "which replica a request goes to"})
          .object("autoscaling", &S::autoscaling, autoscaling_table(), {.help = "replicas started and stopped with the load"})
          .flag("prefix_cache", &S::prefix_cache, {.help = "KV memory of prompts is kept for those that start alike"})
          .flag("swap", &S::swap, {.help = "preempted sequences go to host memory and back; else they are computed again"})
          .list("kv_tiers", &S::kv_tiers, kv_tier_table(), {.help = "memory below that of the devices, the nearest first"})
          .object("kv_copies", &S::kv_copies, kv_copies_table(), {.help = "how KV blocks are copied there and back"})
          .object("fairness", &S::fairness, fairness_table(), {.help = "priorities that change while requests run"})
          .object("speculation", &S::speculation, speculation_table(), {.help = "tokens guessed ahead and checked together"})
          .list("services", &S::services, service_table(), {.help = "other models, and workers, that stages of tasks go to"})
          .object("traffic", &S::traffic, traffic_table(), {.help = "requests drawn from laws"})
          .object("trace", &S::trace, trace_traffic_table(), {.help = "instead of traffic: requests from a file"})
          .object("slo", &S::slo, target_table(), {.help = "what requests are promised"})
          .object("goodput", &S::goodput, goodput_table(), {.help = "search for the highest rate that keeps the target"})
          .object("rollouts", &S::rollouts, rollouts_table(),
                  {.help = "the requests are responses that a reinforcement learner samples, step by step"})
          .quantity("sample", &S::sample, {.above = Seconds{}, .unit_hint = "s", .help = "least time between two samples of a replica"})
          .check(check_serving);
  return table;
}

} // namespace orrery
