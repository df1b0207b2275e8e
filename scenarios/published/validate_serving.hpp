// Scores predictions of serving against published measurements.
#pragma once

#include "scenarios/published/validate.hpp"
#include "scenarios/published/validate_request_run.hpp"

#include <optional>
#include <string>
#include <vector>

namespace orrery {

/// What a figure is scored as; a bar of its own each.
enum class ServingClass {
  offline,       ///< throughput with all requests at once
  tpot,          ///< closed loop
  ttft,          ///< closed loop
  disaggregated, ///< both of these
  online,        ///< open arrivals and bursts
  batch,         ///< one batch
  steady,        ///< iterations and energy of a steady batch
  unmeasured     ///< any figure on a device of whose architecture no kernel was measured
};

const char* class_title(ServingClass kind);
const char* class_word(ServingClass kind);

/// One measured figure and what was predicted for it.
struct ScoredServing {
  std::string group; ///< model on accelerator, as the source names them
  std::string id;
  std::string metric;
  ServingClass kind = ServingClass::offline;
  std::string software;
  std::string setting;  ///< rows that share it differ by their configuration
  double merit = 0;     ///< measured, of the configuration: more is better
  double merit_hat = 0; ///< predicted
  double measured = 0;  ///< SI
  double predicted = 0; ///< SI; 0 where refused
  double error = 0;     ///< relative, signed
  std::string refusal;  ///< why no prediction was made; empty = predicted
  std::string layout;   ///< of the replicas, as taken
  bool flagged = false; ///< the source doubts it: not scored
  bool fitted = false;  ///< the engine's host constants were fitted on it: not scored

  [[nodiscard]] bool counts() const { return !flagged && !fitted; }
};

struct ServingClassScore {
  ServingClass kind = ServingClass::offline;
  std::vector<GroupScore> groups;
  GroupScore macro; ///< mean over groups
};

/// Order of configurations at equal model, device, lengths and kind of run, over pairs measured more than 10% apart.
struct ServingOrder {
  int settings = 0;
  int pairs = 0;
  double tau = 0;       ///< Kendall's, over all pairs
  double group_tau = 0; ///< mean over model and device
};

struct ServingValidation {
  std::vector<ScoredServing> rows;
  std::vector<ServingClassScore> classes; ///< those that have rows
  ServingOrder order;
  std::optional<RequestRunScore> run; ///< with the project's own rows
};

/// Columns as in scenarios/validation/serving.csv.
ServingValidation validate_serving(const ValidationScope& scope = {});

} // namespace orrery
