// The machine of an imported scenario: what the caller named, as large as the import asks for.
#pragma once

#include "sim/base/diagnostics.hpp"
#include "sim/base/yaml.hpp"

#include <string>
#include <vector>

namespace orrery {

struct MachineOptions {
  std::string cluster; ///< a catalogue name or a .yaml file
  std::string node;    ///< the same, instead of a cluster
  int nodes = 0;       ///< 0 = as many as the ranks fill
};

struct ImportedMachine {
  yaml::Node cluster;
  std::string node; ///< its name
  int nodes = 1;
  double ranks = 0;
  std::vector<std::string> notes; ///< what was filled in
};

/// `ranks` of the import, 0 = not known: those of the machine. `exact`: the machine has no more devices than ranks.
ImportedMachine import_machine(const MachineOptions& options, double ranks, bool exact, Diagnostics& diagnostics);

} // namespace orrery
