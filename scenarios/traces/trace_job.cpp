#include "scenarios/traces/trace_job.hpp"

#include "hardware/words.hpp"
#include "scenarios/data_files.hpp"
#include "sim/base/catalogue.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

namespace orrery {

namespace {

constexpr std::size_t most_files = 100'000;
constexpr std::uintmax_t largest_trace = 4ULL << 30U;

/// A list of files and patterns. Paths are relative to the file that names them.
Codec<std::vector<std::string>> files_codec() {
  Codec<std::vector<std::string>> codec;
  codec.shape = Shape{.kind = ShapeKind::list, .item = std::make_shared<const Shape>(Shape{.kind = ShapeKind::text})};
  codec.read = [](const yaml::Node& node, const Site& site, std::vector<std::string>& files) {
    if (!node.is_sequence() || node.items.empty())
      return site.error(node, node.is_sequence() ? "no file" : yaml::described(node), "a list of files and patterns: [rank.%d.et]");
    files.clear();
    for (const yaml::Node& pattern : node.items) {
      if (!pattern.is_scalar())
        return site.error(pattern, yaml::described(pattern), "a file, or a pattern such as 'rank.%d.et'");
      const std::vector<std::string> found = trace_files(resolved_path(pattern.text, pattern.location));
      if (found.empty())
        site.error(pattern, "no file " + shown(resolved_path(pattern.text, pattern.location)), "a Chakra trace; %d stands for 0, 1, ...");
      files.insert(files.end(), found.begin(), found.end());
    }
    if (files.size() > most_files)
      site.error(node, fmt::format("{} files", files.size()), fmt::format("at most {} files", most_files));
  };
  codec.write = [](const std::vector<std::string>& files) {
    yaml::Node list = yaml::sequence();
    for (const std::string& file : files)
      list.items.push_back(yaml::scalar(file));
    return list;
  };
  return codec;
}

const Table<TraceGroup>& trace_group_table() {
  static const Table<TraceGroup> table =
      Table<TraceGroup>("trace_group", "A process group of a trace.")
          .text("name", &TraceGroup::name, {.required = true, .help = "pg_name in the trace"})
          .counts("ranks", &TraceGroup::ranks, {.max = most_files, .required = true, .help = "that it joins"});
  return table;
}

/// The last number in a file's name; nothing where it has none.
std::optional<int> number_in(const std::string& file) {
  const std::string name = std::filesystem::path(file).stem().string();
  std::size_t end = name.size();
  while (end > 0 && std::isdigit(static_cast<unsigned char>(name[end - 1])) == 0)
    --end;
  std::size_t begin = end;
  while (begin > 0 && std::isdigit(static_cast<unsigned char>(name[begin - 1])) != 0)
    --begin;
  if (begin == end || end - begin > 9)
    return std::nullopt;
  return std::stoi(name.substr(begin, end - begin));
}

/// Whether the numbers are 0, 1, ... in some order.
bool counts_up(std::vector<std::optional<int>> numbers) {
  std::ranges::sort(numbers);
  for (std::size_t i = 0; i < numbers.size(); ++i)
    if (numbers[i] != static_cast<int>(i))
      return false;
  return true;
}

void order_by(std::vector<chakra::RankTrace>& traces, const std::vector<std::optional<int>>& ranks) {
  std::vector<chakra::RankTrace> ordered(traces.size());
  for (std::size_t i = 0; i < traces.size(); ++i)
    ordered[static_cast<std::size_t>(*ranks[i])] = std::move(traces[i]);
  traces = std::move(ordered);
}

} // namespace

const Table<TraceJob>& trace_table() {
  using T = TraceJob;
  static const Table<T> table =
      Table<T>("trace", "A Chakra execution trace, replayed.")
          .value("files", &T::files, files_codec(),
                 {.required = true, .help = "one per rank; in a pattern such as 'rank.%d.et', %d stands for 0, 1, ..."})
          .list("groups", &T::groups, trace_group_table(), {.help = "process groups; one that is not listed joins all ranks that name it"})
          .counts("dimensions", &T::dimensions, {.min = 1, .max = most_files, .help = "sizes of the grid of involved_dim, fastest first"})
          .choice("precision", &T::precision, precision_words(), {.help = "in which compute nodes with num_ops are priced"})
          .flag("recorded", &T::recorded, {.help = "compute nodes take their recorded time, never that of their FLOPs"});
  return table;
}

std::vector<std::string> trace_files(const std::string& pattern) {
  namespace fs = std::filesystem;
  std::error_code error;
  const std::size_t at = pattern.find("%d");
  if (at == std::string::npos)
    return fs::exists(pattern, error) ? std::vector<std::string>{pattern} : std::vector<std::string>{};
  std::vector<std::string> files;
  while (files.size() <= most_files) {
    std::string file = pattern;
    file.replace(at, 2, std::to_string(files.size()));
    if (!fs::exists(file, error))
      break;
    files.push_back(std::move(file));
  }
  return files;
}

std::vector<chakra::RankTrace> read_traces(const std::vector<std::string>& files) {
  Diagnostics diagnostics;
  std::vector<chakra::RankTrace> traces;
  std::vector<std::optional<int>> recorded;
  std::vector<std::optional<int>> named;
  for (const std::string& file : files) {
    traces.push_back(chakra::parse(read_text_file(file, largest_trace), file, diagnostics));
    recorded.push_back(traces.back().rank);
    named.push_back(number_in(file));
  }
  diagnostics.throw_if_any();
  if (std::ranges::any_of(recorded, [](const std::optional<int>& rank) { return rank.has_value(); })) {
    if (!counts_up(recorded))
      for (std::size_t i = 0; i < files.size(); ++i)
        diagnostics.add({.file = files[i],
                         .path = "GlobalMetadata at byte 0",
                         .message = recorded[i] ? fmt::format("rank {}", *recorded[i]) : std::string("no rank, others have one"),
                         .allowed = fmt::format("each of 0 to {} in one file", files.size() - 1)});
    diagnostics.throw_if_any();
    order_by(traces, recorded);
  } else if (counts_up(named)) {
    order_by(traces, named);
  }
  return traces;
}

} // namespace orrery
