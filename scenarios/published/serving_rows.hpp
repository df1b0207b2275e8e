// Published serving measurements as scenarios: a row of the validation table becomes a machine, an engine, a job, the plausible ways to lay
// it out, and traffic.
#pragma once

#include "scenarios/published/row_cells.hpp"
#include "sim/engine/serving.hpp" // Pool
#include "workloads/requests/request_traffic.hpp"
#include "workloads/serving_job.hpp"
#include "workloads/software.hpp"

#include <span>
#include <string>
#include <vector>

namespace orrery {

/// What was run, which decides the traffic and what its figures are scored as.
enum class ServingKind {
  offline,       ///< all requests at once, throughput
  concurrency,   ///< closed loop
  disaggregated, ///< closed loop, prefill and decode on replicas of their own
  rate,          ///< Poisson
  burst,         ///< all requests at once, latencies
  batch,         ///< one batch to its end
  steady,        ///< closed loop with power
  decode         ///< iterations of a full batch
};

enum class ServingMetric {
  output_rate, ///< tokens/s
  input_rate,  ///< tokens/s
  ttft,        ///< mean, s
  tpot,        ///< mean over requests, s
  itl,         ///< mean over tokens, s
  itl_median,
  end_to_end, ///< mean, s
  energy      ///< of the devices per output token, J
};

struct Measured {
  ServingMetric metric = ServingMetric::output_rate;
  double value = 0; ///< SI
};

/// Replicas that are alike.
struct ReplicaPool {
  Pool pool = Pool::both;
  int replicas = 1;
  ServingPlan plan;
  int max_sequences = 0; ///< per replica; 0 = the engine's
};

struct ServingRow {
  std::string id;
  std::string origin;      ///< where its source has it
  std::string accelerator; ///< as the row names it
  std::string model;       ///< as the row names it
  std::string engine;      ///< with its version
  ServingKind kind = ServingKind::offline;
  std::string setting;            ///< kind and lengths: rows that share it, their model and accelerator differ by their configuration
  bool flagged = false;           ///< the publisher's figure is doubted: not scored
  std::string refusal;            ///< what the row needs that is not modelled; empty = the rest is filled in
  std::vector<Measured> measured; ///< at least one
  int devices = 0;
  Cluster cluster;
  SoftwareProfile software;
  bool stand_in = false; ///< `software` is another engine's: its host constants are not fitted on this row
  ServingJob job;
  std::vector<std::vector<ReplicaPool>> layouts; ///< one where the row says all, else every plausible way to fill its blanks
  Traffic traffic;
};

/// Columns that a table of rows has to have.
std::span<const char* const> serving_columns();

/// Throws UserError where a column is missing or a number is none. Rows without a figure that is scored are left out.
std::vector<ServingRow> serving_rows(const CsvTable& table, const std::string& file_name);

// Each fills in its part of the row, or says in `refusal` what it needs that is not modelled and returns false.
bool find_serving_machine(const Cells& row, ServingRow& out);
bool find_serving_model(const Cells& row, ServingRow& out);
bool find_serving_layouts(const Cells& row, ServingRow& out);
bool find_serving_traffic(const Cells& row, ServingRow& out);

/// The profile of the row's engine and release, with the limits that the row states.
void find_serving_engine(const Cells& row, ServingRow& out);
/// Whether the row is of the InferenceMAX benchmark: its runs carry a date or a number of configuration, or were copied into an analysis.
bool is_inference_max(const Cells& row);
/// How the recipes of published deployments spread experts, that no column states.
void set_expert_recipe(const Cells& row, ServingRow& out);
/// What the recipes of a benchmark set that no column states.
void set_serving_recipe(const Cells& row, ServingRow& out);

} // namespace orrery
