// A Megatron-LM training command as a scenario: model, plan, batch and software from its arguments, the machine from the caller.
//
// Everything is written under the keys of the parameter tables and read back through them. An argument for which they have no key, or
// whose value they refuse, is a mistake that names it.
#pragma once

#include "scenarios/imports/import_machine.hpp"
#include "scenarios/imports/launch_script.hpp"
#include "sim/base/yaml.hpp"

#include <map>
#include <string>
#include <vector>

namespace orrery {

struct ImportOptions {
  MachineOptions machine;
  std::string software = "megatron-core-2024";
  std::vector<std::string> dropped; ///< arguments to leave out, whatever they mean
};

struct ImportedScenario {
  yaml::Node scenario;
  std::map<std::string, std::vector<std::string>> ignored; ///< arguments without influence, by the reason
  std::vector<std::string> notes;                          ///< what the command leaves open and how it was filled in
};

/// Throws UserError with every argument that is wrong, unknown or beyond what a scenario says.
ImportedScenario import_megatron(const LaunchCommand& command, const ImportOptions& options);

} // namespace orrery
