// What descriptions of hardware and of workloads share in their files: the words for precisions, and the list of sources.
#pragma once

#include "hardware/description.hpp"
#include "sim/base/params.hpp"

namespace orrery {

const Choices<Precision>& precision_words();

const Table<Provenance>& provenance_table();

} // namespace orrery
