// Chakra execution traces as a scenario that replays them.
#pragma once

#include "scenarios/imports/import_machine.hpp"

#include <string>
#include <vector>

namespace orrery {

/// `files`: one per rank, or a pattern such as "rank.%d.et". They are read and checked; their paths are written in full. Throws UserError.
yaml::Node import_chakra(const std::vector<std::string>& files, const MachineOptions& machine, const std::string& software);

/// The traces of the files as a person reads them, by rank.
yaml::Node readable_traces(const std::vector<std::string>& files);

} // namespace orrery
