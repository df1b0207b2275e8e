#include "tools/reports/serving_text.hpp"

#include "tools/reports/report_text.hpp"
#include "tools/reports/serving_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

namespace orrery {

namespace {

constexpr std::array<const char*, 9> eighths = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

std::string count(std::uint64_t number) { return grouped(static_cast<double>(number)); }

/// How its replicas are laid out.
std::string layout(const PoolResult& pool) {
  if (pool.patches == 0)
    return serving_plan_text(pool.plan);
  return fmt::format("{}{} {}", pool.patches > 1 ? fmt::format("{} patches · ", pool.patches) : "", grouped(pool.plan.replicas),
                     pool.plan.replicas == 1 ? "replica" : "replicas");
}

std::string title(const Result& result, const ServingResult& job, const Style& style) {
  std::string out = style.heading(clip(result.serving.size() > 1 ? result.scenario + ": " + job.name : result.scenario, page_width)) + "\n";
  out += paragraph(fmt::format("{}{} on {} {} · {} · {}", job.name,
                               job.parameters > 0 ? fmt::format(" ({} parameters, {})", scaled(job.parameters), job.weights) : "",
                               grouped(job.devices), job.devices == 1 ? "device" : "devices", result.cluster, result.software));
  for (const PoolResult& pool : job.pools) {
    const std::string whose = pool.patches > 0 ? pool.service + ": " : pool.pool == Pool::both ? "" : pool_word(pool.pool) + ": ";
    const std::string most = grouped(pool.policy.max_sequences) +
                             (pool.patches > 0 ? " images" : " sequences and " + grouped(pool.policy.max_tokens) + " tokens");
    out += paragraph(fmt::format("{}{} · {}, at most {}", whose, layout(pool), pool.policy.name, most));
  }
  return out;
}

std::string trace_text(const RequestTraceReport& trace, const Style& style) {
  std::string out = style.section("Trace", trace.format + fmt::format(", {} requests read", count(trace.read)));
  out += fmt::format("  {} taken", count(trace.accepted));
  if (trace.left_out > 0)
    out += fmt::format(", {} left out as the scenario says", count(trace.left_out));
  if (trace.out_of_order > 0)
    out += fmt::format(", {} were out of order and put in order", count(trace.out_of_order));
  out += "\n";
  if (trace.refused == 0)
    return out;
  out += "  " + style.bad(fmt::format("{} refused", count(trace.refused))) + "\n";
  for (const RefusedLine& line : trace.first_refused)
    out += wrap(fmt::format("    line {}: {}", line.line, line.reason), page_width, 6) + "\n";
  if (trace.refused > trace.first_refused.size())
    out += fmt::format("    and {} more\n", count(trace.refused - trace.first_refused.size()));
  return out;
}

std::string throughput(const ServingResult& job, const Style& style) {
  Columns columns({Align::left, Align::right, Align::left});
  columns.row({"requests/s", style.heading(scaled(job.requests_per_second)),
               fmt::format("{} of {} served in {}", count(job.served), count(job.requests), fixed(job.time))});
  if (job.tasks)
    columns.row({"tasks/s", style.heading(scaled(job.tasks->per_second)),
                 fmt::format("{} of {} served", count(job.tasks->served), count(job.tasks->count))});
  if (job.output_tokens_per_second > 0) {
    columns.row({"output tokens/s", style.heading(scaled(job.output_tokens_per_second)),
                 scaled(job.output_tokens_per_second_per_device) + " per device"});
    columns.row({"input tokens/s", scaled(job.input_tokens_per_second), ""});
  }
  std::string out = "\n" + columns.str();
  if (job.refused > 0)
    out += "  " + style.bad(fmt::format("{} requests refused: longer than a replica's KV cache", count(job.refused))) + "\n";
  if (job.unfinished > 0)
    out += "  " + style.bad(fmt::format("{} requests never came: they follow refused ones", count(job.unfinished))) + "\n";
  const Saturation& s = job.saturation;
  if (s.saturated)
    out +=
        style.bad(wrap(fmt::format("  saturated: {} requests/s come, {} are served while they do; {} wait at the end, and more with time",
                                   scaled(s.offered), scaled(s.served), scaled(s.queue)),
                       page_width, 2)) +
        "\n";
  return out;
}

std::string latencies(const ServingLatencies& l, const LatencySummary& itl, const Style& style, std::string_view name) {
  Columns columns({Align::left, Align::right, Align::right, Align::right, Align::right, Align::right, Align::right});
  columns.row(style.header({"", "mean", "p50", "p90", "p95", "p99", "max"}));
  const auto row = [&](const char* what, const LatencySummary& s) {
    if (s.count > 0)
      columns.row({what, fixed(s.mean), fixed(s.p50), fixed(s.p90), fixed(s.p95), fixed(s.p99), fixed(s.max)});
  };
  row("time to first token", l.ttft);
  row("time per output token", l.tpot);
  row("end to end", l.end_to_end);
  row("queueing", l.queueing);
  row("between tokens", itl);
  return style.section(name, l.tpot.count > 0 ? "per output token: (last - first) / (tokens - 1)" : "") + columns.str();
}

std::string share_text(double share, Seconds bound) {
  return bound.si() > 0 ? fmt::format("{} within {}", percent(share), format_quantity(bound)) : std::string("-");
}

bool flows(const ClassResult& row) { return row.bounds.itl.si() > 0; }

bool bounded(const ClassResult& row) {
  return row.bounds.ttft.si() > 0 || row.bounds.tpot.si() > 0 || row.bounds.end_to_end.si() > 0 || flows(row);
}

/// How many of the requests have enough of the gaps between their tokens within the bound.
std::string gaps_text(const ClassResult& row) {
  const std::string text = share_text(row.itl_met, row.bounds.itl);
  return flows(row) && row.bounds.itl_within < 1 ? fmt::format("{} ({} of gaps)", text, percent(row.bounds.itl_within)) : text;
}

std::string classes(const ServingResult& job, const Style& style) {
  if (job.classes.size() < 2 && std::ranges::none_of(job.classes, bounded))
    return {};
  const bool met = job.attainment >= job.attainment_due;
  const std::string whole =
      fmt::format("{} of all requests keep their bounds; due {}", percent(job.attainment), percent(job.attainment_due));
  const bool gaps = std::ranges::any_of(job.classes, flows);
  Columns columns({Align::left, Align::right, Align::right, Align::right, Align::right, Align::right, Align::right});
  const auto line = [&](std::vector<std::string> cells, const std::string& between, const std::string& all) {
    if (gaps)
      cells.push_back(between);
    cells.push_back(all);
    columns.row(std::move(cells));
  };
  line({"class", style.faint("requests"), style.faint("first token"), style.faint("per output token"), style.faint("end to end")},
       style.faint("between tokens"), style.faint("all"));
  for (const ClassResult& row : job.classes)
    line({row.bounds.name, count(row.requests), share_text(row.ttft_met, row.bounds.ttft), share_text(row.tpot_met, row.bounds.tpot),
          share_text(row.end_to_end_met, row.bounds.end_to_end)},
         gaps_text(row), percent(row.attainment));
  std::string out = style.section("Service levels") + "  " + (met ? style.good(whole) : style.bad(whole)) + "\n" + columns.str();
  if (job.classes.size() > 1)
    for (const ClassResult& row : job.classes)
      if (row.served > 0)
        out += latencies(row.latencies, row.itl, style, "Class " + row.bounds.name);
  return out;
}

std::string goodput(const ServingResult& job, const Style& style) {
  const ServingGoodput& g = *job.goodput;
  std::string out = style.section("Goodput", fmt::format("the highest rate at which {} keep their bounds", percent(job.attainment_due)));
  Columns columns({Align::right, Align::right, Align::right, Align::right, Align::left});
  columns.row(style.header({"requests/s", "within bounds", "p90 first token", "p90 per token", ""}));
  std::vector<GoodputPoint> points = g.points;
  std::ranges::sort(points, {}, &GoodputPoint::rate);
  for (const GoodputPoint& p : points)
    columns.row({scaled(p.rate), percent(p.attainment), fixed(p.ttft_p90), fixed(p.tpot_p90),
                 p.kept ? style.good("kept") : style.bad(p.saturated ? "missed: the queue grows" : "missed")});
  if (g.rate > 0)
    out += fmt::format("  {} requests/s, {} per device{}\n", style.heading(scaled(g.rate)), scaled(g.per_device),
                       g.bounded ? "" : "; the search ended before a rate was missed");
  else
    out += "  " + style.bad("no rate keeps them") + "\n";
  return out + columns.str();
}

std::string replicas(const ServingResult& job, const Style& style) {
  std::string out;
  for (const PoolResult& pool : job.pools) {
    const std::string kind = pool.pool == Pool::both ? "Replicas" : pool.pool == Pool::prefill ? "Prefill replicas" : "Decode replicas";
    const std::string name = pool.service.empty() ? kind : kind + " of " + pool.service;
    Columns columns({Align::left, Align::right, Align::left});
    if (pool.patches > 0) {
      columns.row({"busy", percent(pool.busy),
                   fmt::format("{} passes over {:.1f} images each, {} at most", count(pool.iterations), pool.mean_batch,
                               grouped(pool.peak_sequences))});
      columns.row({"weights", fixed(pool.weights),
                   fmt::format("per device; activations of {} images {}", grouped(pool.policy.max_sequences), fixed(pool.workspace))});
      out += style.section(name, layout(pool) + " on " + pool.node) + columns.str();
      continue;
    }
    columns.row({"busy", percent(pool.busy),
                 fmt::format("{} iterations, {:.1f} decoding sequences each", count(pool.iterations), pool.mean_batch)});
    columns.row({"KV cache, peak", percent(pool.peak_kv),
                 fmt::format("of {} tokens{}", grouped(static_cast<double>(pool.kv_tokens)),
                             pool.cached_tokens > 0 ? ", cached ones included" : "")});
    columns.row({"sequences", grouped(pool.peak_sequences), fmt::format("at once at most; {} preemptions", count(pool.preemptions))});
    if (pool.cached_tokens > 0)
      columns.row({"prefix cache",
                   percent(static_cast<double>(pool.cached_tokens) / static_cast<double>(pool.cached_tokens + pool.prefill_tokens)),
                   "of prompt tokens found in it"});
    for (const TierResult& tier : pool.tiers)
      if (tier.tokens > 0)
        columns.row({"from " + tier.name, percent(static_cast<double>(tier.tokens) / static_cast<double>(pool.cached_tokens)), "of these"});
    if (pool.swapped_in > 0)
      columns.row({"swapped blocks", count(pool.swapped_in),
                   fmt::format("came back, {} written, {} still there; {} of the time waited for", count(pool.swapped_out),
                               count(pool.reused), percent(pool.moving))});
    columns.row({"weights", fixed(pool.weights), "per device, the fullest; " + fixed(pool.kv_room) + " for its KV cache"});
    out += style.section(name, serving_plan_text(pool.plan) + " on " + pool.node) + columns.str();
  }
  return out;
}

std::string tasks(const ServingResult& job, const Style& style) {
  if (!job.tasks)
    return {};
  const TaskResult& t = *job.tasks;
  const LatencySummary& l = t.end_to_end;
  Columns columns({Align::left, Align::right, Align::left});
  columns.row({"end to end, mean", style.heading(fixed(l.mean)),
               fmt::format("p50 {}, p90 {}, p99 {}, max {}", fixed(l.p50), fixed(l.p90), fixed(l.p99), fixed(l.max))});
  if (job.priced)
    columns.row({"cost", money(1e6 * job.cost_per_request), "per million tasks, tools included"});
  for (const ToolResult& tool : job.tools)
    columns.row({tool.name.empty() ? "tools" : tool.name, percent(tool.busy),
                 fmt::format("busy; {} at once, {}", grouped(tool.most),
                             tool.workers > 0 ? "of " + grouped(tool.workers) + " workers" : std::string("no limit"))});
  return style.section("Tasks", fmt::format("{} of {} served, {} stages each", count(t.served), count(t.count), t.stages)) + columns.str();
}

/// Most of each of `columns` equal parts of the time, over all replicas at once, as a line of bars.
template <class G> std::string over_time(const ServingResult& job, std::size_t columns, double& most, G get) {
  std::map<std::uint32_t, double> now; // by replica
  std::vector<double> values(columns, 0);
  double sum = 0;
  std::size_t at = 0;
  for (const ServingSample& sample : job.samples) {
    const auto column = static_cast<std::size_t>(sample.time / job.samples.back().time * static_cast<double>(columns));
    for (; at < std::min(column, columns - 1); ++at)
      values[at + 1] = sum; // what it was goes on
    double& before = now[sample.replica];
    sum += get(sample) - before;
    before = get(sample);
    values[at] = std::max(values[at], sum);
  }
  most = *std::ranges::max_element(values);
  std::string line;
  for (const double value : values)
    line += most > 0 ? eighths[static_cast<std::size_t>(std::ceil(8 * value / most))] : " ";
  return line;
}

std::string course(const ServingResult& job, const Style& style) {
  if (job.samples.empty() || job.samples.back().time.si() <= 0)
    return {};
  constexpr std::size_t columns = 64;
  Columns rows({Align::left, Align::left, Align::right});
  const auto row = [&](const char* name, auto get, const char* unit) {
    double most = 0;
    const std::string line = over_time(job, columns, most, get);
    rows.row({name, style.bars(line), fmt::format("at most {}{}", grouped(most), unit)});
  };
  row("waiting", [](const ServingSample& s) { return static_cast<double>(s.waiting); }, "");
  row("running", [](const ServingSample& s) { return static_cast<double>(s.running); }, "");
  row("KV cache", [](const ServingSample& s) { return static_cast<double>(s.blocks); }, " blocks");
  return style.section("Over time", "all replicas, " + format_quantity(job.samples.back().time)) + rows.str();
}

std::string devices(const ServingResult& job, const Style& style) {
  Columns columns({Align::left, Align::right, Align::left});
  columns.row({"MFU", percent(job.mfu), "FLOPs as run over the devices' peak"});
  columns.row({"MBU", percent(job.mbu), "memory traffic over the devices' bandwidth"});
  if (job.mean_devices < 0.999 * job.devices)
    columns.row({"devices", fmt::format("{:.1f}", job.mean_devices), "mean over the time; replicas are started and stopped"});
  columns.row({"device power", fixed(job.device_power), "mean; " + fixed(job.facility_power) + " at the feed for all"});
  const bool tokens = job.output_tokens_per_second > 0;
  columns.row({"energy", fixed(tokens ? job.energy_per_output_token : job.energy_per_request),
               fmt::format("per {}, at the feed", tokens      ? "output token"
                                                  : job.tasks ? "task"
                                                              : "request")});
  const Dollars cost = tokens ? job.cost_per_million_output_tokens : job.cost_per_request * 1e6;
  columns.row({"cost", job.priced ? money(cost) : "-",
               job.priced ? fmt::format("per million {}", tokens      ? "output tokens"
                                                          : job.tasks ? "tasks"
                                                                      : "requests")
                          : std::string("the cluster states no prices")});
  return style.section("Devices") + columns.str() + cap_text(job.above_cap, style);
}

std::string how_made(const ServingResult& job, const Style& style) {
  return style.section("How it was made") + fmt::format("  method   simulate, {} events for {} iterations, {} per request\n  fold     {}\n",
                                                        count(job.method.events), count(job.method.iterations),
                                                        scaled(job.iterations_per_request), job.method.fold);
}

std::string rollouts(const RolloutResult& r, const Style& style) {
  Columns columns({Align::left, Align::right, Align::left});
  columns.row({"tokens/s", style.heading(scaled(r.tokens_per_second)), "of finished responses, over the generation phases"});
  columns.row({"with training", scaled(r.tokens_per_second_with_training), ""});
  columns.row({"generation", fixed(r.generation), fmt::format("mean of {} steps", r.steps)});
  columns.row({"carried on", scaled(r.carried), "responses into the next step"});
  columns.row({"off policy", fmt::format("{:.1f} %", 100 * r.earlier_policy), "of the tokens, sampled by an earlier policy"});
  return style.section("Rollouts") + columns.str();
}

} // namespace

std::string serving_plan_text(const ServingPlan& plan) {
  std::string out = fmt::format("TP {}", plan.tp);
  if (plan.pp > 1)
    out += fmt::format(" · PP {}", plan.pp);
  if (plan.ep > 1)
    out += fmt::format(" · EP {}", plan.ep);
  if (plan.attention_dp > 1)
    out += fmt::format(" · attention DP {}", plan.attention_dp);
  return out + fmt::format(" · {} {}", grouped(plan.replicas), plan.replicas == 1 ? "replica" : "replicas");
}

std::string serving_text(const Result& result, const ServingResult& job, const Style& style) {
  std::string out = title(result, job, style);
  if (job.trace)
    out += trace_text(*job.trace, style);
  if (!job.violations.empty())
    out += infeasible_text(job.violations, style);
  if (job.served == 0)
    return out;
  return out + throughput(job, style) + latencies(job.latencies, job.itl, style, "Latency") + tasks(job, style) + classes(job, style) +
         (job.goodput ? goodput(job, style) : "") + (job.rollouts ? rollouts(*job.rollouts, style) : "") + replicas(job, style) +
         course(job, style) + devices(job, style) + how_made(job, style);
}

} // namespace orrery
