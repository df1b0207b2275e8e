#include "workloads/requests/request_trace.hpp"

#include "sim/base/diagnostics.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

namespace orrery {

namespace {

constexpr double most_tokens = 1e9;             // of a prompt or an answer
constexpr double latest_time = 3e10;            // s: a thousand years
constexpr std::uint64_t sample_requests = 1000; // that tell how many the file will have

bool has(const std::vector<std::string>& columns, const std::string& wanted) {
  return wanted.empty() || std::ranges::find(columns, wanted) != columns.end();
}

bool fits(const RequestFormat& format, const std::vector<std::string>& columns) {
  if (format.syntax == TraceSyntax::conversations)
    return std::ranges::any_of(columns,
                               [](const std::string& key) { return key == "conversations" || key == "conversation" || key == "messages"; });
  return has(columns, format.time) && has(columns, format.input) && has(columns, format.output);
}

/// For messages: a table may have dozens of columns.
std::string listed(std::vector<std::string> columns) {
  constexpr std::size_t most = 8;
  const bool more = columns.size() > most;
  columns.resize(std::min(columns.size(), most));
  return fmt::format("{}{}", fmt::join(columns, ", "), more ? ", ..." : "");
}

std::string columns_of(const RequestFormat& format) {
  if (format.syntax == TraceSyntax::conversations)
    return "conversations";
  return fmt::format("{}, {}, {}", format.time, format.input, format.output);
}

/// Why a record is no request; empty = it is one.
std::string fault_of(const TraceRecord& record, const RequestFormat& format) {
  if (format.time_unit > 0 && record.time < 0)
    return fmt::format("{} {:g} s: before the start", format.time, record.time);
  if (std::abs(record.time) > latest_time)
    return fmt::format("{} {:g} s: more than a thousand years", format.time, record.time);
  for (const auto& [name, tokens] : {std::pair(&format.input, record.input), std::pair(&format.output, record.output)})
    if (!(tokens >= 1 && tokens <= most_tokens && tokens == std::floor(tokens)))
      return fmt::format("{} {:g}: from 1 to {:g} whole tokens", name->empty() ? "tokens" : *name, tokens, most_tokens);
  if (record.blocks.size() > most_prefix_blocks)
    return fmt::format("{} blocks: at most {}", record.blocks.size(), most_prefix_blocks);
  return {};
}

} // namespace

RequestTraceReader::RequestTraceReader(TraceSelection selection)
    : selection_(std::move(selection)),
      lines_([this](std::string_view text, std::uint64_t line, bool too_long) { take(text, line, too_long); }) {}

void RequestTraceReader::feed(std::string_view piece) { lines_.feed(piece); }

void RequestTraceReader::stop(std::string problem) {
  trace_.problem = std::move(problem);
  done_ = true;
}

void RequestTraceReader::refuse(std::uint64_t line, std::string reason) {
  ++trace_.report.read;
  ++trace_.report.refused;
  if (trace_.report.first_refused.size() < most_refused_shown)
    trace_.report.first_refused.push_back({line, std::move(reason)});
}

void RequestTraceReader::take(std::string_view text, std::uint64_t line, bool too_long) {
  if (done_)
    return;
  bytes_ += text.size() + 1;
  if (too_long)
    return refuse(line, fmt::format("more than {} MiB in one line", TextRecords::longest >> 20U));
  if (!parser_ && choose_format(text, line))
    return;
  if (done_)
    return;
  if (!parser_)
    return refuse(line, "not a JSON object");
  records_.clear();
  if (std::string problem = parser_->parse(text, records_); !problem.empty())
    return refuse(line, std::move(problem));
  for (const TraceRecord& record : records_)
    accept(record, line);
}

/// Whether the text was a header, which holds no request.
bool RequestTraceReader::choose_format(std::string_view text, std::uint64_t line) {
  const bool json = text[text.find_first_not_of(" \t")] == '{';
  const std::vector<std::string> columns = json ? json_keys(text) : csv_cells(text);
  if (json && columns.empty() && selection_.format.empty())
    return false; // a broken line: the next one may tell
  for (const RequestFormat& format : request_formats()) {
    const bool wanted =
        selection_.format.empty() ? (format.syntax != TraceSyntax::csv) == json && fits(format, columns) : selection_.format == format.name;
    if (!wanted)
      continue;
    if (format.syntax == TraceSyntax::csv && !fits(format, columns)) {
      stop(fmt::format("line {}: the header has the columns {}; {} has {}", line, listed(columns), format.name, columns_of(format)));
      return true;
    }
    choose_parser(format, columns);
    return format.syntax == TraceSyntax::csv;
  }
  assert(selection_.format.empty() && "the scenario's table knows the names of the formats");
  stop(fmt::format("line {}: no format has the {} {}; there are {}", line, json ? "keys" : "columns", listed(columns),
                   fmt::join(request_format_names(), ", ")));
  return true;
}

void RequestTraceReader::choose_parser(const RequestFormat& format, const std::vector<std::string>& columns) {
  format_ = &format;
  trace_.report.format = format.name;
  trace_.timed = !format.time.empty();
  if (format.block_tokens > 0)
    trace_.stream.block_tokens = format.block_tokens;
  switch (format.syntax) {
  case TraceSyntax::csv:
    parser_ = csv_parser(format, columns);
    break;
  case TraceSyntax::json_lines:
    parser_ = json_parser(format);
    break;
  case TraceSyntax::conversations:
    parser_ = conversation_parser(selection_.characters_per_token);
    break;
  }
}

/// Asks for the memory of all requests at once: growing by doubling would need three times as much for a while.
void RequestTraceReader::reserve() {
  const double per_request = static_cast<double>(bytes_) / static_cast<double>(trace_.report.read);
  const double all = 1.05 * static_cast<double>(expected_bytes_) / per_request;
  const double wanted = selection_.requests ? std::min(all, static_cast<double>(*selection_.requests)) : all;
  trace_.stream.requests.reserve(static_cast<std::size_t>(wanted));
}

void RequestTraceReader::accept(const TraceRecord& record, std::uint64_t line) {
  if (std::string fault = fault_of(record, *format_); !fault.empty()) {
    before_ = no_request;
    return refuse(line, std::move(fault));
  }
  ++good_;
  ++trace_.report.read;
  const bool left_out =
      good_ <= selection_.skip || done_ || (selection_.max_context && record.input + record.output > *selection_.max_context);
  if (left_out) {
    before_ = no_request;
    ++trace_.report.left_out;
    return;
  }
  std::vector<Request>& requests = trace_.stream.requests;
  Request request{.arrival = Seconds{record.time / selection_.speed},
                  .input = static_cast<std::uint32_t>(record.input),
                  .output = static_cast<std::uint32_t>(record.output)};
  if (record.follows && before_ != no_request)
    request.follows = before_;
  else if (!requests.empty() && request.arrival < requests.back().arrival)
    ++trace_.report.out_of_order;
  add_blocks(record, request);
  before_ = static_cast<RequestId>(requests.size());
  requests.push_back(request);
  if (++trace_.report.accepted == sample_requests && expected_bytes_ > 0)
    reserve();
  if (trace_.report.accepted == selection_.requests)
    done_ = true;
}

void RequestTraceReader::add_blocks(const TraceRecord& record, Request& request) {
  std::vector<std::uint32_t>& blocks = trace_.stream.blocks;
  const auto identity_of = [this](std::uint64_t name) {
    return identities_.try_emplace(name, static_cast<std::uint32_t>(identities_.size())).first->second;
  };
  request.prefix = static_cast<std::uint32_t>(blocks.size());
  if (format_->syntax != TraceSyntax::conversations) {
    request.prefix_blocks = static_cast<std::uint16_t>(record.blocks.size());
    for (const std::uint64_t name : record.blocks)
      blocks.push_back(identity_of(name));
    return;
  }
  // A turn begins as the one before: both share the conversation's blocks, which have names of their own.
  const std::size_t count =
      std::min<std::size_t>((request.input + request.output) / static_cast<std::uint32_t>(format_->block_tokens), most_prefix_blocks);
  if (request.follows == no_request)
    conversation_ = request.prefix;
  while (blocks.size() - conversation_ < count)
    blocks.push_back(next_block_++);
  request.prefix = conversation_;
  request.prefix_blocks = static_cast<std::uint16_t>(count);
}

void RequestTraceReader::put_in_order() {
  std::vector<Request>& requests = trace_.stream.requests;
  if (trace_.report.out_of_order > 0)
    std::ranges::stable_sort(requests, [](const Request& a, const Request& b) { return a.arrival < b.arrival; });
  const bool from_first = format_->time_unit == 0 || selection_.skip > 0;
  if (!from_first)
    return;
  const Seconds first = requests.front().arrival;
  for (Request& request : requests)
    request.arrival -= first;
}

RequestTrace RequestTraceReader::finish() {
  lines_.finish();
  const RequestTraceReport& report = trace_.report;
  if (trace_.problem.empty() && trace_.stream.requests.empty()) {
    trace_.problem = report.read == 0 ? "no requests in it"
                                      : fmt::format("no request was taken: {} refused, {} left out", report.refused, report.left_out);
    if (!report.first_refused.empty())
      trace_.problem += fmt::format("; line {}: {}", report.first_refused.front().line, report.first_refused.front().reason);
  }
  if (trace_.problem.empty() && trace_.timed)
    put_in_order();
  return std::move(trace_);
}

} // namespace orrery
