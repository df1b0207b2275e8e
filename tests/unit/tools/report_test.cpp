#include "sample_result.hpp"
#include "tools/reports/report_json.hpp"
#include "tools/reports/report_text.hpp"
#include "tools/reports/trace.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <cmath>
#include <map>
#include <sstream>

namespace orrery::report_test {

using Json = OrderedJson;

namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    lines.push_back(line);
  return lines;
}

/// Of a CSV line.
int cells_in(const std::string& line) {
  int cells = 1;
  bool quoted = false;
  for (const char c : line) {
    quoted = quoted != (c == '"');
    cells += c == ',' && !quoted ? 1 : 0;
  }
  return cells;
}

bool of_type(const Json& value, const std::string& type) {
  if (type == "object")
    return value.is_object();
  if (type == "array")
    return value.is_array();
  if (type == "string")
    return value.is_string();
  if (type == "boolean")
    return value.is_boolean();
  if (type == "integer")
    return value.is_number_integer();
  return type == "number" && value.is_number();
}

/// The part of JSON Schema that result_schema() uses. Returns the paths at fault.
void check_schema(const Json& schema, const Json& value, const std::string& path, std::vector<std::string>& faults) {
  for (const auto& [key, rule] : schema.items()) {
    if (key == "type" && !of_type(value, rule.get<std::string>()))
      faults.push_back(path + ": type " + rule.dump());
    else if (key == "const" && value != rule)
      faults.push_back(path + ": const");
    else if (key == "enum" && std::find(rule.begin(), rule.end(), value) == rule.end())
      faults.push_back(path + ": enum");
    else if (key == "required")
      for (const Json& name : rule)
        if (!value.contains(name.get<std::string>()))
          faults.push_back(path + ": misses " + name.dump());
    if (key == "items")
      for (const Json& item : value)
        check_schema(rule, item, path + "[]", faults);
  }
  if (!value.is_object())
    return;
  for (const auto& [name, member] : value.items()) {
    if (!schema["properties"].contains(name))
      faults.push_back(path + "." + name + ": unknown");
    else
      check_schema(schema["properties"][name], member, path + "." + name, faults);
  }
}

Result infeasible() {
  Result result = sample::result();
  TrainingResult& job = result.jobs[0];
  job.violations = {"memory: 91.2 GB needed > 80 GB of h100-sxm-80gb"};
  job.step_time = Seconds{};
  job.goodput.reset();
  job.budget.reset();
  job.flop_rates.clear();
  job.time.clear();
  return result;
}

} // namespace

TEST_CASE("the JSON of a result follows its schema") {
  const Json schema = result_schema();
  for (const Result& result : {sample::result(), infeasible()}) {
    std::vector<std::string> faults;
    check_schema(schema, result_json(result), "", faults);
    CHECK(faults == std::vector<std::string>{});
  }
  Json broken = result_json(sample::result());
  broken["jobs"][0]["plan"]["schedule"] = "2f2b";
  broken["jobs"][0].erase("devices");
  broken["jobs"][0]["colour"] = "red";
  std::vector<std::string> faults;
  check_schema(schema, broken, "", faults);
  CHECK(faults == std::vector<std::string>{".jobs[]: misses \"devices\"", ".jobs[].plan.schedule: enum", ".jobs[].colour: unknown"});
}

TEST_CASE("the JSON of a result keeps values and order") {
  const Json json = result_json(sample::result());
  CHECK(json["jobs"][0]["step_time_s"] == 8.5);
  CHECK(json["jobs"][0]["memory"]["total_bytes"].get<double>() == Approx(55.2e9));
  CHECK(json["expectations"][0].contains("min") == false);
  CHECK(json.begin().key() == "schema_version");
  const Json none = result_json(infeasible());
  CHECK(none["feasible"] == false);
  CHECK_FALSE(none["jobs"][0].contains("step_time_s"));
  CHECK(none["jobs"][0].contains("memory"));
}

TEST_CASE("CSV has one row per job and a cell per column") {
  Result result = sample::result();
  result.scenario = "one, \"two\"";
  result.jobs.push_back(infeasible().jobs[0]);
  const std::vector<std::string> lines = lines_of(result_csv(result));
  REQUIRE(lines.size() == 3);
  CHECK(lines[0].starts_with("scenario,name,plan.tp,"));
  CHECK(lines[0].find("time.tensor_parallel.time_s") != std::string::npos);
  CHECK(lines[1].starts_with("\"one, \"\"two\"\"\",gpt3-175b,8,8,16"));
  CHECK(cells_in(lines[0]) == cells_in(lines[1]));
  CHECK(cells_in(lines[0]) == cells_in(lines[2]));
}

TEST_CASE("the report fits its page and carries no colour of its own accord") {
  Result many = sample::result();
  many.cluster = "a cluster whose description breaks two columns beside the page's end, where what stands before it counts";
  many.jobs[0].error_band.basis = "of published steps whose number and groups need more than one line of the page, so that the words break";
  for (int i = 0; i < 60; ++i)
    many.assumptions.push_back({"subject " + std::to_string(i), "a.figure.of.some.length", "reason"});
  for (const Result& result : {sample::result(), infeasible(), many}) {
    const std::string text = report_text(result);
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(lines_of(text).size() <= 75);
    for (const std::string& line : lines_of(text)) {
      INFO(line);
      CHECK(display_width(line) <= page_width);
      CHECK_FALSE(line.ends_with(" "));
    }
  }
  CHECK(report_text(infeasible()).find("91.2 GB needed > 80 GB") != std::string::npos);
  CHECK(report_text(many).find("and 52 more") != std::string::npos);
}

TEST_CASE("colour adds nothing but colour") {
  std::string text = report_text(sample::result(), {.colour = true});
  for (std::size_t at = text.find('\x1b'); at != std::string::npos; at = text.find('\x1b'))
    text.erase(at, text.find('m', at) - at + 1);
  CHECK(text == report_text(sample::result()));
}

TEST_CASE("a trace is JSON whose spans of a thread never overlap") {
  Result result = sample::result();
  result.jobs[0].timeline = sample::timeline();
  std::ostringstream out;
  write_trace(out, result);
  const Json trace = Json::parse(out.str());
  std::map<std::pair<int, int>, double> end;
  std::map<std::string, double> sums;
  int processes = 0;
  for (const Json& event : trace["traceEvents"]) {
    const std::string phase = event["ph"];
    processes += event["name"] == "process_name" ? 1 : 0;
    if (phase != "X")
      continue;
    double& last = end[{event["pid"], event["tid"]}];
    CHECK(event["ts"].get<double>() >= last - 1e-9);
    last = event["ts"].get<double>() + event["dur"].get<double>();
    sums[event["cat"]] += event["dur"].get<double>();
  }
  CHECK(processes == 2);
  CHECK(sums["compute"] == Approx(8e6 / 3));
  CHECK(sums["data"] == Approx(0.4e6));
  CHECK(out.str().find("\"data 2\"") != std::string::npos);
}

TEST_CASE("a trace of serving names the replicas of every pool in their order") {
  ServingResult job;
  job.pools = {{.pool = Pool::prefill, .plan = {.replicas = 2}}, {.service = "judge", .pool = Pool::both, .plan = {.replicas = 1}}};
  job.spans = {{.replica = 2, .end = Seconds{1}}, {.replica = 0, .end = Seconds{1}}};
  Result result;
  result.serving = {job};
  std::ostringstream out;
  write_trace(out, result);
  const Json trace = Json::parse(out.str());
  std::vector<std::string> names;
  std::vector<int> processes;
  for (const Json& event : trace["traceEvents"]) {
    if (event["name"] == "process_name")
      names.push_back(event["args"]["name"]);
    if (event["ph"] == "X")
      processes.push_back(event["pid"]);
  }
  CHECK(names == std::vector<std::string>{"prefill replica 0", "prefill replica 1", "replica 2 of judge"});
  CHECK(processes == std::vector<int>{3, 1});
}

TEST_CASE("a trace of images has passes, not prefill and decode") {
  ServingResult job;
  job.pools = {{.plan = {.replicas = 1}, .patches = 2}};
  job.spans = {{.end = Seconds{1}, .prompt_tokens = 3}, {.begin = Seconds{1}, .end = Seconds{5}, .iterations = 4, .sequences = 3}};
  job.rows = {{.request = {.input = 1, .output = 5}, .record = {.first_token = Seconds{1}, .end = Seconds{5}, .outcome = Outcome::served}}};
  Result result;
  result.serving = {job};
  std::ostringstream out;
  write_trace(out, result);
  CHECK(out.str().find("fill") == std::string::npos);
  CHECK(out.str().find("decode") == std::string::npos);
  CHECK(out.str().find("\"passes\":4,\"images\":3") != std::string::npos);
  CHECK(out.str().find("\"further passes\"") != std::string::npos);
  job.rows.front().request = {.input = 0, .output = 0}; // a tool's: no replica saw it
  result.serving = {job};
  std::ostringstream without;
  write_trace(without, result);
  CHECK(without.str().find("\"ph\":\"b\"") == std::string::npos);
}

TEST_CASE("words are counted as they show") {
  for (std::size_t words = 1; words < 30; ++words)
    for (const std::string& line :
         lines_of(paragraph(std::string(3 * words, 'x') + " xxx xx x xxxx xxxxxxx xxxxxxxxx xx xxxxxxxxxxx xxx xx xxxxx")))
      CHECK(display_width(line) <= page_width);
  CHECK(display_width("\x1b[1mTP 8 · PP\x1b[0m") == 9);
  CHECK(wrap("  one two three", 9, 4) == "  one two\n    three");
  CHECK(clip("abcdef", 4) == "abc…");
  CHECK(bar(1.0, 4) == "████");
  CHECK(bar(0.0, 4).empty());
  CHECK(grouped(1234567) == "1,234,567");
  CHECK(grouped(-123) == "-123");
  CHECK(scaled(174.6e9) == "175 B");
  CHECK(scaled(2003.6) == "2.00 k"); // as many digits as its neighbours
  CHECK(scaled(9.996) == "10.0");
  CHECK(scaled(0.0019, 3) == "0.00190");
  CHECK(scaled(1e12) == "1 T");
  CHECK(scaled(64) == "64");
  CHECK(csv_line({"a", "b,c", "d\"e"}) == "a,\"b,c\",\"d\"\"e\"\n");
}

} // namespace orrery::report_test
