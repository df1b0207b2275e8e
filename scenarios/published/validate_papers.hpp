// Published claims against what Orrery simulates: each claim is a file of scenarios/papers/claims, with the set-ups that it is tried on,
// the figures that it states and its own check.
//
//   claim: CT02
//   title: Low-bandwidth partitioning on Frontier
//   ...
//   runs:
//     - { name: zero++, scenario: { name: ..., cluster: frontier, ... } }   # a shipped name, a file, or a map
//     - { name: three-level, from: zero++, set: { jobs.0.plan.shard_parameters: 2 } }
//   figures:
//     - { name: speed-up, formula: ratio, metric: flops_full, runs: [three-level, zero++], published: 1.71, within_percent: 15 }
//   missing: what keeps the claim from being met
#pragma once

#include "hardware/description.hpp"
#include "scenarios/run.hpp"
#include "scenarios/sweep/study_tables.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace orrery {

/// Devices that a training run wears out: 6 x parameters x tokens FLOPs over what one device computes in its life.
struct ClaimFleet {
  double parameters = 0;
  double tokens = 0;
  Device device;
  Precision precision = Precision::bf16;
  double mfu = 0;
  Seconds life;

  /// Whole devices.
  [[nodiscard]] double devices() const;
};

/// A set-up: a scenario, what differs from it, and what its publisher is taken to have tuned.
struct ClaimRun {
  std::string name;
  std::optional<yaml::Node> scenario;
  std::string from; ///< an earlier run, instead of a scenario
  std::optional<ByPath<yaml::Node>> set;
  /// The fastest that fits stands for the run, of serving jobs the one with the highest goodput or throughput, of tasks
  /// with a price the cheapest that keeps its bounds; not given = those of `from`.
  std::optional<std::vector<ByPath<yaml::Node>>> best_of;
  std::optional<ClaimFleet> fleet; ///< arithmetic instead of a scenario
};

/// How a figure follows from one metric of runs.
enum class FigureFormula {
  value,          ///< of the run
  ratio,          ///< first over second
  gain,           ///< first over second, less 1
  saving,         ///< 1 less first over second
  geometric_mean, ///< of the ratios of pairs
  largest,        ///< of the ratios of pairs
  falling         ///< whether every run has less than the one before
};

enum class ClaimMetric {
  step_time,
  tokens_per_second,
  tokens_per_second_per_device,
  mfu_full,
  mfu_causal,
  hfu,
  flops_full, ///< FLOP/s of a device, whole attention square
  flops_causal,
  flops_executed,
  job_flops_full, ///< of all devices
  job_flops_executed,
  memory,
  memory_traffic, ///< of one device and step
  devices,
  ttft_mean, ///< this and the following: of a serving job
  ttft_p50,
  ttft_p99,
  tpot_mean,
  tpot_p50,
  tpot_p99,
  itl_p50,
  itl_p99,
  end_to_end_mean,
  end_to_end_p99,
  requests_per_second,
  output_tokens_per_second,
  output_tokens_per_second_per_device,
  all_tokens_per_second_per_device, ///< of prompts and answers
  attainment,
  goodput,            ///< highest rate that keeps the target
  goodput_per_device, ///< the same over the devices
  energy_per_output_token,
  cost_per_request,          ///< or task
  rollout_tokens_per_second, ///< of finished responses, over the generation phases
  kv_tokens,                 ///< that a replica of the last pool holds
  fits                       ///< 1 where the plan is feasible, else 0
};

enum class FigureUnit { none, percent, times, teraflops, petaflops, gigabytes, seconds, milliseconds };

/// A published figure and the check that decides whether it is met. Its numbers are in its unit.
struct ClaimFigure {
  std::string name;
  FigureFormula formula = FigureFormula::value;
  ClaimMetric metric = ClaimMetric::step_time;
  std::vector<std::string> runs;
  FigureUnit unit = FigureUnit::none;
  std::string says; ///< the published figure in words, where it is no single number
  std::optional<double> published;
  std::optional<double> within_percent; ///< of the published figure
  std::optional<double> within;         ///< of it, in the unit
  std::optional<double> min;
  std::optional<double> max;
  std::string needs;       ///< feature without which it cannot be said; then it has no runs
  std::string contradicts; ///< why the source contradicts itself: both readings
};

/// A claim as its file states it.
struct Claim {
  std::string id;
  std::string title;
  std::string text;
  std::string source;
  std::string priority;
  std::string setup; ///< what the set-up assumes, stated before its outcome was looked at
  Fidelity method = Fidelity::simulate;
  std::vector<ClaimRun> runs;
  std::vector<ClaimFigure> figures;
  std::string missing; ///< physics that keeps it from being met
};

enum class Verdict { met, not_met, contradictory, not_expressible };

struct RunOutcome {
  std::string name;
  int devices = 0;
  Seconds step;        ///< zero for a fleet, for a serving job and for a plan that cannot run
  double mfu_full = 0; ///< of a serving job: FLOPs as run
  std::string chosen;  ///< of `best_of`
  std::vector<std::string> violations;
};

struct FigureOutcome {
  std::string name;
  std::string published; ///< "38.38 %", or what the figure says
  std::optional<double> simulated;
  FigureUnit unit = FigureUnit::none;
  bool is_order = false; ///< `simulated` is 1 for yes, 0 for no
  Verdict verdict = Verdict::not_met;
  std::string note; ///< why there is no simulated figure, or how the source contradicts itself
};

struct ClaimOutcome {
  std::string id;
  std::string title;
  std::string text;
  std::string source;
  std::string priority;
  std::string setup;
  Verdict verdict = Verdict::not_met;
  std::vector<FigureOutcome> figures;
  std::vector<RunOutcome> runs;
  std::string missing; ///< empty where the claim is met
};

/// Reads a claim, and its scenarios with it. Throws UserError with every mistake of the file.
Claim load_claim(const std::string& file);

/// The files of scenarios/papers/claims, in their order.
std::vector<std::string> claim_files();

/// Precondition: the claim was loaded. `seed` is that of all runs instead of the scenarios' own.
ClaimOutcome check_claim(const Claim& claim, std::optional<std::uint64_t> seed = std::nullopt);

} // namespace orrery
