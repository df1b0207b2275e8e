#include "tools/reports/ablation_report.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

namespace {

/// The largest time of the column, which chooses its unit.
Seconds longest(const JobAblation& job) {
  Seconds most = job.step;
  for (const AblationRow& row : job.rows)
    most = std::max(most, row.step);
  return job.all ? std::max(most, job.all->step) : most;
}

std::string job_text(const JobAblation& job, const std::string& kind, const Style& style) {
  const SameUnit time(longest(job), 4);
  std::string out = style.heading(fmt::format("Ablation of {}", job.job)) + "  " +
                    style.faint(fmt::format("{}, one feature off at a time", kind)) + "\n\n";
  Columns columns({Align::left, Align::right, Align::right, Align::right, Align::right, Align::left});
  columns.row(style.header({"without", "step", "it buys", "", "memory", "what it does"}));
  columns.row({"(all on)", time(job.step), "", "", fixed(job.memory), ""});
  const auto add = [&](const AblationRow& row) {
    const std::size_t room = page_width - 65;
    if (row.violation.empty())
      columns.row({row.feature, time(row.step), time(row.gain), signed_percent(row.relative), fixed(row.memory), clip(row.help, room)});
  };
  for (const AblationRow& row : job.rows)
    add(row);
  if (job.all)
    add(*job.all);
  out += columns.str();
  std::string impossible;
  for (const AblationRow& row : job.rows)
    if (!row.violation.empty())
      impossible += "  " + wrap(fmt::format("{}: {}", row.feature, row.violation), page_width - 2, 4) + "\n";
  if (!impossible.empty())
    out += style.section("Cannot run without") + impossible;
  if (job.all && !job.all->violation.empty())
    out += "\n  " + wrap(fmt::format("with all of them off: {}", job.all->violation), page_width - 2, 4) + "\n";
  return out;
}

const JsonObject<AblationRow>& row_object() {
  using R = AblationRow;
  const auto where_it_runs = [](auto get) {
    return [get](const R& row) { return row.violation.empty() ? std::optional<double>(get(row)) : std::nullopt; };
  };
  static const JsonObject<R> object =
      JsonObject<R>("The step without one feature.")
          .value("feature", "as `--without` names it", [](const R& row) { return row.feature; })
          .value("help", "what it does", [](const R& row) { return row.help; })
          .value("violation", "why the job cannot run without it",
                 [](const R& row) { return row.violation.empty() ? std::nullopt : std::optional(row.violation); })
          .value("step_time_s", "without it", where_it_runs([](const R& row) { return row.step.si(); }))
          .value("gain_s", "what it takes off the step", where_it_runs([](const R& row) { return row.gain.si(); }))
          .value("gain_relative", "the same as a share of the step with everything",
                 where_it_runs([](const R& row) { return row.relative; }))
          .value("memory_bytes", "of the fullest stage, without it", [](const R& row) { return row.memory.si(); });
  return object;
}

const JsonObject<JobAblation>& job_ablation_object() {
  using J = JobAblation;
  static const JsonObject<J> object =
      JsonObject<J>("What the features of a job buy.")
          .value("name", "of the model", [](const J& job) { return job.job; })
          .value("step_time_s", "with everything", [](const J& job) { return job.step.si(); })
          .value("memory_bytes", "of the fullest stage", [](const J& job) { return job.memory.si(); })
          .list("without", "by falling gain, those that cannot run last", row_object(), &J::rows)
          .object("without_all", "all of them off at once", row_object(), [](const J& job) { return job.all ? &*job.all : nullptr; });
  return object;
}

} // namespace

std::string ablation_text(const Ablation& ablation, const Style& style) {
  std::string out;
  for (std::size_t j = 0; j < ablation.jobs.size(); ++j)
    out += (j > 0 ? "\n" : "") + job_text(ablation.jobs[j], ablation.reference.jobs[j].method.kind, style);
  return out;
}

OrderedJson ablation_json(const Ablation& ablation) {
  const Result& reference = ablation.reference;
  OrderedJson jobs = OrderedJson::array();
  for (const JobAblation& job : ablation.jobs)
    jobs.push_back(job_ablation_object().write(job));
  return {{"schema_version", reference.schema_version},
          {"scenario", reference.scenario},
          {"cluster", reference.cluster},
          {"software", reference.software},
          {"seed", reference.seed},
          {"method", reference.jobs.front().method.kind},
          {"jobs", std::move(jobs)}};
}

std::string ablation_csv(const Ablation& ablation) {
  std::string out = csv_line({"job", "without", "step_time_s", "gain_s", "gain_relative", "memory_bytes", "violation"});
  const auto number = [](double value) { return fmt::format("{}", value); };
  for (const JobAblation& job : ablation.jobs) {
    out += csv_line({job.job, "", number(job.step.si()), "0", "0", number(job.memory.si()), ""});
    std::vector<AblationRow> rows = job.rows;
    if (job.all)
      rows.push_back(*job.all);
    for (const AblationRow& row : rows) {
      const bool runs = row.violation.empty();
      out += csv_line({job.job, row.feature, runs ? number(row.step.si()) : "", runs ? number(row.gain.si()) : "",
                       runs ? number(row.relative) : "", number(row.memory.si()), row.violation});
    }
  }
  return out;
}

} // namespace orrery
