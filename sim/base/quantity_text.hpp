// Quantities as text with a unit: how they are written in files ("3.35 TB/s", "700 W", "400 Gb/s") and shown to people ("1.23 ms").
#pragma once

#include "sim/base/units.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

/// Exponents of a quantity's dimension.
struct Dimension {
  int second = 0;
  int byte = 0;
  int flop = 0;
  int joule = 0;
  int dollar = 0;

  friend bool operator==(const Dimension&, const Dimension&) = default;
};

namespace detail {
template <int S, int B, int F, int J, int D> constexpr Dimension exponents_of(Quantity<S, B, F, J, D>*) { return Dimension{S, B, F, J, D}; }
} // namespace detail

template <class Q> constexpr Dimension dimension_of() { return detail::exponents_of(static_cast<Q*>(nullptr)); }

/// Why a text is not the quantity that was due.
struct QuantityError {
  std::string message = {};
  std::string suggestion = {};
};

/// Reads a decimal number: no hex, octal, underscores, thousands separators, inf or nan. An empty `error` means success.
double parse_number(std::string_view text, QuantityError& error);

/// Reads a number with a unit of `dimension`. The result is the double nearest to the written value wherever the unit is a power of ten.
/// `hint` is a unit to suggest for a bare number.
double parse_quantity(std::string_view text, const Dimension& dimension, std::string_view hint, QuantityError& error);

/// "power", "size", ...; empty for a dimension that has no units.
std::string dimension_name(const Dimension& dimension);
/// Accepted unit names, the common ones first.
std::vector<std::string> unit_names(const Dimension& dimension);
/// For people: `digits` significant digits, in the unit that gives a number of few digits.
std::string format_quantity(double si, const Dimension& dimension, int digits = 3);
/// A short text that parse_quantity reads back to exactly this value.
std::string exact_quantity(double si, const Dimension& dimension);

/// A plain number with `digits` significant digits, never in scientific notation between 1e-4 and 1e15.
std::string format_number(double value, int digits = 3);
/// The shortest text that parse_number reads back to exactly this value.
std::string exact_number(double value);

template <int S, int B, int F, int J, int D> std::string format_quantity(Quantity<S, B, F, J, D> value, int digits = 3) {
  return format_quantity(value.si(), dimension_of<Quantity<S, B, F, J, D>>(), digits);
}

template <int S, int B, int F, int J, int D> std::string exact_quantity(Quantity<S, B, F, J, D> value) {
  return exact_quantity(value.si(), dimension_of<Quantity<S, B, F, J, D>>());
}

} // namespace orrery
