// What a plan search found, as a page, as JSON and as CSV.
#pragma once

#include "scenarios/search/plan_search.hpp"
#include "tools/reports/json_object.hpp"
#include "tools/reports/text.hpp"

#include <string>

namespace orrery {

/// At most page_width columns, but for tables of plans: one for each decision that differs. Ends in a newline.
std::string plan_search_text(const PlanSearch& search, const Style& style = {});

OrderedJson plan_search_json(const PlanSearch& search);

/// One row per finalist.
std::string plan_search_csv(const PlanSearch& search);

/// Header and rows of a table of all plans: one column per searched key, the figures, and the inequality of those that cannot be.
std::string all_plans_header();
std::string all_plans_row(const Plan& plan, const CostedPlan* costed, const std::string& violation);

/// The dimensions in which some plans differ, as a table of their values beside figures of the caller's.
class PlanColumns {
public:
  explicit PlanColumns(std::vector<const Plan*> plans);

  [[nodiscard]] std::vector<std::string> header() const;
  [[nodiscard]] std::vector<std::string> cells(const Plan& plan) const;
  /// "tp 8, pp 8, ...": what all have in common.
  [[nodiscard]] std::string common() const;

private:
  std::vector<const SearchDimension*> differing_;
  std::string common_;
};

/// "0.18 s more bubble, 0.06 s less matmul": at most `most` parts.
std::string differences_text(const std::vector<TimeDifference>& parts, std::size_t most);

} // namespace orrery
