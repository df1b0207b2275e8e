// Text on a page: widths, columns, wrapped lines, bars.
#pragma once

#include "sim/base/quantity_text.hpp"
#include "sim/base/units.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace orrery {

inline constexpr std::size_t page_width = 100;

/// Characters that a UTF-8 text takes on a terminal; colour sequences take none.
std::size_t display_width(std::string_view text);

std::string pad_right(std::string_view text, std::size_t width); ///< text to the left
std::string pad_left(std::string_view text, std::size_t width);  ///< text to the right

/// `text` cut at `width` with an ellipsis.
std::string clip(std::string_view text, std::size_t width);

/// Lines of at most `width`, broken at spaces; lines after the first start with `indent` spaces.
std::string wrap(std::string_view text, std::size_t width, std::size_t indent = 0);

/// `text` as lines of the page, indented by two.
std::string paragraph(std::string_view text);

/// A bar of eighth blocks, `share` of `width`.
std::string bar(double share, std::size_t width);

/// "48.3%"
std::string percent(double share);
/// "+3.1%"
std::string signed_percent(double share);

/// "1,536": a whole number with thousands separated.
std::string grouped(double count);

/// A dimensionless number with k, M, B, T: "374 k", "175 B", "300 B".
std::string scaled(double value, int digits = 3);

/// "$1.85 M"
std::string money(Dollars amount);

/// Values of one dimension in one unit and with the same number of decimals, both chosen by the largest: a column that can be read down.
class SameUnit {
public:
  template <int S, int B, int F, int J, int D>
  explicit SameUnit(Quantity<S, B, F, J, D> largest, int digits = 3)
      : SameUnit(largest.si(), dimension_of<Quantity<S, B, F, J, D>>(), digits) {}

  template <int S, int B, int F, int J, int D> [[nodiscard]] std::string operator()(Quantity<S, B, F, J, D> value) const {
    return text(value.si());
  }

private:
  SameUnit(double largest, const Dimension& dimension, int digits);
  [[nodiscard]] std::string text(double si) const;

  std::string unit_;
  double size_ = 1;
  int decimals_ = 0;
};

/// One value with exactly `digits` significant digits: "8.50 s".
template <class Q> std::string fixed(Q value, int digits = 3) { return SameUnit(value, digits)(value); }

enum class Align { left, right };

/// Rows of cells in aligned columns, two spaces between. The last column is neither padded nor cut.
class Columns {
public:
  explicit Columns(std::vector<Align> aligns, std::size_t indent = 2) : aligns_(std::move(aligns)), indent_(indent) {}
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  [[nodiscard]] std::string str() const;

private:
  std::vector<Align> aligns_;
  std::size_t indent_;
  std::vector<std::vector<std::string>> rows_;
};

/// Emphasis for terminals; plain where colours are off.
struct Style {
  bool colour = false;

  [[nodiscard]] std::string heading(std::string_view text) const { return wrapped(text, "1"); }
  [[nodiscard]] std::string faint(std::string_view text) const { return wrapped(text, "2"); }
  [[nodiscard]] std::string good(std::string_view text) const { return wrapped(text, "32"); }
  [[nodiscard]] std::string bad(std::string_view text) const { return wrapped(text, "31"); }
  [[nodiscard]] std::string bars(std::string_view text) const { return wrapped(text, "36"); }
  /// The heading of a section behind an empty line, with a note beside it.
  [[nodiscard]] std::string section(std::string_view title, std::string_view note = {}) const;
  /// The cells above a table's columns.
  [[nodiscard]] std::vector<std::string> header(std::vector<std::string> cells) const;

private:
  [[nodiscard]] std::string wrapped(std::string_view text, std::string_view code) const;
};

/// A cell of a CSV file, quoted where it must be.
std::string csv_cell(std::string_view text);
std::string csv_line(const std::vector<std::string>& cells);

} // namespace orrery
