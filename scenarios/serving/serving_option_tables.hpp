// Parameter tables of what a serving job may have beside its model, plan and traffic.
#pragma once

#include "scenarios/serving/serving_scenario.hpp"

namespace orrery {

const Table<KvTierChoice>& kv_tier_table();
const Table<KvCopies>& kv_copies_table();
const Table<Fairness>& fairness_table();
const Table<Autoscaling>& autoscaling_table();
const Table<RolloutOptions>& rollouts_table();
const Table<GoodputOptions>& goodput_table();

} // namespace orrery
