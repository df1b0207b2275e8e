#include "sim/base/quantity_text.hpp"

#include "sim/base/diagnostics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>

namespace orrery {

namespace {

constexpr Dimension second{1, 0, 0, 0, 0};
constexpr Dimension hertz{-1, 0, 0, 0, 0};
constexpr Dimension byte{0, 1, 0, 0, 0};
constexpr Dimension flop{0, 0, 1, 0, 0};
constexpr Dimension joule{0, 0, 0, 1, 0};
constexpr Dimension dollar{0, 0, 0, 0, 1};
constexpr Dimension byte_rate{-1, 1, 0, 0, 0};
constexpr Dimension flop_rate{-1, 0, 1, 0, 0};
constexpr Dimension watt{-1, 0, 0, 1, 0};
constexpr Dimension joule_per_byte{0, -1, 0, 1, 0};
constexpr Dimension joule_per_flop{0, 0, -1, 1, 0};
constexpr Dimension dollar_rate{-1, 0, 0, 0, 1};
constexpr Dimension dollar_per_joule{0, 0, 0, -1, 1};

/// One unit = factor / divisor * 10^exponent in SI. The power of ten is applied to the decimal text, so that 3.35 TB/s is the
/// double 3.35e12.
struct Unit {
  std::string_view name;
  Dimension dimension;
  int exponent = 0;
  double factor = 1;
  double divisor = 1;
  bool shown = true; ///< in messages for people
  double from = 0;   ///< smallest number of this unit that is shown in it

  [[nodiscard]] double scale() const { return factor / divisor * std::pow(10.0, exponent); }
};

/// By dimension, from small to large within the shown ones.
constexpr std::array units{
    Unit{"ns", second, -9},
    Unit{"us", second, -6, 1, 1, true, 1},
    Unit{"ms", second, -3, 1, 1, true, 1},
    Unit{"s", second, 0, 1, 1, true, 1},
    Unit{"min", second, 0, 60, 1, true, 2},
    Unit{"h", second, 0, 3600, 1, true, 2},
    Unit{"d", second, 0, 86400, 1, true, 2},
    Unit{"y", second, 0, 365.0 * 86400, 1, true, 2},
    Unit{"Hz", hertz},
    Unit{"kHz", hertz, 3, 1, 1, true, 1},
    Unit{"MHz", hertz, 6, 1, 1, true, 1},
    Unit{"GHz", hertz, 9, 1, 1, true, 1},
    Unit{"B", byte},
    Unit{"kB", byte, 3, 1, 1, true, 1},
    Unit{"MB", byte, 6, 1, 1, true, 1},
    Unit{"GB", byte, 9, 1, 1, true, 1},
    Unit{"TB", byte, 12, 1, 1, true, 1},
    Unit{"PB", byte, 15, 1, 1, true, 1},
    Unit{"EB", byte, 18, 1, 1, true, 1},
    Unit{"KiB", byte, 0, 1024.0, 1, false},
    Unit{"MiB", byte, 0, 1048576.0, 1, false},
    Unit{"GiB", byte, 0, 1073741824.0, 1, false},
    Unit{"TiB", byte, 0, 1099511627776.0, 1, false},
    Unit{"PiB", byte, 0, 1125899906842624.0, 1, false},
    Unit{"FLOP", flop},
    Unit{"kFLOP", flop, 3, 1, 1, true, 1},
    Unit{"MFLOP", flop, 6, 1, 1, true, 1},
    Unit{"GFLOP", flop, 9, 1, 1, true, 1},
    Unit{"TFLOP", flop, 12, 1, 1, true, 1},
    Unit{"PFLOP", flop, 15, 1, 1, true, 1},
    Unit{"EFLOP", flop, 18, 1, 1, true, 1},
    Unit{"ZFLOP", flop, 21, 1, 1, true, 1},
    Unit{"J", joule},
    Unit{"kJ", joule, 3, 1, 1, true, 1},
    Unit{"MJ", joule, 6, 1, 1, true, 1},
    Unit{"GJ", joule, 9, 1, 1, true, 1},
    Unit{"TJ", joule, 12, 1, 1, true, 1},
    Unit{"mJ", joule, -3, 1, 1, false},
    Unit{"uJ", joule, -6, 1, 1, false},
    Unit{"nJ", joule, -9, 1, 1, false},
    Unit{"pJ", joule, -12, 1, 1, false},
    Unit{"Wh", joule, 0, 3600, 1, false},
    Unit{"kWh", joule, 3, 3600, 1, false},
    Unit{"MWh", joule, 6, 3600, 1, false},
    Unit{"GWh", joule, 9, 3600, 1, false},
    Unit{"USD", dollar},
    Unit{"kUSD", dollar, 3, 1, 1, false},
    Unit{"MUSD", dollar, 6, 1, 1, true, 1},
    Unit{"B/s", byte_rate},
    Unit{"kB/s", byte_rate, 3, 1, 1, true, 1},
    Unit{"MB/s", byte_rate, 6, 1, 1, true, 1},
    Unit{"GB/s", byte_rate, 9, 1, 1, true, 1},
    Unit{"TB/s", byte_rate, 12, 1, 1, true, 1},
    Unit{"PB/s", byte_rate, 15, 1, 1, true, 1},
    Unit{"b/s", byte_rate, 0, 1, 8, false},
    Unit{"kb/s", byte_rate, 3, 1, 8, false},
    Unit{"Mb/s", byte_rate, 6, 1, 8, false},
    Unit{"Gb/s", byte_rate, 9, 1, 8, false},
    Unit{"Tb/s", byte_rate, 12, 1, 8, false},
    Unit{"KiB/s", byte_rate, 0, 1024.0, 1, false},
    Unit{"MiB/s", byte_rate, 0, 1048576.0, 1, false},
    Unit{"GiB/s", byte_rate, 0, 1073741824.0, 1, false},
    Unit{"TiB/s", byte_rate, 0, 1099511627776.0, 1, false},
    Unit{"FLOP/s", flop_rate},
    Unit{"MFLOP/s", flop_rate, 6, 1, 1, true, 1},
    Unit{"GFLOP/s", flop_rate, 9, 1, 1, true, 1},
    Unit{"TFLOP/s", flop_rate, 12, 1, 1, true, 1},
    Unit{"PFLOP/s", flop_rate, 15, 1, 1, true, 1},
    Unit{"EFLOP/s", flop_rate, 18, 1, 1, true, 1},
    Unit{"GOPS", flop_rate, 9, 1, 1, false},
    Unit{"TOPS", flop_rate, 12, 1, 1, false},
    Unit{"POPS", flop_rate, 15, 1, 1, false},
    Unit{"W", watt},
    Unit{"kW", watt, 3, 1, 1, true, 1},
    Unit{"MW", watt, 6, 1, 1, true, 1},
    Unit{"GW", watt, 9, 1, 1, true, 1},
    Unit{"mW", watt, -3, 1, 1, false},
    Unit{"pJ/B", joule_per_byte, -12},
    Unit{"nJ/B", joule_per_byte, -9, 1, 1, true, 1},
    Unit{"J/B", joule_per_byte, 0, 1, 1, true, 1},
    Unit{"pJ/bit", joule_per_byte, -12, 8, 1, false},
    Unit{"pJ/FLOP", joule_per_flop, -12},
    Unit{"nJ/FLOP", joule_per_flop, -9, 1, 1, true, 1},
    Unit{"J/FLOP", joule_per_flop, 0, 1, 1, true, 1},
    Unit{"USD/h", dollar_rate, 0, 1, 3600},
    Unit{"USD/s", dollar_rate, 0, 1, 1, false},
    Unit{"USD/d", dollar_rate, 0, 1, 86400, false},
    Unit{"USD/y", dollar_rate, 0, 1, 365.0 * 86400, false},
    Unit{"USD/kWh", dollar_per_joule, -3, 1, 3600},
    Unit{"USD/MWh", dollar_per_joule, -6, 1, 3600, false},
    Unit{"USD/J", dollar_per_joule, 0, 1, 1, false},
};

struct DimensionName {
  Dimension dimension;
  std::string_view name;
};

constexpr std::array dimension_names{
    DimensionName{second, "time"},
    DimensionName{hertz, "frequency"},
    DimensionName{byte, "size"},
    DimensionName{flop, "number of operations"},
    DimensionName{joule, "quantity of energy"},
    DimensionName{dollar, "price"},
    DimensionName{byte_rate, "bandwidth"},
    DimensionName{flop_rate, "compute rate"},
    DimensionName{watt, "power"},
    DimensionName{joule_per_byte, "number of joules per byte"},
    DimensionName{joule_per_flop, "number of joules per operation"},
    DimensionName{dollar_rate, "price per time"},
    DimensionName{dollar_per_joule, "price of energy"},
};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ')
    text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ')
    text.remove_suffix(1);
  return text;
}

bool digit(char c) { return c >= '0' && c <= '9'; }

/// A decimal number at the start of a text.
struct Number {
  std::string_view mantissa; ///< sign and digits
  int exponent = 0;
  std::string_view rest;
};

/// Splits off [-]digits[.digits][e[+-]digits]. Nothing where the text does not start with a number.
std::optional<Number> split_number(std::string_view text) {
  std::size_t i = !text.empty() && text[0] == '-' ? 1 : 0;
  std::size_t digits = 0;
  const auto run = [&] {
    for (; i < text.size() && digit(text[i]); ++i)
      ++digits;
  };
  run();
  if (i < text.size() && text[i] == '.') {
    ++i;
    run();
  }
  if (digits == 0)
    return std::nullopt;
  Number number{text.substr(0, i), 0, text.substr(i)};
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    std::size_t begin = i + 1;
    if (begin < text.size() && text[begin] == '+')
      ++begin;
    int exponent = 0;
    const auto [end, status] = std::from_chars(text.data() + begin, text.data() + text.size(), exponent);
    const bool sign_twice = begin == i + 2 && begin < text.size() && text[begin] == '-';
    if (!sign_twice && end != text.data() + begin) {
      number.exponent = status == std::errc() ? std::clamp(exponent, -100000, 100000) : 100000;
      number.rest = text.substr(static_cast<std::size_t>(end - text.data()));
    }
  }
  return number;
}

/// The double nearest to mantissa * 10^exponent; nothing where that is out of range.
std::optional<double> assemble(const Number& number, int exponent_shift) {
  const std::string text = fmt::format("{}e{}", number.mantissa, number.exponent + exponent_shift);
  double value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status == std::errc())
    return value;
  const bool zero = number.mantissa.find_first_of("123456789") == std::string_view::npos;
  return zero ? std::optional<double>(0.0) : std::nullopt;
}

bool octal_looking(std::string_view mantissa) {
  if (!mantissa.empty() && mantissa[0] == '-')
    mantissa.remove_prefix(1);
  return mantissa.size() > 1 && mantissa[0] == '0' && digit(mantissa[1]);
}

std::string without(std::string_view text, std::string_view dropped) {
  std::string kept;
  std::copy_if(text.begin(), text.end(), std::back_inserter(kept), [&](char c) { return dropped.find(c) == std::string_view::npos; });
  return kept;
}

QuantityError leading_zero(std::string_view text, std::string_view mantissa) {
  const bool negative = mantissa[0] == '-';
  std::string_view digits = mantissa.substr(negative ? 1 : 0);
  while (digits.size() > 1 && digits[0] == '0' && digit(digits[1]))
    digits.remove_prefix(1);
  return {fmt::format("{}, a number with a leading zero", shown(text)),
          fmt::format("write '{}{}{}'", negative ? "-" : "", digits, text.substr(mantissa.size()))};
}

/// Words for a text that is not a number, with the usual causes.
QuantityError not_a_number(std::string_view text) {
  const bool starts = !text.empty() && (digit(text[0]) || (text.size() > 1 && text[0] == '-' && digit(text[1])));
  const bool grouped = starts && text.find_first_of("_,") != std::string_view::npos &&
                       text.find_first_not_of("0123456789_,.-") == std::string_view::npos && digit(text.back());
  if (grouped)
    return {fmt::format("{}, not a number", shown(text)), fmt::format("write '{}'", without(text, "_,"))};
  if (text.size() > 1 && text[0] == '+' && digit(text[1]))
    return {fmt::format("{}, not a number", shown(text)), fmt::format("write '{}'", text.substr(1))};
  return {fmt::format("{}, not a number", shown(text)), {}};
}

const Unit* find_unit(std::string_view name, const Dimension& dimension) {
  const Unit* other = nullptr;
  for (const Unit& unit : units) {
    if (unit.name != name)
      continue;
    if (unit.dimension == dimension)
      return &unit;
    other = &unit;
  }
  return other;
}

std::string folded(std::string_view name) {
  std::string text;
  for (const char c : name) {
    if (c != ' ')
      text += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  const auto replace = [&text](std::string_view from, std::string_view to) {
    if (text.size() >= from.size() && text.compare(text.size() - from.size(), from.size(), from) == 0)
      text.replace(text.size() - from.size(), from.size(), to);
  };
  replace("flops/s", "flop/s");
  replace("bps", "b/s");
  replace("flops", "flop/s");
  replace("watts", "w");
  replace("watt", "w");
  replace("seconds", "s");
  replace("second", "s");
  replace("sec", "s");
  replace("hours", "h");
  replace("hour", "h");
  replace("days", "d");
  replace("day", "d");
  replace("minutes", "min");
  replace("years", "y");
  replace("bytes", "b");
  replace("$", "usd");
  return text;
}

/// Units of the dimension that an unknown unit may have meant: all that differ from it in case or in usual spellings only.
std::string unit_suggestion(std::string_view number, std::string_view name, const Dimension& dimension) {
  std::string text;
  for (const Unit& unit : units) {
    // "TFLOPS" where a count is due means TFLOP.
    const bool same = folded(unit.name) == folded(name) || (dimension == flop && folded(name) == folded(unit.name) + "/s");
    if (unit.dimension == dimension && same)
      text += fmt::format("{}'{} {}'", text.empty() ? "write " : " or ", number, unit.name);
  }
  return text;
}

/// Digits and exponent of the shortest decimal text of a positive value: value = 0.digits * 10^exponent.
struct Decimal {
  std::string digits;
  int exponent = 0;
};

Decimal shortest_decimal(double value) {
  std::array<char, 64> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific).ptr;
  const std::string_view text(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  const std::size_t e = text.find('e');
  Decimal decimal{without(text.substr(0, e), "."), 0};
  std::string_view exponent = text.substr(e + 1);
  if (exponent[0] == '+')
    exponent.remove_prefix(1);
  std::from_chars(exponent.data(), exponent.data() + exponent.size(), decimal.exponent);
  ++decimal.exponent;
  return decimal;
}

/// The value as plain decimal text where that is short, otherwise with an exponent.
std::string decimal_text(const Decimal& decimal, int shift) {
  const int point = decimal.exponent + shift; // digits before the decimal point
  const int count = static_cast<int>(decimal.digits.size());
  if (point > 0 && point <= 15) {
    if (point >= count)
      return decimal.digits + std::string(static_cast<std::size_t>(point - count), '0');
    return fmt::format("{}.{}", decimal.digits.substr(0, static_cast<std::size_t>(point)),
                       decimal.digits.substr(static_cast<std::size_t>(point)));
  }
  if (point <= 0 && point > -4)
    return fmt::format("0.{}{}", std::string(static_cast<std::size_t>(-point), '0'), decimal.digits);
  return fmt::format("{}{}{}e{}", decimal.digits[0], count > 1 ? "." : "", decimal.digits.substr(1), point - 1);
}

} // namespace

double parse_number(std::string_view text, QuantityError& error) {
  text = trimmed(text);
  const std::optional<Number> number = split_number(text);
  if (!number || !number->rest.empty()) {
    error = not_a_number(text);
    return 0;
  }
  if (octal_looking(number->mantissa)) {
    error = leading_zero(text, number->mantissa);
    return 0;
  }
  const std::optional<double> value = assemble(*number, 0);
  if (!value)
    error = {fmt::format("{}, a number out of range", shown(text)), {}};
  return value.value_or(0);
}

double parse_quantity(std::string_view text, const Dimension& dimension, std::string_view hint, QuantityError& error) {
  text = trimmed(text);
  const std::optional<Number> number = split_number(text);
  if (!number) {
    error = {fmt::format("{}, not a number with a unit", shown(text)), {}};
    return 0;
  }
  if (octal_looking(number->mantissa)) {
    error = leading_zero(text, number->mantissa);
    return 0;
  }
  const std::string_view name = trimmed(number->rest);
  const std::string_view digits = trimmed(text.substr(0, text.size() - number->rest.size()));
  if (name.empty()) {
    const std::vector<std::string> names = unit_names(dimension);
    error = {fmt::format("{}, a number without a unit", shown(text)),
             fmt::format("write '{} {}'", text, hint.empty() && !names.empty() ? std::string_view(names.front()) : hint)};
    return 0;
  }
  const Unit* unit = find_unit(name, dimension);
  if (unit == nullptr) {
    error = {fmt::format("{}, with the unknown unit {}", shown(text), shown(name)), unit_suggestion(digits, name, dimension)};
    return 0;
  }
  if (unit->dimension != dimension) {
    error = {fmt::format("{}, which is a {}", shown(text), dimension_name(unit->dimension)), unit_suggestion(digits, name, dimension)};
    return 0;
  }
  const std::optional<double> scaled = assemble(*number, unit->exponent);
  const double value = scaled.value_or(0) * unit->factor / unit->divisor;
  if (!scaled || !std::isfinite(value)) {
    error = {fmt::format("{}, a number out of range", shown(text)), {}};
    return 0;
  }
  return value;
}

std::string dimension_name(const Dimension& dimension) {
  for (const DimensionName& entry : dimension_names) {
    if (entry.dimension == dimension)
      return std::string(entry.name);
  }
  return {};
}

std::vector<std::string> unit_names(const Dimension& dimension) {
  std::vector<std::string> names;
  for (const bool common : {true, false}) {
    for (const Unit& unit : units) {
      if (unit.dimension == dimension && unit.shown == common)
        names.emplace_back(unit.name);
    }
  }
  return names;
}

std::string format_number(double value, int digits) {
  if (!std::isfinite(value))
    return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
  const double magnitude = std::abs(value);
  if (magnitude != 0 && (magnitude < 1e-4 || magnitude >= 1e15))
    return fmt::format("{:.{}g}", value, digits);
  const int before = magnitude < 1 ? 0 : static_cast<int>(std::floor(std::log10(magnitude))) + 1;
  const int leading_zeros = magnitude > 0 && magnitude < 1 ? static_cast<int>(-std::floor(std::log10(magnitude))) - 1 : 0;
  std::string text = fmt::format("{:.{}f}", value, std::max(0, digits - before + leading_zeros));
  if (text.find('.') != std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.')
      text.pop_back();
  }
  return text == "-0" ? "0" : text;
}

std::string exact_number(double value) {
  if (value == 0)
    return "0";
  return fmt::format("{}{}", value < 0 ? "-" : "", decimal_text(shortest_decimal(std::abs(value)), 0));
}

std::string format_quantity(double si, const Dimension& dimension, int digits) {
  const Unit* best = nullptr;
  const double magnitude = std::abs(si) * (1 + 0.5 * std::pow(10.0, -digits)); // so that 999.96 is shown as 1 of the next unit
  for (const Unit& unit : units) {
    if (unit.dimension == dimension && unit.shown && (best == nullptr || magnitude >= unit.from * unit.scale()))
      best = &unit;
  }
  if (best == nullptr)
    return format_number(si, digits);
  if (si == 0) {
    for (const Unit& unit : units) {
      if (unit.dimension == dimension && unit.scale() == 1)
        best = &unit;
    }
  }
  return fmt::format("{} {}", format_number(si / best->scale(), digits), best->name);
}

std::string exact_quantity(double si, const Dimension& dimension) {
  std::string best;
  for (const Unit& unit : units) {
    if (unit.dimension != dimension)
      continue;
    const double number = std::abs(si) * unit.divisor / unit.factor;
    if (number != 0 && (!std::isfinite(number) || std::fpclassify(number) == FP_SUBNORMAL))
      continue;
    const std::string digits = number == 0 ? "0" : decimal_text(shortest_decimal(number), -unit.exponent);
    const std::string text = fmt::format("{}{} {}", si < 0 ? "-" : "", digits, unit.name);
    QuantityError error;
    if (parse_quantity(text, dimension, {}, error) == si && error.message.empty() && (best.empty() || text.size() < best.size()))
      best = text;
  }
  return best;
}

} // namespace orrery
