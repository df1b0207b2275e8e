// Parameter tables of a scenario file.
#pragma once

#include "scenarios/scenario.hpp"
#include "sim/base/params.hpp"

namespace orrery {

const Table<Scenario>& scenario_table();

} // namespace orrery
