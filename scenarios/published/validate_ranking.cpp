#include "scenarios/published/validate_ranking.hpp"

#include <algorithm>
#include <cmath>
#include <map>

namespace orrery {

namespace {

using Setting = std::vector<const ScoredRow*>;

void count_pairs(const Setting& rows, RankAgreement& agreement) {
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t j = i + 1; j < rows.size(); ++j) {
      const double measured = rows[i]->measured - rows[j]->measured;
      if (std::abs(measured) <= ranking_resolution * std::min(rows[i]->measured, rows[j]->measured))
        continue;
      const double predicted = rows[i]->predicted - rows[j]->predicted;
      if (predicted == 0)
        ++agreement.tied;
      else
        ++(measured * predicted > 0 ? agreement.concordant : agreement.discordant);
    }
}

double regret_of(const Setting& rows) {
  const auto by = [](double ScoredRow::* field) {
    return [field](const ScoredRow* a, const ScoredRow* b) { return a->*field < b->*field; };
  };
  const ScoredRow* chosen = *std::min_element(rows.begin(), rows.end(), by(&ScoredRow::predicted));
  const ScoredRow* best = *std::min_element(rows.begin(), rows.end(), by(&ScoredRow::measured));
  return chosen->measured / best->measured - 1;
}

} // namespace

const std::vector<std::string>& ranked_groups() {
  static const std::vector<std::string> groups = {"bloom-jz", "vtrain-multi", "zero-bubble", "torchtitan"};
  return groups;
}

RankAgreement rank_agreement(const std::vector<ScoredRow>& rows) {
  std::map<std::string, Setting> settings;
  for (const ScoredRow& row : rows)
    if (row.refusal.empty() && !row.fitted)
      settings[row.group + ' ' + row.setting].push_back(&row);
  RankAgreement agreement;
  double regrets = 0;
  for (const auto& [setting, members] : settings) {
    if (members.size() < 2)
      continue;
    ++agreement.settings;
    agreement.rows += static_cast<int>(members.size());
    count_pairs(members, agreement);
    const double regret = regret_of(members);
    regrets += regret;
    agreement.worst_regret = std::max(agreement.worst_regret, regret);
  }
  if (agreement.settings > 0)
    agreement.mean_regret = regrets / agreement.settings;
  const double decided = agreement.concordant + agreement.discordant;
  if (agreement.pairs() > 0) // no pair is tied in the measurements: those were left out
    agreement.tau = (agreement.concordant - agreement.discordant) / std::sqrt(std::max(decided, 1.0) * agreement.pairs());
  return agreement;
}

RankAgreement pooled_rank_agreement(const std::vector<ScoredRow>& rows) {
  std::vector<ScoredRow> pooled;
  for (const ScoredRow& row : rows)
    if (std::ranges::find(ranked_groups(), row.group) != ranked_groups().end())
      pooled.push_back(row);
  return rank_agreement(pooled);
}

} // namespace orrery
