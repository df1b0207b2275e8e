// A text that comes in pieces, cut into its lines, or into the objects of a JSON list.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace orrery {

class TextRecords {
public:
  /// Told each record and the line (from 1) on which it begins. Empty lines are none. `too_long`: its text is only how it begins.
  using Sink = std::function<void(std::string_view text, std::uint64_t line, bool too_long)>;

  explicit TextRecords(Sink sink) : sink_(std::move(sink)) {}

  /// The next piece, cut anywhere.
  void feed(std::string_view piece);
  /// After the last piece.
  void finish();

  /// The most characters of a record.
  static constexpr std::size_t longest = 64U << 20U;

private:
  void begin(std::string_view& piece);
  void feed_lines(std::string_view piece);
  void feed_list(std::string_view piece);
  void take_between(char c);
  void keep(std::string_view text);
  void end_record();

  Sink sink_;
  std::string rest_; ///< of a record whose end has not come
  std::uint64_t line_ = 1;
  std::uint64_t record_line_ = 1;
  bool begun_ = false;
  bool list_ = false; ///< a JSON list
  bool too_long_ = false;
  int depth_ = 0;      ///< of braces and brackets inside an object of the list
  bool stray_ = false; ///< inside an item of the list that is no object
  bool in_text_ = false;
  bool escaped_ = false;
};

} // namespace orrery
