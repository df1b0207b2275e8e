#include "scenarios/data_files.hpp"
#include "scenarios/scenario_tables.hpp"
#include "scenarios/sweep/study.hpp"
#include "sim/base/catalogue.hpp"
#include "sim/base/random.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace orrery {

namespace {

namespace fs = std::filesystem;

/// What the program reads besides the user's files. Kernel tables are read by `calibrate` alone.
constexpr const char* data_folders[] = {"hardware", "models", "scenarios/graphs", "scenarios/validation", "workloads"};

std::string content(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// The text of a value, and the content of the file that it names.
std::uint64_t of_value(const yaml::Node& value, std::uint64_t from) {
  from = fingerprint(value_text(value) + "\n", from);
  if (value.is_scalar() && (value.text.ends_with(".yaml") || value.text.ends_with(".json")))
    from = fingerprint(content(resolved_path(value.text, value.location)), from);
  return from;
}

} // namespace

std::uint64_t study_fingerprint(const Study& study) {
  std::uint64_t hash = fingerprint(study.method == Fidelity::simulate ? "simulate\n" : "estimate\n");
  hash = fingerprint(yaml::to_yaml(study.document), hash);
  hash = fingerprint(yaml::to_yaml(scenario_table().write(study.scenario)), hash); // with what its names stand for
  for (const PointGroup& group : study.groups) {
    for (const std::string& path : group.paths)
      hash = fingerprint(path + "\n", hash);
    for (const auto& row : group.rows)
      for (const yaml::Node& value : row)
        hash = of_value(value, hash);
    hash = fingerprint("\f", hash);
  }
  return hash;
}

std::uint64_t program_fingerprint() {
  std::uint64_t hash = fingerprint(content("/proc/self/exe"));
  for (const char* folder : data_folders) {
    std::vector<fs::path> files;
    std::error_code absent;
    for (const auto& entry : fs::recursive_directory_iterator(data_file(folder), absent))
      if (entry.path().extension() == ".yaml")
        files.push_back(entry.path());
    std::ranges::sort(files);
    for (const fs::path& file : files)
      hash = fingerprint(content(file), hash);
  }
  return hash;
}

} // namespace orrery
