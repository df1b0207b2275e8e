// Words for the enumerations of graphs, costs and sources.
#pragma once

#include "hardware/description.hpp"
#include "models/cost.hpp"
#include "workloads/graph.hpp"

#include <string>

namespace orrery {

std::string op_class_word(OpClass op_class);
std::string bound_word(Bound bound);
std::string precision_word(Precision precision);
std::string source_word(SourceKind kind);
std::string collective_word(CollectiveKind kind);
std::string group_word(Group group);

} // namespace orrery
