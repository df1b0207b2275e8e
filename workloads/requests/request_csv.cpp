// Rows of comma-separated request traces.
#include "sim/base/diagnostics.hpp"
#include "workloads/requests/request_formats.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

namespace orrery {

namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
    text.remove_suffix(1);
  return text;
}

/// The next cell; `line` keeps what follows it, nothing after the last one. Quotes are taken off.
std::string_view next_cell(std::optional<std::string_view>& line) {
  std::string_view text = *line;
  std::size_t end = 0;
  if (!text.empty() && text.front() == '"') {
    const std::size_t close = text.find('"', 1);
    end = close == std::string_view::npos ? text.size() : text.find(',', close);
  } else {
    end = text.find(',');
  }
  if (end == std::string_view::npos || end >= text.size())
    line.reset();
  else
    line = text.substr(end + 1);
  std::string_view cell = trimmed(text.substr(0, end));
  if (cell.size() >= 2 && cell.front() == '"' && cell.back() == '"')
    cell = cell.substr(1, cell.size() - 2);
  return cell;
}

std::optional<double> number_of(std::string_view text) {
  double value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
    return std::nullopt;
  return value;
}

std::optional<int> digits(std::string_view text, std::size_t at, std::size_t count) {
  int value = 0;
  if (at + count > text.size())
    return std::nullopt;
  const auto [end, problem] = std::from_chars(text.data() + at, text.data() + at + count, value);
  return problem == std::errc() && end == text.data() + at + count && value >= 0 ? std::optional(value) : std::nullopt;
}

/// Days since 1970-01-01 in the Gregorian calendar.
std::int64_t days_of(int year, int month, int day) {
  const int from_march = (month + 9) % 12;
  const std::int64_t y = year - (month <= 2 ? 1 : 0);
  const std::int64_t era = y / 400;
  const std::int64_t of_era = y - era * 400;
  const std::int64_t of_year = (153 * from_march + 2) / 5 + day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

std::int64_t seconds_of(std::int64_t hours, std::int64_t minutes) { return hours * 3600 + minutes * 60; }

struct Moment {
  std::int64_t seconds = 0; ///< since 1970
  double fraction = 0;
};

/// "2023-11-16 18:15:46.6805900", with "T", "Z" or "+00:00" where they stand.
std::optional<Moment> moment_of(std::string_view text) {
  const auto year = digits(text, 0, 4);
  const auto month = digits(text, 5, 2);
  const auto day = digits(text, 8, 2);
  const auto hour = digits(text, 11, 2);
  const auto minute = digits(text, 14, 2);
  const auto second = digits(text, 17, 2);
  if (!year || !month || !day || !hour || !minute || !second || text[4] != '-' || text[7] != '-' || text[13] != ':' || text[16] != ':' ||
      (text[10] != ' ' && text[10] != 'T') || *month < 1 || *month > 12 || *day < 1 || *day > 31 || *hour > 23 || *minute > 59 ||
      *second > 60)
    return std::nullopt;
  Moment moment{.seconds = days_of(*year, *month, *day) * 86400 + seconds_of(*hour, *minute) + *second};
  std::size_t at = 19;
  if (at < text.size() && text[at] == '.') {
    const std::size_t end = std::min(text.find_first_not_of("0123456789", at + 1), text.size());
    const auto fraction = number_of(fmt::format("0{}", text.substr(at, end - at)));
    if (!fraction)
      return std::nullopt;
    moment.fraction = *fraction;
    at = end;
  }
  const std::string_view zone = text.substr(at);
  if (zone.empty() || zone == "Z")
    return moment;
  const auto hours = digits(zone, 1, 2);
  const auto minutes = digits(zone, 4, 2);
  if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':' || !hours || !minutes)
    return std::nullopt;
  moment.seconds -= (zone[0] == '+' ? 1 : -1) * seconds_of(*hours, *minutes);
  return moment;
}

class CsvParser : public RecordParser {
public:
  CsvParser(const RequestFormat& format, const std::vector<std::string>& columns) : format_(format), columns_(columns.size()) {
    const std::array<const std::string*, 3> wanted{&format.time, &format.input, &format.output};
    for (std::size_t i = 0; i < wanted.size(); ++i)
      places_[i] = static_cast<std::size_t>(std::ranges::find(columns, *wanted[i]) - columns.begin());
  }

  std::string parse(std::string_view text, std::vector<TraceRecord>& records) override {
    std::array<std::string_view, 3> cells;
    std::size_t count = 0;
    for (std::optional<std::string_view> rest = text; rest; ++count) {
      const std::string_view cell = next_cell(rest);
      for (std::size_t i = 0; i < places_.size(); ++i)
        if (places_[i] == count)
          cells[i] = cell;
    }
    if (count != columns_)
      return fmt::format("{} cells; the header has {}", count, columns_);
    TraceRecord& record = records.emplace_back();
    if (std::string problem = read_time(cells[0], record); !problem.empty())
      return problem;
    for (const auto& [cell, name, value] :
         {std::tuple(cells[1], &format_.input, &record.input), std::tuple(cells[2], &format_.output, &record.output)}) {
      const std::optional<double> number = number_of(cell);
      if (!number)
        return fmt::format("{} {}: not a number", *name, shown(cell));
      *value = *number;
    }
    return {};
  }

private:
  std::string read_time(std::string_view cell, TraceRecord& record) {
    if (format_.time_unit > 0) {
      const std::optional<double> time = number_of(cell);
      if (!time)
        return fmt::format("{} {}: not a number", format_.time, shown(cell));
      record.time = *time * format_.time_unit;
      return {};
    }
    const std::optional<Moment> moment = moment_of(cell);
    if (!moment)
      return fmt::format("{} {}: not a date and time", format_.time, shown(cell));
    if (!first_)
      first_ = moment->seconds;
    record.time = static_cast<double>(moment->seconds - *first_) + moment->fraction;
    return {};
  }

  const RequestFormat& format_;
  std::size_t columns_;
  std::array<std::size_t, 3> places_{}; ///< of time, input and output
  std::optional<std::int64_t> first_;
};

} // namespace

std::vector<std::string> csv_cells(std::string_view line) {
  std::vector<std::string> cells;
  for (std::optional<std::string_view> rest = line; rest;)
    cells.emplace_back(next_cell(rest));
  return cells;
}

std::unique_ptr<RecordParser> csv_parser(const RequestFormat& format, const std::vector<std::string>& columns) {
  return std::make_unique<CsvParser>(format, columns);
}

} // namespace orrery
