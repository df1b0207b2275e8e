// A reader of published request traces that takes a file piece by piece.
//
// What a line gives is a request; a line that gives none is refused with its number and the reason, and counted. Memory: 32 bytes per
// request, 4 per block of its prompt, and one line.
#pragma once

#include "workloads/request.hpp"
#include "workloads/requests/request_formats.hpp"
#include "workloads/requests/text_records.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace orrery {

/// Which requests of a trace are taken, and how fast they come.
struct TraceSelection {
  std::string format;                       ///< a name of request_formats(); empty = the first whose columns are there
  std::uint64_t skip = 0;                   ///< requests at the start
  std::optional<std::uint64_t> requests;    ///< the first ones after those; all that follows is not read
  double speed = 1;                         ///< arrivals come so many times as fast
  std::optional<std::uint32_t> max_context; ///< requests of more tokens, prompt and answer together, are left out
  double characters_per_token = 4;          ///< of conversations
};

struct RefusedLine {
  std::uint64_t line = 0; ///< counted from 1
  std::string reason;
};

/// What became of the lines of a trace. read = accepted + refused + left_out.
struct RequestTraceReport {
  std::string format;
  std::uint64_t read = 0; ///< requests, good or bad; blank lines and headers are none
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;
  std::uint64_t left_out = 0;             ///< good ones that the selection does not take
  std::uint64_t out_of_order = 0;         ///< of the accepted: arrived before the line above; they were put in order
  std::vector<RefusedLine> first_refused; ///< at most most_refused_shown
};

inline constexpr std::size_t most_refused_shown = 10;

struct RequestTrace {
  RequestStream stream;
  RequestTraceReport report;
  bool timed = true;   ///< the format has times
  std::string problem; ///< why there are no requests at all; empty = there are
};

class RequestTraceReader {
public:
  explicit RequestTraceReader(TraceSelection selection = {});

  /// The next piece of the file, cut anywhere.
  void feed(std::string_view piece);
  /// Size of the file where it is known, so that memory is asked for once.
  void expect(std::uint64_t bytes) { expected_bytes_ = bytes; }
  /// Nothing of the rest of the file is needed.
  [[nodiscard]] bool done() const { return done_; }
  /// After the last piece.
  RequestTrace finish();

private:
  void take(std::string_view text, std::uint64_t line, bool too_long);
  bool choose_format(std::string_view text, std::uint64_t line);
  void choose_parser(const RequestFormat& format, const std::vector<std::string>& columns);
  void accept(const TraceRecord& record, std::uint64_t line);
  void add_blocks(const TraceRecord& record, Request& request);
  void refuse(std::uint64_t line, std::string reason);
  void stop(std::string problem);
  void reserve();
  void put_in_order();

  TraceSelection selection_;
  TextRecords lines_;
  RequestTrace trace_;
  const RequestFormat* format_ = nullptr;
  std::unique_ptr<RecordParser> parser_;
  std::vector<TraceRecord> records_;
  std::unordered_map<std::uint64_t, std::uint32_t> identities_; ///< of named blocks, counted from 0 as they are met
  std::uint32_t next_block_ = 0;                                ///< of conversations, whose blocks have no names
  std::uint64_t bytes_ = 0;                                     ///< of the records so far
  std::uint64_t expected_bytes_ = 0;
  std::uint64_t good_ = 0;         ///< records so far, left out or not
  RequestId before_ = no_request;  ///< accepted from the record before
  std::uint32_t conversation_ = 0; ///< its place in RequestStream::blocks
  bool done_ = false;
};

} // namespace orrery
