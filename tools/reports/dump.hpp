// The stages between a scenario and its result, as text.
#pragma once

#include "scenarios/run.hpp"

#include <string>
#include <vector>

namespace orrery {

enum class DumpKind { resolved, graph, cost, timeline };

std::vector<std::string> dump_words();
DumpKind dump_kind(const std::string& word);

/// `resolved` and `graph` are YAML that reads back; `cost` and `timeline` are CSV with format "csv", else JSON.
std::string dump(DumpKind kind, const std::string& format, const Scenario& scenario, const Result& result);

} // namespace orrery
