#include "sim/base/quantity_text.hpp"
#include "sim/base/unit_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace orrery {

using detail::Unit;
using detail::units;

namespace {

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
  Decimal decimal;
  std::copy_if(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(e), std::back_inserter(decimal.digits),
               [](char c) { return c != '.'; });
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

std::string dimension_name(const Dimension& dimension) {
  for (const detail::DimensionName& entry : detail::dimension_names) {
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
  if (value == 0 || !std::isfinite(value))
    return format_number(value, 1);
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
  if (si == 0 || !std::isfinite(si)) {
    for (const Unit& unit : units) {
      if (unit.dimension == dimension && unit.scale() == 1)
        best = &unit;
    }
  }
  return fmt::format("{} {}", format_number(si / best->scale(), digits), best->name);
}

std::string exact_quantity(double si, const Dimension& dimension) {
  std::string best;
  std::size_t best_rank = 0;
  for (const Unit& unit : units) {
    if (unit.dimension != dimension)
      continue;
    const double number = std::abs(si) * unit.divisor / unit.factor;
    if (!std::isfinite(number))
      continue;
    const std::string digits = number == 0 ? "0" : decimal_text(shortest_decimal(number), -unit.exponent);
    const std::string text = fmt::format("{}{} {}", si < 0 ? "-" : "", digits, unit.name);
    // Short texts first, but three digits before the point and a common unit are worth some length.
    const double shown_number = std::abs(si) / unit.scale();
    const bool readable = si == 0 || (shown_number >= 1 && shown_number < 1000);
    const std::size_t rank = text.size() + (readable ? 0 : 3) + (unit.shown ? 0 : 6);
    QuantityError error;
    if (parse_quantity(text, dimension, {}, error) == si && error.message.empty() && (best.empty() || rank < best_rank)) {
      best = text;
      best_rank = rank;
    }
  }
  return best;
}

} // namespace orrery
