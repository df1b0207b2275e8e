// Readers of request traces: every format, and files that are broken in every way that files are.
#include "workloads/requests/request_trace.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <rapidcheck.h>

#include <algorithm>

namespace orrery::request_trace_test {

namespace {

RequestTrace read(std::string_view text, TraceSelection selection = {}, std::size_t piece = 7) {
  RequestTraceReader reader(std::move(selection));
  for (; !text.empty(); text.remove_prefix(std::min(piece, text.size())))
    reader.feed(text.substr(0, piece));
  return reader.finish();
}

struct Line {
  double arrival;
  std::uint32_t input;
  std::uint32_t output;
  bool operator==(const Line&) const = default;
};

std::vector<Line> lines_of(const RequestTrace& trace) {
  std::vector<Line> lines;
  for (const Request& request : trace.stream.requests)
    lines.push_back({request.arrival.si(), request.input, request.output});
  return lines;
}

std::vector<std::uint32_t> blocks_of(const RequestTrace& trace, std::size_t i) {
  const Request& request = trace.stream.requests[i];
  const auto begin = trace.stream.blocks.begin() + request.prefix;
  return {begin, begin + request.prefix_blocks};
}

/// The reasons, each with its line.
std::vector<std::string> refusals(const RequestTrace& trace) {
  std::vector<std::string> texts;
  for (const RefusedLine& refused : trace.report.first_refused)
    texts.push_back(fmt::format("{}: {}", refused.line, refused.reason));
  return texts;
}

} // namespace

TEST_CASE("every format of request traces is known by its columns", "[traffic]") {
  // The same two requests, at 0.5 s and 2 s after the first moment of the file.
  const std::vector<std::pair<std::string, std::string>> cases{
      {"vidur", "arrived_at,num_prefill_tokens,num_decode_tokens\n0.5,10,3\n2,20,4\n"},
      {"splitwise", "request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size\n0,2,0,0.5,1,10,3\n1,2,0,"
                    "2,1,20,4\n"},
      {"burstgpt", "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n0.5,ChatGPT,10,3,13,\"Conversation "
                   "log\"\n2,GPT-4,20,4,24,API log\n"},
      {"seconds", "arrival_s,input_tokens,output_tokens\r\n0.5,10,3\r\n2,20,4\r\n"},
      {"seconds-context", "\xEF\xBB\xBF"
                          "arrival_s,context_tokens,generated_tokens\n0.5,10,3\n\n2,20,4"},
      {"llmservingsim-run", "gpu,request_id,input_toks,output_toks,arrival_s\nA,b-0,10,3,0.5\nA,b-1,20,4,2.0\n"},
      {"apex", "{\"StartTimeOffset\": 500000000, \"ContextTokens\": 10, \"GeneratedTokens\": 3}\n{\"StartTimeOffset\": 2000000000, "
               "\"ContextTokens\": 20, \"GeneratedTokens\": 4}\n"},
      {"mooncake", "{\"timestamp\": 500, \"input_length\": 10, \"output_length\": 3, \"hash_ids\": [7]}\n{\"timestamp\": 2000, "
                   "\"input_length\": 20, \"output_length\": 4, \"hash_ids\": [7, 9]}\n"},
      {"mooncake-slice", "{\"t_ms\":500,\"input\":10,\"output\":3,\"hash_ids\":[0]}\n{\"t_ms\":2000,\"input\":20,\"output\":4,"
                         "\"hash_ids\":[0,1]}\n"},
      {"llmservingsim", "{\"input_toks\": 10, \"output_toks\": 3, \"arrival_time_ns\": 500000000, \"input_tok_ids\": [1, 2]}\n"
                        "{\"input_toks\": 20, \"output_toks\": 4, \"arrival_time_ns\": 2000000000, \"input_tok_ids\": []}\n"}};
  for (const auto& [format, text] : cases) {
    CAPTURE(format);
    for (const std::size_t piece : {std::size_t{1}, std::size_t{5}, text.size()}) {
      const RequestTrace trace = read(text, {}, piece);
      CAPTURE(trace.problem, refusals(trace));
      CHECK(trace.report.format == format);
      CHECK(lines_of(trace) == std::vector<Line>{{0.5, 10, 3}, {2, 20, 4}});
      CHECK(lines_of(read(text, {.format = format}, piece)) == lines_of(trace));
    }
  }
}

TEST_CASE("dates and times count from the first", "[traffic]") {
  const RequestTrace trace = read("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-12-31 23:59:59.5000000,374,44\n2024-01-01 "
                                  "00:00:00.2500000,5,6\n2024-01-01T02:00:01+02:00,7,8\n2024-02-30x00:00:00,1,1\n");
  CHECK(trace.report.format == "azure");
  REQUIRE(trace.stream.requests.size() == 3);
  CHECK(trace.stream.requests[0].arrival.si() == 0);
  CHECK(trace.stream.requests[1].arrival.si() == Approx(0.75));
  CHECK(trace.stream.requests[2].arrival.si() == Approx(1.5));
  CHECK(refusals(trace) == std::vector<std::string>{"5: TIMESTAMP '2024-02-30x00:00:00': not a date and time"});
  const RequestTrace leap = read("TIMESTAMP,ContextTokens,GeneratedTokens\n2024-02-28 00:00:00,1,1\n2024-03-01 00:00:00,1,1\n");
  CHECK(leap.stream.requests[1].arrival.si() == 2 * 86400);
}

TEST_CASE("blocks of a prompt keep their identity", "[traffic]") {
  const RequestTrace trace = read("{\"timestamp\":0,\"input_length\":1500,\"output_length\":1,\"hash_ids\":[46,47,9000000000]}\n"
                                  "{\"timestamp\":0,\"input_length\":900,\"output_length\":1,\"hash_ids\":[46,50]}\n");
  CHECK(trace.stream.block_tokens == 512);
  CHECK(blocks_of(trace, 0) == std::vector<std::uint32_t>{0, 1, 2});
  CHECK(blocks_of(trace, 1) == std::vector<std::uint32_t>{0, 3});
}

TEST_CASE("prompts given by their tokens share the blocks up to where they differ", "[traffic]") {
  const auto line = [](int tokens, int differs_at) {
    std::string list;
    for (int i = 0; i < tokens; ++i)
      list += fmt::format("{}{}", i > 0 ? "," : "", i == differs_at ? 999 : i);
    return fmt::format(R"({{"input_toks":{},"output_toks":1,"arrival_time_ns":0,"input_tok_ids":[{}]}})", tokens, list) + "\n";
  };
  const RequestTrace trace = read(line(50, -1) + line(40, -1) + line(64, 20));
  CHECK(blocks_of(trace, 0) == std::vector<std::uint32_t>{0, 1, 2});
  CHECK(blocks_of(trace, 1) == std::vector<std::uint32_t>{0, 1});
  CHECK(blocks_of(trace, 2) == std::vector<std::uint32_t>{0, 3, 4, 5}); // the third block's tokens are alike, what stands before is not
}

TEST_CASE("conversations become turns that share what was said", "[traffic]") {
  const std::string item = R"({"id": "a", "conversations": [{"from": "human", "value": "01234567890123456789012345678901"},
    {"from": "gpt", "value": "a \"quoted\" brace } and [ in it"}, {"from": "human", "value": "more?"}, {"from": "gpt", "value": "yes."}]})";
  const std::string other = R"({"messages": [{"role": "user", "content": "h\u00e9llo"}, {"role": "assistant", "content": "hi"}]})";
  const std::string silent = R"({"conversations": [{"from": "gpt", "value": "hello"}]})";
  for (const std::size_t piece : {std::size_t{1}, std::size_t{1000}}) {
    const RequestTrace trace = read("[\n" + item + ",\n 5,\n" + other + ",\n" + silent + "]\n", {}, piece);
    CHECK(trace.report.format == "sharegpt");
    CHECK_FALSE(trace.timed);
    CHECK(lines_of(trace) == std::vector<Line>{{0, 8, 8}, {0, 17, 1}, {0, 1, 1}});
    CHECK(trace.stream.requests[0].follows == no_request);
    CHECK(trace.stream.requests[1].follows == 0);
    CHECK(trace.stream.requests[2].follows == no_request);
    CHECK(blocks_of(trace, 0) == std::vector<std::uint32_t>{0});
    CHECK(blocks_of(trace, 1) == std::vector<std::uint32_t>{0});
    CHECK(blocks_of(trace, 2).empty());
    CHECK(refusals(trace) == std::vector<std::string>{"4: not a JSON object", "6: no answer to a prompt in it"});
    CHECK(trace.report.read == trace.report.accepted + trace.report.refused);
  }
}

TEST_CASE("lines that hold no request are refused with their number and the reason", "[traffic]") {
  const RequestTrace trace = read("arrived_at,num_prefill_tokens,num_decode_tokens\n"
                                  "1,10,3\n"
                                  "2,0,3\n"
                                  "three,10,3\n"
                                  "4,10\n"
                                  "-5,10,3\n"
                                  "nan,10,3\n"
                                  "7,10,2.5\n"
                                  "8,1e12,3\n"
                                  "9,10,0\n"
                                  "\n"
                                  "1e11,10,3\n"
                                  "11,10,3,4\n"
                                  "12,,3\n"
                                  "13,10,3");
  CHECK(lines_of(trace) == std::vector<Line>{{1, 10, 3}, {13, 10, 3}});
  CHECK(refusals(trace) == std::vector<std::string>{"3: num_prefill_tokens 0: from 1 to 1e+09 whole tokens",
                                                    "4: arrived_at 'three': not a number", "5: 2 cells; the header has 3",
                                                    "6: arrived_at -5 s: before the start", "7: arrived_at 'nan': not a number",
                                                    "8: num_decode_tokens 2.5: from 1 to 1e+09 whole tokens",
                                                    "9: num_prefill_tokens 1e+12: from 1 to 1e+09 whole tokens",
                                                    "10: num_decode_tokens 0: from 1 to 1e+09 whole tokens",
                                                    "12: arrived_at 1e+11 s: more than a thousand years", "13: 4 cells; the header has 3"});
  CHECK(trace.report.read == 13);
  CHECK(trace.report.accepted == 2);
  CHECK(trace.report.refused == 11);
}

TEST_CASE("broken JSON lines cost themselves alone", "[traffic]") {
  const RequestTrace trace = read("{\"timestamp\": 0, \"input_len\n"
                                  "{\"timestamp\": 1000, \"input_length\": 5, \"output_length\": 6, \"hash_ids\": [1]}\n"
                                  "{\"timestamp\": 1000, \"input_length\": \"5\", \"output_length\": 6}\n"
                                  "{\"timestamp\": 1000, \"input_length\": 5}\n"
                                  "{\"timestamp\": 1000, \"input_length\": 5, \"output_length\": 6, \"hash_ids\": [1, null]}\n"
                                  "{\"timestamp\": 1000, \"input_length\": 5, \"output_length\": 6} trailing\n"
                                  "[1, 2]\n"
                                  "{\"timestamp\": 2000, \"input_length\": 5, \"output_length\": 6, \"nested\": {\"output_length\": 9}}\n");
  CHECK(lines_of(trace) == std::vector<Line>{{1, 5, 6}, {2, 5, 6}});
  CHECK(refusals(trace) == std::vector<std::string>{"1: not a JSON object", "3: input_length '5': not a number", "4: no 'output_length'",
                                                    "5: hash_ids null: not a number", "6: not a JSON object, at character 62",
                                                    "7: not a JSON object"});
}

TEST_CASE("arrivals that are out of order are put in order, and counted", "[traffic]") {
  const RequestTrace trace = read("arrival_s,input_tokens,output_tokens\n3,1,1\n1,2,1\n2,3,1\n2,4,1\n");
  CHECK(lines_of(trace) == std::vector<Line>{{1, 2, 1}, {2, 3, 1}, {2, 4, 1}, {3, 1, 1}});
  CHECK(trace.report.out_of_order == 1);
}

TEST_CASE("files without requests say why", "[traffic]") {
  CHECK(read("").problem == "no requests in it");
  CHECK(read("\n \n").problem == "no requests in it");
  CHECK(read("arrived_at,num_prefill_tokens,num_decode_tokens\n").problem == "no requests in it");
  CHECK(read("arrived_at,num_prefill_tokens,num_decode_tokens\n1,0,1\n").problem ==
        "no request was taken: 1 refused, 0 left out; line 2: num_prefill_tokens 0: from 1 to 1e+09 whole tokens");
  CHECK_THAT(read("when,how_long\n1,2\n").problem,
             Catch::StartsWith("line 1: no format has the columns when, how_long; there are vidur, splitwise, azure"));
  CHECK_THAT(read("{\"a\": 1}\n").problem, Catch::StartsWith("line 1: no format has the keys a; there are vidur"));
  CHECK(read("when,how_long\n1,2\n", {.format = "vidur"}).problem ==
        "line 1: the header has the columns when, how_long; vidur has arrived_at, num_prefill_tokens, num_decode_tokens");
}

TEST_CASE("a part of a trace, faster", "[traffic]") {
  std::string text = "arrival_s,input_tokens,output_tokens\n";
  for (int i = 0; i < 10; ++i)
    text += fmt::format("{},{},1\n", 10 + 2 * i, i + 1);
  RequestTraceReader reader({.skip = 2, .requests = 2, .speed = 2});
  reader.feed(text);
  CHECK(reader.done());
  const RequestTrace trace = reader.finish();
  CHECK(lines_of(trace) == std::vector<Line>{{0, 3, 1}, {1, 4, 1}});
  // Without a bound on the number the rest is looked at: requests of more than five tokens are left out.
  const RequestTrace whole = read(text, {.skip = 2, .max_context = 5});
  CHECK(whole.report.accepted == 2);
  CHECK(whole.report.left_out == 8);
  CHECK(whole.report.read == 10);
}

TEST_CASE("what a trace gives does not depend on how it is cut", "[traffic]") {
  rc::check([] {
    std::string text =
        *rc::gen::element<std::string>("arrival_s,input_tokens,output_tokens\n", "[", "{\"t_ms\":0,\"input\":1,\"output\":1}\n");
    const int rows = *rc::gen::inRange(0, 20);
    for (int i = 0; i < rows; ++i)
      text += *rc::gen::element<std::string>("1,2,3\n", "0.5,1,1\n", "x\n", "\n", "{\"t_ms\":5,\"input\":2,\"output\":1}", ",", "\n", "\"",
                                             "{\"a\":\"}\\\"\"}", "]", "[", "{");
    const RequestTrace whole = read(text, {}, text.size());
    const RequestTrace cut = read(text, {}, static_cast<std::size_t>(*rc::gen::inRange(1, 9)));
    RC_ASSERT(lines_of(cut) == lines_of(whole));
    RC_ASSERT(refusals(cut) == refusals(whole));
    RC_ASSERT(cut.problem == whole.problem);
    RC_ASSERT(whole.report.read == whole.report.accepted + whole.report.refused + whole.report.left_out);
  });
}

} // namespace orrery::request_trace_test
