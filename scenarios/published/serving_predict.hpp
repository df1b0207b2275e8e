// What the model says of a published serving row: its traffic on the machine, engine and layout of the row, simulated request by request.
#pragma once

#include "models/iteration_model.hpp"
#include "models/serving_memory.hpp"
#include "scenarios/published/serving_rows.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace orrery {

struct ServingPrediction {
  std::string refusal;        ///< why there is none; empty = the rest is filled in
  std::vector<double> values; ///< parallel to ServingRow::measured
  std::string layout;         ///< of the replicas, as taken
  double span = 0;            ///< from the first arrival to the last token, s
  double iterations = 0;      ///< of a replica that decodes
  double sequences = 0;       ///< decoding in one of them, mean
  int groups = 1;             ///< with a scheduler of their own that share them
};

/// Keeps the iteration models it built: rows of one configuration share them.
class ServingPredictor {
public:
  explicit ServingPredictor(const Calibration& calibration) : calibration_(calibration) {}

  /// Of the row's layouts the fastest that fits its devices: publishers tune.
  ServingPrediction predict(const ServingRow& row);

  /// `stream` on one replica of a single device of the row.
  ServingRun simulate(const ServingRow& row, const RequestStream& stream);

private:
  struct Built {
    std::unique_ptr<ReplicaModel> model;
    ServingMemory memory;
  };

  Built& built(const ServingRow& row, const ReplicaPool& pool, const IterationLimits& limits);
  /// Why the layout does not fit; empty = `system` is built. `input` and `output` = tokens of a typical prompt and answer.
  std::string build(const ServingRow& row, const std::vector<ReplicaPool>& layout, double input, double output, ServingSystem& system);
  ServingPrediction predict(const ServingRow& row, const std::vector<ReplicaPool>& layout);

  const Calibration& calibration_;
  std::map<std::string, Built> built_;
};

/// Plans and numbers of the replicas: "2 x tp4 pp1 ep4 dp1".
std::string describe_layout(const std::vector<ReplicaPool>& layout);

} // namespace orrery
