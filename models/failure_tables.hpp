// Parameter tables of failures and checkpoints: what a scenario's `reliability:` and the files of models/catalogue/reliability may say.
#pragma once

#include "models/reliability.hpp"
#include "sim/base/params.hpp"

namespace orrery {

const Table<FailureClass>& failure_class_table();
const Table<ReliabilityProfile>& reliability_profile_table();
const Table<CheckpointPolicy>& checkpoint_table();
/// `failures` is a catalogue name or an inline profile.
const Table<ReliabilityOptions>& reliability_table();

const Catalogue& reliability_catalogue(); ///< models/catalogue/reliability

} // namespace orrery
