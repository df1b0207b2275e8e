// Models of the catalogue, and operators of their graphs, for tests.
#pragma once

#include "tests/support/yaml_text.hpp"
#include "workloads/tables.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

inline TransformerModel model_named(const std::string& name) { return from_catalogue(name, model_table(), model_catalogue()); }

/// The operator of that name, or null.
inline const Operator* operator_named(const std::vector<Operator>& list, std::string_view name) {
  const auto found = std::ranges::find(list, name, &Operator::name);
  return found == list.end() ? nullptr : &*found;
}

} // namespace orrery
