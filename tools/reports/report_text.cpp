#include "tools/reports/report_text.hpp"

#include "scenarios/expectations.hpp"
#include "sim/base/quantity_text.hpp"
#include "tools/reports/report_json.hpp"
#include "tools/reports/serving_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace orrery {

namespace {

constexpr std::size_t bar_width = 32;
constexpr std::size_t assumption_lines = 10;

/// At most so many ranks are shown one by one; of more, the mean and the extremes.
constexpr std::size_t most_ranks_shown = 16;

std::string trace_ranks(const TrainingResult& job, const Style& style) {
  const TraceReport& trace = *job.trace;
  const SameUnit time_text(job.step_time, 4);
  Columns columns({Align::left, Align::right, Align::right, Align::right, Align::right, Align::right, Align::right});
  columns.row({"rank", style.faint("compute"), style.faint("exposed"), style.faint("hidden"), style.faint("host"), style.faint("waiting"),
               style.faint("end")});
  const auto row = [&](const std::string& name, const TraceRank& rank) {
    columns.row({name, time_text(rank.compute), time_text(rank.exposed), time_text(rank.hidden), time_text(rank.host),
                 time_text(rank.waiting), time_text(rank.end)});
  };
  if (trace.ranks.size() <= most_ranks_shown) {
    for (const TraceRank& rank : trace.ranks)
      row(std::to_string(rank.rank), rank);
  } else {
    const auto [least, most] = std::ranges::minmax_element(trace.ranks, {}, [](const TraceRank& rank) { return rank.waiting.si(); });
    row(fmt::format("{} waits least", least->rank), *least);
    row(fmt::format("{} waits most", most->rank), *most);
  }
  return style.section("Ranks", "communication that compute does not cover is exposed") + columns.str();
}

std::string trace_path(const TrainingResult& job, const Style& style) {
  const SameUnit time_text(job.step_time, 4);
  Columns columns({Align::left, Align::left, Align::right, Align::right, Align::right, Align::left});
  constexpr std::size_t name_width = 36;
  for (const TracePath& row : job.trace->path)
    columns.row({row.kind, clip(row.name, name_width), grouped(static_cast<double>(row.nodes)) + "x", time_text(row.time),
                 percent(row.time / job.step_time), style.bars(bar(row.time / job.trace->path.front().time, bar_width / 2))});
  return style.section("Critical path", "the chain of nodes that the whole waits for") + columns.str();
}

std::string trace_text(const TrainingResult& job, const Style& style) {
  const TraceReport& trace = *job.trace;
  Columns columns({Align::left, Align::right, Align::left});
  columns.row({"whole", style.heading(fixed(job.step_time)), ""});
  const auto count = [&](const char* what, std::uint64_t number, const char* meaning) {
    if (number > 0)
      columns.row({what, grouped(static_cast<double>(number)), meaning});
  };
  count("compute nodes", trace.roofline_nodes, "priced by their FLOPs and bytes on this device");
  count("", trace.recorded_nodes, "take the time that the trace recorded");
  count("", trace.untimed_nodes, "say nothing of their time and take none");
  count("collectives", trace.collectives, "");
  count("", trace.lone_collectives, "of them have a single member and take no time");
  count("messages", trace.messages, "");
  return "\n" + columns.str();
}

std::string throughput(const TrainingResult& job, const Style& style) {
  Columns columns({Align::left, Align::right, Align::left});
  columns.row({"step time", style.heading(fixed(job.step_time)), range_text(job)});
  columns.row({"tokens/s", scaled(job.tokens_per_second), scaled(job.tokens_per_second_per_device) + " per device"});
  std::string out = columns.str();
  if (!job.error_band.basis.empty())
    out += style.faint(wrap("  error band: " + job.error_band.basis, page_width, 2)) + "\n";
  if (job.flop_rates.empty())
    return out;
  const SameUnit rate_text(job.flop_rates.front().per_device);
  Columns rates({Align::left, Align::right, Align::right, Align::left});
  rates.row(style.header({"FLOPs counted as", "per device", "of peak", ""}));
  for (const FlopRate& rate : job.flop_rates)
    rates.row({rate.convention, rate_text(rate.per_device), percent(rate.utilisation), style.faint(rate.meaning)});
  return out + rates.str();
}

/// Names with shares; several that are too small to be read off a bar become one "other" at the end.
template <class Q> std::vector<std::pair<std::string, Q>> without_crumbs(const std::vector<std::pair<std::string, Q>>& parts, Q whole) {
  constexpr double crumb = 0.001;
  std::vector<std::pair<std::string, Q>> kept;
  std::string crumbs;
  Q other{};
  for (const auto& [name, part] : parts) {
    if (part / whole >= crumb) {
      kept.emplace_back(name, part);
      continue;
    }
    crumbs = crumbs.empty() ? name : "other";
    other += part;
  }
  if (other / whole >= crumb / 2) // less would print as zero
    kept.emplace_back(crumbs, other);
  return kept;
}

std::string where_time_goes(const TrainingResult& job, const Style& style) {
  const SameUnit time_text(job.step_time, 4);
  std::map<TimeKind, std::vector<std::pair<std::string, Seconds>>> kinds;
  Seconds longest;
  for (const TimeShare& share : job.time) {
    kinds[share.kind].emplace_back(share.name, share.time);
    longest = std::max(longest, share.time);
  }
  Columns columns({Align::left, Align::left, Align::right, Align::right, Align::left});
  for (const auto& [kind, parts] : kinds) {
    Seconds total;
    for (const auto& [name, time] : parts)
      total += time;
    if (parts.size() > 1)
      columns.row({time_kind_word(kind), "", time_text(total), percent(total / job.step_time), ""});
    for (const auto& [name, time] : without_crumbs(parts, job.step_time))
      columns.row({parts.size() > 1 ? "" : time_kind_word(kind), name, time_text(time), percent(time / job.step_time),
                   style.bars(bar(time / longest, bar_width))});
  }
  return style.section("Where the step goes", "mean over ranks") + columns.str();
}

std::string memory(const TrainingResult& job, const Style& style) {
  const MemoryFootprint& m = job.memory;
  const std::string where = job.plan.pp > 1 ? fmt::format("per device of stage {}, the fullest", job.memory_stage) : "per device";
  const std::string note = fmt::format("{}: {} of {} ({})", where, fixed(m.total()), format_quantity(job.memory_capacity),
                                       percent(m.total() / job.memory_capacity));
  const SameUnit bytes_text(std::max(m.total(), job.memory_capacity), 4);
  Columns columns({Align::left, Align::right, Align::right, Align::left});
  const std::vector<std::pair<std::string, Bytes>> classes = {
      {"parameters", m.parameters},   {"gradients", m.gradients},      {"optimizer", m.optimizer}, {"activations", m.activations},
      {"working set", m.working_set}, {"pipeline buffers", m.buffers}, {"framework", m.framework}, {"fragmentation", m.fragmentation}};
  for (const auto& [name, bytes] : without_crumbs(classes, job.memory_capacity))
    columns.row({name, bytes_text(bytes), percent(bytes / job.memory_capacity), style.bars(bar(bytes / job.memory_capacity, bar_width))});
  const Bytes free = job.memory_capacity - m.total();
  if (free.si() >= 0)
    columns.row({"free", bytes_text(free), percent(free / job.memory_capacity), ""});
  else
    columns.row({style.bad("missing"), style.bad(bytes_text(-free)), style.bad(percent(-free / job.memory_capacity)), ""});
  if (m.host > Bytes{})
    columns.row({"in host memory", bytes_text(m.host), "", ""});
  if (m.storage > Bytes{})
    columns.row({"on drives", bytes_text(m.storage), "", ""});
  return style.section("Memory", note) + columns.str();
}

std::string power(const TrainingResult& job, const Style& style) {
  const StepPower& p = job.power;
  Columns columns({Align::left, Align::right, Align::left, Align::right, Align::left});
  columns.row({"device", fixed(p.device_mean), "mean", fixed(p.device_peak), "peak"});
  columns.row({"facility", fixed(p.facility_mean), "mean", fixed(p.facility_peak), "peak, all devices at once"});
  columns.row({"energy", fixed(p.energy_per_step), "per step", fixed(p.energy_per_token), "per token"});
  if (p.clock < 1)
    columns.row({"clock", percent(p.clock), "lowest, held down by the power cap", "", ""});
  return style.section("Power") + columns.str() + cap_text(p.above_cap, style);
}

std::string goodput_text(const TrainingResult& job, const Style& style) {
  const Goodput& g = *job.goodput;
  Columns columns({Align::left, Align::right, Align::left});
  columns.row({"kept work", style.heading(percent(g.goodput)), "of wall time"});
  columns.row({"checkpoints", percent(g.checkpoint_share), g.interval.si() > 0 ? "one every " + fixed(g.interval) + " of work" : ""});
  columns.row(
      {"failures", percent(g.lost_share + g.detection_share + g.restart_share),
       g.mtbf.si() > 0 ? fmt::format("{} expected, one every {}", format_number(g.expected_failures), fixed(g.mtbf)) : "nothing fails"});
  columns.row({"  work done again", percent(g.lost_share), ""});
  columns.row({"  detection", percent(g.detection_share), ""});
  columns.row({"  restart", percent(g.restart_share), ""});
  return style.section("Goodput", "over " + format_quantity(job.goodput_run_length)) + columns.str();
}

std::string budget_text(const TrainingResult& job, const Style& style) {
  const Budget& b = *job.budget;
  Columns columns({Align::left, Align::right, Align::left});
  columns.row({"time", style.heading(fixed(b.time)), grouped(b.steps) + " steps, " + scaled(b.device_hours) + " device hours"});
  columns.row({"energy", fixed(b.energy), "at the facility's feed"});
  columns.row({"cost", b.priced ? money(b.cost) : "-",
               b.priced ? "capital " + money(b.capital) + ", electricity " + money(b.electricity) : "the cluster states no prices"});
  return style.section("To " + scaled(b.tokens) + " tokens",
                       job.goodput ? "failures and checkpoints included" : "nothing fails, no checkpoints") +
         columns.str();
}

std::string how_made(const TrainingResult& job, const Style& style) {
  const Method& m = job.method;
  std::vector<std::pair<std::string, std::string>> rows = {{"method", m.kind}};
  const std::string difference =
      std::abs(m.simulate_minus_estimate) < 5e-6 ? "equal to" : fmt::format("{:+.3f}% from", 100 * m.simulate_minus_estimate);
  if (m.events > 0)
    rows.front().second += fmt::format(", {} events; step time {} the closed form", grouped(static_cast<double>(m.events)), difference);
  if (!m.network.empty())
    rows.emplace_back("network", m.network);
  if (!m.fold.empty())
    rows.emplace_back("fold", m.fold);
  std::string out = style.section("How it was made");
  for (const auto& [name, value] : rows)
    out += wrap(fmt::format("  {:<9}{}", name, value), page_width, 11) + "\n";
  return out;
}

std::string title(const Result& result, const TrainingResult& job, const Style& style) {
  std::string out = style.heading(clip(result.jobs.size() > 1 ? result.scenario + ": " + job.name : result.scenario, page_width)) + "\n";
  std::string subject = job.parameters > 0 ? scaled(job.parameters) + " parameters on " : "";
  subject += grouped(job.devices) + (job.devices == 1 ? " device · " : " devices · ") + result.cluster;
  subject += job.trace ? " · replay of a trace of " + grouped(static_cast<double>(job.trace->nodes)) + " nodes" : " · " + result.software;
  out += paragraph(subject);
  if (job.trace)
    return out;
  return out +
         paragraph(plan_text(job.plan) + (job.micro_batches > 0 ? " · " + grouped(job.micro_batches) + " micro-batches per step" : ""));
}

std::string job_text(const Result& result, const TrainingResult& job, const Style& style) {
  std::string out = title(result, job, style);
  if (!job.violations.empty())
    out += infeasible_text(job.violations, style);
  if (job.step_time.si() <= 0)
    return out + (job.memory.total().si() > 0 ? memory(job, style) : "");
  if (job.trace)
    return out + trace_text(job, style) + where_time_goes(job, style) + trace_ranks(job, style) + trace_path(job, style);
  out += "\n" + throughput(job, style) + where_time_goes(job, style) + memory(job, style) + power(job, style);
  if (job.goodput)
    out += goodput_text(job, style);
  if (job.budget)
    out += budget_text(job, style);
  return out;
}

/// One line per subject: its figures, then the reason of the first.
std::string assumptions(const Result& result, const Style& style) {
  std::vector<std::pair<std::string, std::vector<std::string>>> subjects;
  for (const Assumption& assumption : result.assumptions) {
    const auto found = std::ranges::find(subjects, assumption.subject, &std::pair<std::string, std::vector<std::string>>::first);
    if (found == subjects.end())
      subjects.push_back({assumption.subject, {assumption.figure}});
    else
      found->second.push_back(assumption.figure);
  }
  std::string lines;
  std::size_t used = 0;
  std::size_t left_out = 0;
  for (const auto& [subject, figures] : subjects) {
    std::string text = "  " + subject + ": ";
    for (std::size_t i = 0; i < figures.size(); ++i)
      text += (i == 0 ? "" : ", ") + (figures[i] == "*" ? "whatever has no source of its own" : figures[i]);
    const std::string wrapped = wrap(text, page_width, 4);
    const auto height = static_cast<std::size_t>(std::ranges::count(wrapped, '\n')) + 1;
    if (used + height > assumption_lines) {
      left_out += figures.size();
      continue;
    }
    used += height;
    lines += wrapped + "\n";
  }
  if (left_out > 0)
    lines += fmt::format("  and {} more\n", left_out);
  return style.section(fmt::format("Rests on {} assumed figures", result.assumptions.size()), "reasons: --format json") + lines;
}

std::string expectations(const Result& result, const Style& style) {
  std::string out = style.section("Expectations");
  for (const ExpectationOutcome& outcome : result.expectations)
    out += fmt::format("  {} {}\n", outcome.met ? style.good("met    ") : style.bad("NOT MET"), expectation_text(outcome));
  return out;
}

} // namespace

std::string infeasible_text(const std::vector<std::string>& violations, const Style& style) {
  std::string out = "\n" + style.bad("Infeasible") + "\n";
  for (const std::string& violation : violations)
    out += paragraph(violation);
  return out;
}

std::string cap_text(bool above_cap, const Style& style) {
  constexpr std::string_view text =
      "  the power cap is exceeded at times even at the lowest clock: memory keeps its rate here, and a device that "
      "keeps its cap is slower";
  return above_cap ? style.bad(wrap(text, page_width, 2)) + "\n" : "";
}

std::string range_text(const TrainingResult& job) {
  if (job.error_band.low == 0 && job.error_band.high == 0)
    return {};
  return fmt::format("{} to {}", fixed(job.step_time * (1 + job.error_band.low)), fixed(job.step_time * (1 + job.error_band.high)));
}

std::string plan_text(const Plan& plan) {
  std::string out = fmt::format("TP {}", plan.tp);
  if (plan.cp > 1)
    out += fmt::format(" · CP {}", plan.cp);
  out += fmt::format(" · PP {} · DP {}", plan.pp, plan.dp);
  if (plan.ep > 1)
    out += fmt::format(" · EP {}", plan.ep);
  out += fmt::format(" · micro-batch {}", plan.micro_batch);
  if (plan.pp > 1)
    out += " · " + schedule_word(plan.schedule) + (plan.virtual_stages > 1 ? fmt::format(" x{}", plan.virtual_stages) : "");
  out += plan.recompute == Recompute::none ? " · no recompute" : " · " + recompute_word(plan.recompute) + " recompute";
  if (plan.sequence_parallel)
    out += " · sequence parallel";
  if (plan.zero > 0)
    out += fmt::format(" · ZeRO-{}", plan.zero);
  std::string overlaps;
  for (const auto& [on, what] : {std::pair(plan.overlap_grad_reduce, "gradients"), std::pair(plan.overlap_param_gather, "parameters"),
                                 std::pair(plan.overlap_p2p, "pipeline")}) {
    if (on)
      overlaps += (overlaps.empty() ? "" : ", ") + std::string(what);
  }
  return out + (overlaps.empty() ? "" : " · overlapped: " + overlaps);
}

std::string expectation_text(const ExpectationOutcome& outcome) {
  const FieldInfo* metric = expectations_table().find(outcome.metric);
  const FieldInfo* bound = metric == nullptr ? nullptr : metric->shape.table->find("max");
  const auto text = [&](double value) {
    const bool quantity = bound != nullptr && bound->shape.kind == ShapeKind::quantity;
    return quantity ? format_quantity(value, bound->shape.dimension, 4) : format_number(value, 4);
  };
  std::string out = outcome.metric + " = " + text(outcome.value);
  if (outcome.min)
    out += ", at least " + text(*outcome.min);
  if (outcome.max)
    out += ", at most " + text(*outcome.max);
  return out;
}

std::string report_text(const Result& result, const Style& style) {
  std::string out;
  for (const TrainingResult& job : result.jobs)
    out += (out.empty() ? "" : "\n") + job_text(result, job, style);
  for (const ServingResult& job : result.serving)
    out += (out.empty() ? "" : "\n") + serving_text(result, job, style);
  if (!result.expectations.empty() && result.feasible())
    out += expectations(result, style);
  if (!result.assumptions.empty() && result.feasible())
    out += assumptions(result, style);
  for (const TrainingResult& job : result.jobs) {
    if (job.step_time.si() > 0)
      out += how_made(job, style);
  }
  return out;
}

} // namespace orrery
