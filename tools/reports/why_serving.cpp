#include "tools/reports/why_serving.hpp"

#include "hardware/provenance.hpp"
#include "scenarios/serving/serving_costs.hpp"
#include "sim/base/quantity_text.hpp"
#include "tools/reports/cost_names.hpp"
#include "tools/reports/report_json.hpp"
#include "tools/reports/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

constexpr const char* ttft_formula =
    "time from arrival to the first token = host time of the request + waiting for KV memory and a place in a batch + iterations that "
    "compute its prompt, those of others before and beside it. An iteration is the sum of its operators, then the host; an operator is "
    "the longer of arithmetic and memory traffic at fitted fractions of their peaks, plus a launch floor.";
constexpr const char* tpot_formula =
    "(last token - first token) / (tokens - 1) = mean length of the iterations from the first to the last token, those with prompts of "
    "others included, over the tokens of a sequence per iteration. An iteration is the sum of its operators, then the host.";

/// The costliest operators of one iteration.
std::string operators(const IterationBreakdown& breakdown) {
  constexpr std::size_t most = 12;
  std::vector<const IterationPart*> order;
  for (const IterationPart& part : breakdown.parts)
    order.push_back(&part);
  std::ranges::stable_sort(order, [](const IterationPart* a, const IterationPart* b) { return a->time() > b->time(); });
  Columns columns({Align::left, Align::left, Align::right, Align::right, Align::right, Align::left, Align::left}, 4);
  columns.row({"operator", "of", "times", "time", "of iteration", "bound by", "basis"});
  for (std::size_t i = 0; i < std::min(most, order.size()); ++i) {
    const IterationPart& part = *order[i];
    columns.row({part.op.name, part.part, grouped(part.count), format_quantity(part.time()), percent(part.time() / breakdown.cost.latency),
                 bound_word(part.cost.bound),
                 std::string(part.cost.assumed ? "assumed" : "fitted") + (part.cost.extrapolated ? ", extrapolated" : "")});
  }
  std::string out = columns.str();
  if (order.size() > most)
    out += fmt::format("    and {} more\n", order.size() - most);
  return out;
}

std::string iteration(const IterationBreakdown& b) {
  const std::string what =
      b.phase == "prefill" ? fmt::format("a prompt of {} tokens", grouped(b.tokens))
      : b.phase == "pass"  ? fmt::format("a pass over {} {}", grouped(b.sequences), b.sequences == 1 ? "image" : "images")
                           : fmt::format("{} decoding sequences of {} tokens each", grouped(b.sequences), grouped(std::round(b.context)));
  const std::string line = fmt::format("{}, {}: {} = kernels {} + host, launches, messages and clock {}", b.pool, what,
                                       format_quantity(b.cost.latency), format_quantity(b.kernels()), format_quantity(b.rest()));
  return "\n  " + wrap(line, page_width - 2, 4) + "\n" + operators(b);
}

std::string summary(const LatencySummary& l) {
  return fmt::format("mean {}, p50 {}, p99 {}", format_quantity(l.mean), format_quantity(l.p50), format_quantity(l.p99));
}

std::string source_text(const SoftwareProfile& software, const char* figure) {
  const Provenance* source = source_of(software.sources, figure);
  return source == nullptr ? "the scenario" : source_word(source->kind) + ": " + source->reference;
}

std::string inputs(const SoftwareProfile& software, const ServingResult& job, bool first) {
  const ServingTraits& engine = software.serving;
  std::string out;
  const auto input = [&](const char* name, Seconds value, const std::string& source) {
    const std::string lead = "  " + pad_right(name, 26) + pad_left(format_quantity(value), 10) + "  ";
    out += wrap(lead + source, page_width, display_width(lead)) + "\n";
  };
  if (first) {
    input("queueing, mean", job.latencies.queueing.mean, "from arrival to the first iteration, host time of the request included");
    input("host, per request", engine.request_host, source_text(software, "serving.request_host"));
    input("host, per prompt token", engine.token_host, source_text(software, "serving.token_host"));
  }
  input("host, per iteration", engine.iteration_host, source_text(software, "serving.iteration_host"));
  input("host, per sequence", engine.sequence_host, source_text(software, "serving.sequence_host"));
  return out;
}

} // namespace

std::vector<std::string> why_serving_words() { return {"ttft", "tpot"}; }

std::string why_serving(const std::string& metric, const Scenario& scenario, const Result& result, const Style& style) {
  const bool first = metric == "ttft";
  std::string out;
  for (std::size_t i = 0; i < result.serving.size(); ++i) {
    const ServingResult& job = result.serving[i];
    if (result.serving.size() > 1)
      out += (out.empty() ? "" : "\n") + style.heading(job.name) + "\n";
    for (const std::string& violation : job.violations)
      out += wrap("infeasible: " + violation, page_width, 2) + "\n";
    if (job.served == 0)
      continue;
    out += style.heading(metric + " = " + summary(first ? job.latencies.ttft : job.latencies.tpot)) + "\n";
    out += wrap(std::string("  formula: ") + (first ? ttft_formula : tpot_formula), page_width, 4) + "\n";
    out += inputs(scenario.software, job, first);
    for (const IterationBreakdown& breakdown : serving_costs(scenario, *scenario.jobs[i].serving, job))
      if ((breakdown.phase == "prefill") == first)
        out += iteration(breakdown);
  }
  return out;
}

} // namespace orrery
