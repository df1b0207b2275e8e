// The units that texts may use. Included by quantity_text.cpp and quantity_format.cpp only.
#pragma once

#include "sim/base/quantity_text.hpp"

#include <array>
#include <cmath>

namespace orrery::detail {

inline constexpr Dimension second{1, 0, 0, 0, 0};
inline constexpr Dimension hertz{-1, 0, 0, 0, 0};
inline constexpr Dimension byte{0, 1, 0, 0, 0};
inline constexpr Dimension flop{0, 0, 1, 0, 0};
inline constexpr Dimension joule{0, 0, 0, 1, 0};
inline constexpr Dimension dollar{0, 0, 0, 0, 1};
inline constexpr Dimension byte_rate{-1, 1, 0, 0, 0};
inline constexpr Dimension flop_rate{-1, 0, 1, 0, 0};
inline constexpr Dimension watt{-1, 0, 0, 1, 0};
inline constexpr Dimension joule_per_byte{0, -1, 0, 1, 0};
inline constexpr Dimension joule_per_flop{0, 0, -1, 1, 0};
inline constexpr Dimension dollar_rate{-1, 0, 0, 0, 1};
inline constexpr Dimension dollar_per_joule{0, 0, 0, -1, 1};

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
inline constexpr std::array units{
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
    Unit{"/s", hertz, 0, 1, 1, false},
    Unit{"/min", hertz, 0, 1, 60, false},
    Unit{"/h", hertz, 0, 1, 3600, false},
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

inline constexpr std::array dimension_names{
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

} // namespace orrery::detail
