// Machines by the names that publishers of measurements give them.
#pragma once

#include "hardware/description.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace orrery {

struct NamedMachine {
  std::optional<NodeType> node;
  std::string refusal; ///< why there is none
};

/// The node that stands for a published accelerator: "H100-SXM-80GB", "a100-40g-sxm", "llamacpp:RTX A6000 48GB". A rule of the table
/// decides first; else a node or device of the catalogue whose name the published one holds (a device that comes in no node of its own
/// stands in a workstation). `network`: as published, for machines that differ by it only.
NamedMachine published_machine(std::string_view accelerator, std::string_view network = {});

} // namespace orrery
