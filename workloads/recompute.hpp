// Which operators of a layer a plan computes again in the backward pass.
//
// What:    a list of modules, as frameworks name them, against the operators of a layer's forward pass.
// Source:  Megatron-Core `recompute_modules`; torchtitan's per-operator activation checkpointing; JAX remat policies.
// Valid:   modules whose inputs are kept, or recomputed with them.
#pragma once

#include "workloads/block_builder.hpp"

#include <optional>
#include <string_view>
#include <vector>

namespace orrery {

/// The module of a layer that an operator of this name belongs to; nothing for one that no module has.
std::optional<Module> module_of(std::string_view name);

/// The operators of `forward` that belong to the modules, in order.
std::vector<Operator> recomputed_operators(const std::vector<Operator>& forward, const std::vector<Module>& modules);

/// Whether the plan names the module of an operator.
bool recomputes(const Plan& plan, std::string_view op_name);

/// Bytes that a layer need not keep because the modules make them again.
double recomputed_bytes(const BlockBuilder& builder, const std::vector<Module>& modules);

} // namespace orrery
