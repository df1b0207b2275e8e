// Formats of published request traces, and the parsers of their lines.
#pragma once

#include "sim/base/units.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

enum class TraceSyntax {
  csv,          ///< a header, then rows
  json_lines,   ///< an object per line
  conversations ///< objects with the text of each turn: one per line, or a JSON list
};

/// A format by the names of its columns (or keys).
struct RequestFormat {
  std::string name;
  TraceSyntax syntax = TraceSyntax::csv;
  std::string time;     ///< empty = the format has none: all requests at once
  double time_unit = 1; ///< seconds; 0 = a date and time of day
  std::string input;    ///< prompt tokens
  std::string output;   ///< generated tokens
  std::string blocks;   ///< identities of the blocks of the prompt, or of its tokens; empty = none
  int block_tokens = 0; ///< of a block
  bool tokens = false;  ///< `blocks` are those of tokens
  std::string help;
};

/// Those that users have: a new one is a row. The first that fits a file is its format.
const std::vector<RequestFormat>& request_formats();
const std::vector<std::string>& request_format_names();

/// One request as a line states it.
struct TraceRecord {
  double time = 0; ///< s; of a date and time since the first of the file
  double input = 0;
  double output = 0;
  std::vector<std::uint64_t> blocks;
  bool follows = false; ///< the record before (a turn of the same conversation)
};

/// Parses lines (or items) of one format.
class RecordParser {
public:
  virtual ~RecordParser() = default;
  /// Fills `records` from one line; the reason where it cannot.
  virtual std::string parse(std::string_view text, std::vector<TraceRecord>& records) = 0;
};

/// Columns of a header.
[[nodiscard]] std::vector<std::string> csv_cells(std::string_view line);
/// Keys of a JSON object; none where the text is not one.
[[nodiscard]] std::vector<std::string> json_keys(std::string_view text);

/// `columns` = of the header.
std::unique_ptr<RecordParser> csv_parser(const RequestFormat& format, const std::vector<std::string>& columns);
std::unique_ptr<RecordParser> json_parser(const RequestFormat& format);
/// Tokens are counted as characters / `characters_per_token`.
std::unique_ptr<RecordParser> conversation_parser(double characters_per_token);

} // namespace orrery
