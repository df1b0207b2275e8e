#include "tests/benchmarks/rows.hpp"
#include "workloads/requests/request_trace.hpp"
#include "workloads/requests/request_traffic.hpp"

#include <fmt/format.h>

#include <stdexcept>

namespace orrery::bench {

namespace {

void require(bool held, const char* what) {
  if (!held)
    throw std::runtime_error(what);
}

/// A trace of ten thousand lines, a thousand times over, as a file would come.
void read(std::string_view header, std::string_view line) {
  constexpr int lines = 10'000;
  constexpr int times = 1'000;
  std::string piece;
  for (int i = 0; i < lines; ++i)
    piece += fmt::format(fmt::runtime(line), fmt::arg("input", 100 + i % 1000), fmt::arg("output", 1 + i % 300));
  RequestTraceReader reader;
  reader.expect(header.size() + piece.size() * times);
  reader.feed(header);
  for (int i = 0; i < times; ++i)
    reader.feed(piece);
  require(reader.finish().report.accepted == std::uint64_t{lines} * times, "every line is a request");
}

void generate() {
  const RequestStream stream = generate_requests({.requests = 1'000'000,
                                                  .arrivals = PoissonArrivals{Hertz{16}},
                                                  .input = LognormalLength{.median = 600, .sigma = 0.9, .min = 16, .max = 3000},
                                                  .output = LognormalLength{.median = 150, .sigma = 0.8, .min = 4, .max = 1000}},
                                                 1);
  require(stream.requests.size() == 1'000'000, "every request is there");
}

} // namespace

Rows traffic_rows() {
  return {{"traffic, a CSV trace of 10,000,000 lines", 5,
           [] { read("arrived_at,num_prefill_tokens,num_decode_tokens\n", "1.5,{input},{output}\n"); }, 3},
          {"traffic, a JSON trace of 10,000,000 lines with block hashes", 15,
           [] { read("", "{{\"timestamp\": 1500, \"input_length\": {input}, \"output_length\": {output}, \"hash_ids\": [1, 2]}}\n"); }, 3},
          {"traffic, 1,000,000 requests drawn from laws", 0.5, generate}};
}

} // namespace orrery::bench
