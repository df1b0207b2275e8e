// Whether predictions put plans in the order in which they were measured: what a plan search rests on.
#pragma once

#include "scenarios/published/validate.hpp"

#include <string>
#include <vector>

namespace orrery {

/// Measured steps that differ by less are taken as equal: their order says nothing.
inline constexpr double ranking_resolution = 0.03;

/// Groups of rows that vary the plan at equal model, devices and batch.
const std::vector<std::string>& ranked_groups();

/// Agreement over rows of equal setting (machine, model, sequence, devices, batch).
struct RankAgreement {
  int settings = 0;        ///< with at least two predicted rows
  int rows = 0;            ///< in them
  int concordant = 0;      ///< pairs further apart than ranking_resolution that are predicted in their order
  int discordant = 0;      ///< in the opposite order
  int tied = 0;            ///< predicted equal
  double tau = 0;          ///< Kendall's tau-b over these pairs; 0 where there is none
  double mean_regret = 0;  ///< mean over settings: measured step of the plan predicted fastest / fastest measured step - 1
  double worst_regret = 0; ///< the largest of any setting

  [[nodiscard]] int pairs() const { return concordant + discordant + tied; }
};

/// Rows that were refused or fitted on are left out.
RankAgreement rank_agreement(const std::vector<ScoredRow>& rows);

/// The same over the rows of ranked_groups() only, pooled.
RankAgreement pooled_rank_agreement(const std::vector<ScoredRow>& rows);

} // namespace orrery
