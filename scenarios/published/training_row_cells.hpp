// One row of a table of published training steps; what scenarios/published/training_row_*.cpp read it into.
#pragma once

#include "scenarios/published/row_cells.hpp"
#include "scenarios/published/training_rows.hpp"

namespace orrery {

// Each fills in its part of the row, or says in `refusal` what it needs that is not modelled and returns false.
bool find_machine(const Cells& row, TrainingRow& out);
bool find_job(const Cells& row, TrainingRow& out);
bool find_plans(const Cells& row, TrainingRow& out);

/// The profile of the row's framework, with the switches that the row states.
void find_software(const Cells& row, TrainingRow& out);

/// Whether it shares Megatron-LM's options.
bool descends_from_megatron(const SoftwareProfile& software);

} // namespace orrery
