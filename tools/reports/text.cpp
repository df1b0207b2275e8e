#include "tools/reports/text.hpp"

#include "sim/base/quantity_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace orrery {

namespace {

/// Bytes that the colour sequence at `i` takes; 0 = none starts here.
std::size_t escape_length(std::string_view text, std::size_t i) {
  if (text[i] != '\x1b')
    return 0;
  const std::size_t end = text.find('m', i);
  return end == std::string_view::npos ? 0 : end - i + 1;
}

/// With exactly `digits` significant digits; a number that is whole has none behind the point.
std::string plain_number(double value, int digits) {
  std::string shortest = format_number(value, digits);
  if (value == std::round(value) || shortest.find('e') != std::string::npos)
    return shortest;
  const double shown = std::abs(std::stod(shortest)); // 9.997 is 10.0, not 10.00
  const int before = shown > 0 ? static_cast<int>(std::floor(std::log10(shown))) + 1 : 1;
  return fmt::format("{:.{}f}", value, std::max(0, digits - before));
}

bool continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

std::string spaces(std::size_t count) { return std::string(count, ' '); }

std::size_t missing(std::string_view text, std::size_t width) {
  const std::size_t has = display_width(text);
  return has < width ? width - has : 0;
}

} // namespace

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (const std::size_t escape = escape_length(text, i); escape > 0) {
      i += escape;
      continue;
    }
    width += continuation(text[i]) ? 0 : 1;
    ++i;
  }
  return width;
}

std::string pad_right(std::string_view text, std::size_t width) { return std::string(text) + spaces(missing(text, width)); }
std::string pad_left(std::string_view text, std::size_t width) { return spaces(missing(text, width)) + std::string(text); }

std::string clip(std::string_view text, std::size_t width) {
  if (display_width(text) <= width)
    return std::string(text);
  std::size_t end = 0;
  for (std::size_t seen = 0; end < text.size(); ++end) {
    if (!continuation(text[end]) && ++seen == width)
      break;
  }
  return std::string(text.substr(0, end)) + "…";
}

std::string wrap(std::string_view text, std::size_t width, std::size_t indent) {
  const std::size_t start = std::min(text.find_first_not_of(' '), text.size());
  std::string out = spaces(start);
  std::size_t column = start;
  text.remove_prefix(start);
  bool first = true;
  while (!text.empty()) {
    const std::size_t space = text.find(' ');
    const std::string_view word = text.substr(0, space);
    text = space == std::string_view::npos ? std::string_view() : text.substr(space + 1);
    const std::size_t length = display_width(word);
    if (!first && column + 1 + length > width) {
      out += '\n' + spaces(indent);
      column = indent;
    } else if (!first) {
      out += ' ';
      ++column;
    }
    out += word;
    column += length;
    first = false;
  }
  return out;
}

std::string paragraph(std::string_view text) { return wrap("  " + std::string(text), page_width, 2) + "\n"; }

std::string bar(double share, std::size_t width) {
  static constexpr std::array<const char*, 8> eighths = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const double bounded = std::isfinite(share) ? std::clamp(share, 0.0, 1.0) : 0.0;
  auto parts = static_cast<std::size_t>(std::lround(bounded * static_cast<double>(width) * 8));
  if (parts == 0 && bounded > 0)
    parts = 1;
  std::string out;
  for (std::size_t i = 0; i < parts / 8; ++i)
    out += "█";
  return out + eighths[parts % 8];
}

std::string percent(double share) { return fmt::format("{:.1f}%", 100 * share); }
std::string signed_percent(double share) { return fmt::format("{:+.1f}%", 100 * share); }

std::string grouped(double count) {
  std::string digits = fmt::format("{:.0f}", count);
  const std::size_t first = digits.starts_with('-') ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string scaled(double value, int digits) {
  static constexpr std::array<std::pair<double, const char*>, 4> steps = {{{1e12, "T"}, {1e9, "B"}, {1e6, "M"}, {1e3, "k"}}};
  for (const auto& [size, suffix] : steps) {
    if (std::abs(value) >= size)
      return plain_number(value / size, digits) + " " + suffix;
  }
  return plain_number(value, digits);
}

std::string money(Dollars amount) {
  const std::string text = scaled(std::abs(amount.si()));
  return (amount.si() < 0 ? "-$" : "$") + text;
}

SameUnit::SameUnit(double largest, const Dimension& dimension, int digits) {
  const std::string shown = format_quantity(largest, dimension, digits);
  unit_ = shown.substr(shown.find(' ') + 1);
  QuantityError error;
  size_ = parse_quantity("1 " + unit_, dimension, {}, error);
  const double number = std::abs(std::stod(shown));
  const int before = number >= 1 ? static_cast<int>(std::floor(std::log10(number))) + 1 : 1;
  decimals_ = std::max(0, digits - before);
}

std::string SameUnit::text(double si) const { return fmt::format("{:.{}f} {}", si / size_, decimals_, unit_); }

std::string Columns::str() const {
  std::vector<std::size_t> widths(aligns_.size());
  for (const auto& cells : rows_) {
    for (std::size_t i = 0; i < cells.size(); ++i)
      widths[i] = std::max(widths[i], display_width(cells[i]));
  }
  std::string out;
  for (const auto& cells : rows_) {
    std::string line = spaces(indent_);
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const bool last = i + 1 == cells.size() && aligns_[i] == Align::left;
      line += last ? cells[i] : aligns_[i] == Align::left ? pad_right(cells[i], widths[i]) : pad_left(cells[i], widths[i]);
      line += last ? "" : "  ";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string Style::section(std::string_view title, std::string_view note) const {
  return "\n" + heading(title) + (note.empty() ? "" : "  " + faint(note)) + "\n";
}

std::vector<std::string> Style::header(std::vector<std::string> cells) const {
  for (std::string& cell : cells)
    cell = faint(cell);
  return cells;
}

std::string Style::wrapped(std::string_view text, std::string_view code) const {
  return colour && !text.empty() ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
}

std::string csv_cell(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos)
    return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    quoted += c;
    if (c == '"')
      quoted += '"';
  }
  return quoted + "\"";
}

std::string csv_line(const std::vector<std::string>& cells) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i)
    line += (i == 0 ? "" : ",") + csv_cell(cells[i]);
  return line + "\n";
}

} // namespace orrery
