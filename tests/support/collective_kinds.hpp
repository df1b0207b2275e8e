#pragma once

#include "models/collective_cost.hpp"

namespace orrery {

constexpr CollectiveKind all_kinds[] = {CollectiveKind::all_reduce, CollectiveKind::all_gather, CollectiveKind::reduce_scatter,
                                        CollectiveKind::all_to_all, CollectiveKind::broadcast};

} // namespace orrery
