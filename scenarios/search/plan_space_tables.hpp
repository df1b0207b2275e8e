// What a scenario says under `search`: bounds of the space, the objective, how many finalists.
#pragma once

#include "scenarios/search/plan_space.hpp"
#include "sim/base/params.hpp"

namespace orrery {

enum class Objective {
  time,
  energy,
  cost,
  mix ///< weighted geometric mean of the three
};

const Choices<Objective>& objective_words();

struct ObjectiveWeights {
  double time = 1;
  double energy = 1;
  double cost = 0;
};

struct SearchOptions {
  SearchBounds bounds;
  Objective objective = Objective::time;
  ObjectiveWeights weights; ///< of a mix
  int finalists = 10;       ///< plans that are simulated
  double memory_margin = 0; ///< share of the device's memory that stays free
};

/// A map of plan keys with a value or a list of values each, `min` and `max` of counts, and the options.
const Codec<SearchOptions>& search_codec();

} // namespace orrery
