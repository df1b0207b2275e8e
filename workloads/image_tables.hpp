// What a scenario and a catalogue file may say of a network over images.
#pragma once

#include "sim/base/params.hpp"
#include "workloads/image_model.hpp"

namespace orrery {

const Table<ImageModel>& image_model_table();
const Catalogue& image_model_catalogue(); ///< workloads/catalogue/image_models

} // namespace orrery
