#include "scenarios/imports/chakra_import.hpp"

#include "scenarios/scenario_tables.hpp"
#include "scenarios/traces/trace_graph.hpp"
#include "scenarios/traces/trace_job.hpp"

#include <fmt/format.h>

#include <filesystem>

namespace orrery {

namespace {

std::vector<std::string> found_files(const std::vector<std::string>& patterns) {
  std::vector<std::string> files;
  Diagnostics diagnostics;
  for (const std::string& pattern : patterns) {
    const std::vector<std::string> found = trace_files(pattern);
    if (found.empty())
      diagnostics.add({.file = pattern, .message = "no such file", .allowed = "a Chakra trace; %d stands for 0, 1, ..."});
    files.insert(files.end(), found.begin(), found.end());
  }
  diagnostics.throw_if_any();
  return files;
}

} // namespace

yaml::Node import_chakra(const std::vector<std::string>& files, const MachineOptions& machine, const std::string& software) {
  const std::vector<std::string> found = found_files(files);
  const std::vector<chakra::RankTrace> traces = read_traces(found);
  Diagnostics diagnostics;
  const ImportedMachine imported = import_machine(machine, static_cast<double>(traces.size()), false, diagnostics);
  diagnostics.throw_if_any();
  yaml::Node list = yaml::sequence();
  for (const std::string& file : files)
    list.items.push_back(yaml::scalar(std::filesystem::absolute(file).lexically_normal().string()));
  yaml::Node trace = yaml::map({{"files", std::move(list)}});
  yaml::Node scenario =
      yaml::map({{"name", yaml::scalar(fmt::format("Trace of {} ranks on {} x {}", traces.size(), imported.nodes, imported.node))},
                 {"cluster", imported.cluster},
                 {"software", yaml::scalar(software)},
                 {"jobs", yaml::sequence({yaml::map({{"trace", std::move(trace)}})})}});
  (void)scenario_table().read(scenario, diagnostics);
  diagnostics.throw_if_any();
  return scenario;
}

yaml::Node readable_traces(const std::vector<std::string>& files) {
  yaml::Node list = yaml::sequence();
  for (const chakra::RankTrace& trace : read_traces(found_files(files)))
    list.items.push_back(chakra::readable(trace));
  return yaml::map({{"ranks", std::move(list)}});
}

} // namespace orrery
