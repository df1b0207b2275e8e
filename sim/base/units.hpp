// Physical quantities as types. Values are SI base values (s, byte, FLOP, J, USD); text with units lives at the edge (sim/base/params.hpp).
#pragma once

#include <compare>
#include <type_traits>

namespace orrery {

template <int Second, int Byte, int Flop, int Joule, int Dollar> class Quantity;

namespace detail {
/// A quotient of equal dimensions is a plain number.
template <int S, int B, int F, int J, int D>
using QuantityOrNumber = std::conditional_t<S == 0 && B == 0 && F == 0 && J == 0 && D == 0, double, Quantity<S, B, F, J, D>>;
} // namespace detail

/// A number with dimension second^S byte^B FLOP^F joule^J dollar^D.
template <int Second, int Byte, int Flop, int Joule, int Dollar> class Quantity {
public:
  constexpr Quantity() = default;
  constexpr explicit Quantity(double si) : si_(si) {}

  /// The value in SI base units.
  [[nodiscard]] constexpr double si() const { return si_; }

  constexpr Quantity operator-() const { return Quantity(-si_); }
  constexpr Quantity& operator+=(Quantity other) {
    si_ += other.si_;
    return *this;
  }
  constexpr Quantity& operator-=(Quantity other) {
    si_ -= other.si_;
    return *this;
  }
  constexpr Quantity& operator*=(double factor) {
    si_ *= factor;
    return *this;
  }
  constexpr Quantity& operator/=(double divisor) {
    si_ /= divisor;
    return *this;
  }
  friend constexpr Quantity operator+(Quantity a, Quantity b) { return Quantity(a.si_ + b.si_); }
  friend constexpr Quantity operator-(Quantity a, Quantity b) { return Quantity(a.si_ - b.si_); }
  friend constexpr Quantity operator*(Quantity a, double b) { return Quantity(a.si_ * b); }
  friend constexpr Quantity operator*(double a, Quantity b) { return Quantity(a * b.si_); }
  friend constexpr Quantity operator/(Quantity a, double b) { return Quantity(a.si_ / b); }
  friend constexpr bool operator==(Quantity a, Quantity b) { return a.si_ == b.si_; }
  // Spelled out: through <=> g++ 12 emits a compare and a move where one maxsd would do.
  friend constexpr bool operator<(Quantity a, Quantity b) { return a.si_ < b.si_; }
  friend constexpr bool operator>(Quantity a, Quantity b) { return a.si_ > b.si_; }
  friend constexpr bool operator<=(Quantity a, Quantity b) { return a.si_ <= b.si_; }
  friend constexpr bool operator>=(Quantity a, Quantity b) { return a.si_ >= b.si_; }

private:
  double si_ = 0.0;
};

template <int S, int B, int F, int J, int D, int S2, int B2, int F2, int J2, int D2>
constexpr auto operator*(Quantity<S, B, F, J, D> a, Quantity<S2, B2, F2, J2, D2> b) {
  return detail::QuantityOrNumber<S + S2, B + B2, F + F2, J + J2, D + D2>(a.si() * b.si());
}

template <int S, int B, int F, int J, int D, int S2, int B2, int F2, int J2, int D2>
constexpr auto operator/(Quantity<S, B, F, J, D> a, Quantity<S2, B2, F2, J2, D2> b) {
  return detail::QuantityOrNumber<S - S2, B - B2, F - F2, J - J2, D - D2>(a.si() / b.si());
}

template <int S, int B, int F, int J, int D> constexpr auto operator/(double a, Quantity<S, B, F, J, D> b) {
  return Quantity<-S, -B, -F, -J, -D>(a / b.si());
}

using Seconds = Quantity<1, 0, 0, 0, 0>;
using Hertz = Quantity<-1, 0, 0, 0, 0>;
using Bytes = Quantity<0, 1, 0, 0, 0>;
using Flops = Quantity<0, 0, 1, 0, 0>; ///< a count of floating-point operations, not a rate
using Joules = Quantity<0, 0, 0, 1, 0>;
using Dollars = Quantity<0, 0, 0, 0, 1>;
using BytesPerSecond = Quantity<-1, 1, 0, 0, 0>;
using FlopsPerSecond = Quantity<-1, 0, 1, 0, 0>;
using Watts = Quantity<-1, 0, 0, 1, 0>;
using JoulesPerByte = Quantity<0, -1, 0, 1, 0>;
using JoulesPerFlop = Quantity<0, 0, -1, 1, 0>;
using DollarsPerSecond = Quantity<-1, 0, 0, 0, 1>;
using DollarsPerJoule = Quantity<0, 0, 0, -1, 1>;

} // namespace orrery
