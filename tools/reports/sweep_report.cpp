#include "tools/reports/sweep_report.hpp"

#include "tools/reports/json_object.hpp"
#include "tools/reports/metric_words.hpp"
#include "tools/reports/sweep_metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace orrery {

namespace {

constexpr std::size_t most_reasons = 5;
constexpr std::size_t widest_setting = 28;
constexpr std::size_t fewest_metrics = 3;

std::string json_text(const SweepValue& value) {
  return std::visit(
      [](const auto& held) -> std::string {
        if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::monostate>)
          return "null";
        else
          return OrderedJson(held).dump();
      },
      value);
}

std::string plain_text(const SweepValue& value) {
  if (const auto* text = std::get_if<std::string>(&value))
    return *text;
  return std::holds_alternative<std::monostate>(value) ? std::string() : json_text(value);
}

std::vector<std::string> shown_metrics(const SweepStore& store, const SweepView& view) {
  return view.metrics.empty() ? ordered_metrics(store.metrics()) : view.metrics;
}

/// The path of a metric inside its job: what it is called and measured in.
std::string_view inside_job(std::string_view name) {
  if (!name.starts_with("jobs."))
    return name;
  const std::size_t dot = name.find('.', 5);
  return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

std::string label_of(const std::string& name) {
  const auto headline = headline_metric(inside_job(name));
  if (!headline)
    return name;
  return name.starts_with("jobs.") ? fmt::format("{} ({})", headline->label, name.substr(0, name.find('.', 5)))
                                   : std::string(headline->label);
}

/// The metrics of the table where the study names none: those headlines that the points have, as many as a line holds.
std::vector<std::string> table_metrics(const SweepStore& store, const SweepView& view, const std::string& sort) {
  std::vector<std::string> shown = view.metrics;
  if (shown.empty()) {
    static constexpr const char* telling[] = {"step_time_s",          "tokens_per_second",     "flop_rates.causal_attention.utilisation",
                                              "memory.total_bytes",   "budget.cost_usd",       "output_tokens_per_second",
                                              "latencies.ttft.p99_s", "latencies.tpot.mean_s", "attainment_share"};
    const std::vector<std::string> there = ordered_metrics(store.metrics());
    for (const std::string& name : there)
      if (std::ranges::find(telling, inside_job(name)) != std::end(telling))
        shown.push_back(name);
  }
  if (!sort.empty() && std::ranges::find(shown, sort) == shown.end())
    shown.insert(shown.begin(), sort);
  return shown;
}

/// What the best points are best in.
std::string sort_metric(const SweepStore& store, const SweepView& view) {
  if (!view.sort.empty())
    return view.sort;
  // Not the step time: it does not compare points of unequal batches.
  for (const std::string& name : ordered_metrics(store.metrics()))
    if (inside_job(name) == "tokens_per_second" || inside_job(name) == "output_tokens_per_second")
      return name;
  return {};
}

std::string cell(const std::string& metric, const SweepValue& value) {
  if (const auto* whole = std::get_if<std::int64_t>(&value))
    return grouped(static_cast<double>(*whole));
  const auto* number = std::get_if<double>(&value);
  return number != nullptr ? metric_text(inside_job(metric), *number) : std::holds_alternative<bool>(value) ? plain_text(value) : "-";
}

std::string order_word(const SweepView& view, const std::optional<Metric>& headline) {
  if (headline)
    return view.worst ? "worst" : "best";
  return view.worst ? "highest" : "lowest";
}

/// One line per point: its settings, then its metrics.
std::string table_of(const std::vector<StoredRow>& rows, const std::vector<std::string>& paths, const std::vector<std::string>& metrics,
                     const Style& style) {
  Columns columns(std::vector<Align>(1 + paths.size() + metrics.size(), Align::right));
  std::vector<std::string> head = {"point"};
  for (const std::string& name : short_names(paths))
    head.push_back(name);
  for (const std::string& metric : metrics)
    head.push_back(label_of(metric));
  columns.row(style.header(std::move(head)));
  for (const StoredRow& row : rows) {
    std::vector<std::string> cells = {std::to_string(row.point)};
    for (std::size_t i = 0; i < paths.size(); ++i)
      cells.push_back(clip(std::holds_alternative<std::monostate>(row.values[i]) ? "-" : plain_text(row.values[i]), widest_setting));
    for (std::size_t i = 0; i < metrics.size(); ++i)
      cells.push_back(cell(metrics[i], row.values[paths.size() + i]));
    columns.row(std::move(cells));
  }
  return columns.str();
}

void write_best(std::ostream& out, const Study& study, const SweepStore& store, const SweepView& view, const Style& style) {
  const std::string sort = sort_metric(store, view);
  if (sort.empty())
    return;
  const std::vector<std::string> paths = study.paths();
  std::vector<std::string> metrics = table_metrics(store, view, sort);
  RowQuery query{.columns = paths, .order_by = sort, .limit = view.top};
  query.columns.insert(query.columns.end(), metrics.begin(), metrics.end());
  const auto headline = headline_metric(inside_job(sort));
  query.descending = (headline && headline->better == Better::higher) != view.worst;
  std::vector<StoredRow> rows;
  store.read(query, [&](const StoredRow& row) { rows.push_back(row); });
  if (rows.empty())
    return;
  std::string table = table_of(rows, paths, metrics, style);
  // Columns that nobody asked for give way to the page's width.
  while (view.metrics.empty() && metrics.size() > fewest_metrics && display_width(table.substr(0, table.find('\n'))) > page_width) {
    metrics.pop_back();
    table = table_of(rows, paths, metrics, style);
  }
  out << '\n'
      << style.heading(rows.size() == 1 ? fmt::format("The {} point by {}", order_word(view, headline), label_of(sort))
                                        : fmt::format("The {} {} points by {}", rows.size(), order_word(view, headline), label_of(sort)))
      << '\n'
      << table;
}

/// Messages that differ in nothing but their figures count as one.
class Reasons {
public:
  void add(const std::string& message) {
    std::string key;
    for (const char c : message)
      if ((c < '0' || c > '9') && c != '.')
        key += c;
    auto [found, is_new] = index_.try_emplace(key, rows_.size());
    if (is_new)
      rows_.emplace_back(message, 0);
    ++rows_[found->second].second;
  }

  void write(std::ostream& out, const std::string& title, const Style& style) const {
    if (rows_.empty())
      return;
    std::vector<std::pair<std::string, std::size_t>> rows = rows_;
    std::ranges::stable_sort(rows, std::greater(), &std::pair<std::string, std::size_t>::second);
    out << '\n' << style.heading(title) << '\n';
    for (std::size_t i = 0; i < std::min(rows.size(), most_reasons); ++i) {
      const std::string count = fmt::format("  {:>6} x ", grouped(static_cast<double>(rows[i].second)));
      std::string message = rows[i].first;
      std::ranges::replace(message, '\n', ' ');
      out << wrap(count + message, page_width, display_width(count)) << '\n';
    }
    if (rows.size() > most_reasons)
      out << fmt::format("         and {} more reasons\n", rows.size() - most_reasons);
  }

private:
  std::map<std::string, std::size_t> index_;
  std::vector<std::pair<std::string, std::size_t>> rows_;
};

std::string object_text(const std::vector<std::string>& names, const std::vector<SweepValue>& values, std::size_t from,
                        bool leave_out_null) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const SweepValue& value = values[from + i];
    if (!leave_out_null || !std::holds_alternative<std::monostate>(value))
      text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", OrderedJson(names[i]).dump(), json_text(value));
  }
  return "{" + text + "}";
}

} // namespace

std::vector<std::string> short_names(const std::vector<std::string>& paths) {
  const auto ending = [](const std::string& path, int parts) {
    std::size_t at = path.size();
    for (; parts > 0 && at != std::string::npos && at > 0; --parts)
      at = path.rfind('.', at - 1);
    return at == std::string::npos ? path : path.substr(at + 1);
  };
  std::vector<std::string> names;
  for (const std::string& path : paths) {
    int parts = 1;
    const auto is_ambiguous = [&] {
      return std::ranges::count_if(paths, [&](const std::string& other) { return ending(other, parts) == ending(path, parts); }) > 1;
    };
    while (ending(path, parts) != path && is_ambiguous())
      ++parts;
    names.push_back(ending(path, parts));
  }
  return names;
}

void write_sweep_text(std::ostream& out, const Study& study, const SweepStore& store, const SweepView& view, const Style& style) {
  std::map<std::string, std::size_t> counts;
  Reasons infeasible;
  Reasons errors;
  store.read({}, [&](const StoredRow& row) {
    ++counts[row.status];
    if (row.status == status_word(PointStatus::infeasible))
      infeasible.add(row.message);
    if (row.status == status_word(PointStatus::error))
      errors.add(row.message);
  });
  out << style.heading(study.name) << '\n'
      << fmt::format("  {} points, {}: {} feasible", grouped(static_cast<double>(study.points())),
                     study.method == Fidelity::simulate ? "simulated" : "estimated", grouped(static_cast<double>(counts["ok"])));
  for (const auto& [status, words] : {std::pair("infeasible", "infeasible"), std::pair("error", "with mistakes")})
    if (counts[status] > 0)
      out << fmt::format(", {} {}", grouped(static_cast<double>(counts[status])), words);
  out << '\n';
  write_best(out, study, store, view, style);
  infeasible.write(out, "Infeasible, for example", style);
  errors.write(out, "Mistakes, for example", style);
}

void write_sweep_csv(std::ostream& out, const Study& study, const SweepStore& store, const SweepView& view) {
  RowQuery query{.columns = study.paths()};
  const std::vector<std::string> metrics = shown_metrics(store, view);
  query.columns.insert(query.columns.end(), metrics.begin(), metrics.end());
  std::vector<std::string> head = {"point", "status", "message"};
  head.insert(head.end(), query.columns.begin(), query.columns.end());
  out << csv_line(head);
  store.read(query, [&](const StoredRow& row) {
    std::vector<std::string> cells = {std::to_string(row.point), row.status, row.message};
    for (const SweepValue& value : row.values)
      cells.push_back(plain_text(value));
    out << csv_line(cells);
  });
}

void write_sweep_json(std::ostream& out, const Study& study, const SweepStore& store, const SweepView& view) {
  RowQuery query{.columns = study.paths()};
  const std::vector<std::string> paths = query.columns;
  const std::vector<std::string> metrics = shown_metrics(store, view);
  query.columns.insert(query.columns.end(), metrics.begin(), metrics.end());
  out << fmt::format("{{\n  \"study\": {},\n  \"method\": \"{}\",\n  \"points\": [", OrderedJson(study.name).dump(),
                     study.method == Fidelity::simulate ? "simulate" : "estimate");
  bool first = true;
  store.read(query, [&](const StoredRow& row) {
    out << fmt::format("{}\n    {{\"point\": {}, \"status\": \"{}\", ", first ? "" : ",", row.point, row.status);
    if (!row.message.empty())
      out << fmt::format("\"message\": {}, ", OrderedJson(row.message).dump());
    out << fmt::format("\"settings\": {}, \"metrics\": {}}}", object_text(paths, row.values, 0, false),
                       object_text(metrics, row.values, paths.size(), true));
    first = false;
  });
  out << "\n  ]\n}\n";
}

} // namespace orrery
