#include "sim/base/quantity_text.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/unit_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>

namespace orrery {

using detail::Unit;
using detail::units;

namespace {

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
    const bool same = folded(unit.name) == folded(name) || (dimension == detail::flop && folded(name) == folded(unit.name) + "/s");
    if (unit.dimension == dimension && same)
      text += fmt::format("{}'{} {}'", text.empty() ? "write " : " or ", number, unit.name);
  }
  return text;
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
    // 1_000 GB or 1,000 GB
    const std::size_t end = text.find_first_not_of("0123456789_,.");
    if ((name.front() == '_' || name.front() == ',') && end != std::string_view::npos)
      error = {fmt::format("{}, not a number with a unit", shown(text)),
               fmt::format("write '{}{}'", without(text.substr(0, end), "_,"), text.substr(end))};
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

} // namespace orrery
