#include "scenarios/published/validate_ranking.hpp"

#include <catch2/catch.hpp>

#include <cmath>

namespace orrery::validate_ranking_test {

namespace {

ScoredRow row(const std::string& setting, double measured, double predicted, const std::string& group = "bloom-jz") {
  return {.group = group, .id = "row", .setting = setting, .measured = measured, .predicted = predicted};
}

} // namespace

TEST_CASE("the order of plans is scored by Kendall's tau-b and regret", "[ranking]") {
  // 1 < 2 < 3 < 4 measured; the two in the middle are predicted the wrong way round: 5 pairs of 6 agree.
  const RankAgreement one = rank_agreement({row("a", 1, 10), row("a", 2, 30), row("a", 3, 20), row("a", 4, 40)});
  CHECK(one.settings == 1);
  CHECK(one.concordant == 5);
  CHECK(one.discordant == 1);
  CHECK(one.tau == Approx(4.0 / 6));
  CHECK(one.mean_regret == 0);

  // Equal predictions agree with no order: tau-b = (2 - 0) / sqrt(2 x 3).
  const RankAgreement tied = rank_agreement({row("a", 1, 10), row("a", 2, 10), row("a", 3, 20)});
  CHECK(tied.tied == 1);
  CHECK(tied.tau == Approx(2 / std::sqrt(6.0)));
}

TEST_CASE("only rows of one setting are compared, and only where they differ", "[ranking]") {
  const RankAgreement apart = rank_agreement({row("a", 1, 10), row("b", 2, 5), row("c", 3, 1)});
  CHECK(apart.settings == 0);
  CHECK(apart.pairs() == 0);
  CHECK(apart.tau == 0);

  const RankAgreement near = rank_agreement({row("a", 1.00, 11), row("a", 1.02, 10)});
  CHECK(near.pairs() == 0);
  CHECK(near.mean_regret == Approx(0.02));
  CHECK(near.worst_regret == Approx(0.02));
}

TEST_CASE("the pooled ranking takes the groups that vary the plan, and leaves out what was refused or fitted on", "[ranking]") {
  std::vector<ScoredRow> rows = {row("a", 1, 20), row("a", 2, 10), row("a", 1, 20, "other"), row("a", 2, 10, "other")};
  CHECK(pooled_rank_agreement(rows).pairs() == 1);
  CHECK(pooled_rank_agreement(rows).tau == -1);
  CHECK(pooled_rank_agreement(rows).mean_regret == Approx(1));
  rows.front().refusal = "no node description";
  CHECK(pooled_rank_agreement(rows).settings == 0);
}

} // namespace orrery::validate_ranking_test
