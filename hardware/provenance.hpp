// Which source answers for which figure of a description.
#pragma once

#include "hardware/description.hpp"
#include "sim/base/params.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace orrery {

/// One value of a description as its table writes it.
struct DescribedValue {
  std::string path;    ///< "memory.hbm.bandwidth": items of a list go by their name
  bool figure = false; ///< a number that needs a source; words need none, and neither does a zero that stands for "unknown"
  yaml::Node value;
};

/// All values of a description, without its sources and without the descriptions that it refers to.
std::vector<DescribedValue> described_values(const TableInfo& table, const yaml::Node& written);

/// The most particular source that covers a path: its own, else that of the nearest part above it, else "*"; null where there is none.
const Provenance* source_of(const std::vector<Provenance>& sources, std::string_view path);

/// Reports figures without a source, and sources that name nothing. A description without any source is left alone: the scenario that holds
/// it answers for it, and a catalogue file without sources fails the contract tests.
void check_sources(const TableInfo& table, const yaml::Node& written, const std::vector<Provenance>& sources, const Report& report);

/// Sources of an entry over which figures were laid: those of `before` answer for what stayed, the entry's own for what it gives. A figure
/// given without one is assumed.
void override_sources(const TableInfo& table, yaml::Node& entry, const yaml::Node& before);

/// `entry` with one more source.
void add_source(yaml::Node& entry, const std::string& figure, const std::string& kind, const std::string& reference);

} // namespace orrery
