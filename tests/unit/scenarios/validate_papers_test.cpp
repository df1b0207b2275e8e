#include "scenarios/published/validate_papers.hpp"

#include "sim/base/diagnostics.hpp"
#include "tests/support/refusal.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tools/reports/papers_report.hpp"

#include <catch2/catch.hpp>

#include <set>
#include <sstream>

namespace orrery::validate_papers_test {

namespace {

/// Reads a claim out of a file of the test's own.
Claim read_claim(const std::string& body) {
  const TemporaryFolder folder;
  return load_claim(folder.write("claim.yaml", "claim: CT99\ntitle: a title\ntext: a claim\nsource: a paper\npriority: low\n"
                                               "setup: as it stands\nmethod: estimate\nmissing: the moon\n" +
                                                   body));
}

ClaimOutcome outcome(const std::string& body) { return check_claim(read_claim(body)); }

std::string claim_refusal(const std::string& body) {
  return refusal_of([&] { read_claim(body); });
}

/// 6 x 1e9 x 1e12 FLOPs of an A100 at half its 312 TFLOP/s for a day: 445.2 devices, and for ten.
const std::string fleets = "runs:\n"
                           "  - { name: day, fleet: { parameters: 1e9, tokens: 1e12, device: a100-sxm-80gb, mfu: 0.5, life: 1 d } }\n"
                           "  - { name: ten, fleet: { parameters: 1e9, tokens: 1e12, device: a100-sxm-80gb, mfu: 0.5, life: 10 d } }\n";

const std::string trained = "runs:\n"
                            "  - name: one\n"
                            "    scenario:\n"
                            "      name: one\n"
                            "      cluster: { name: c, node: dgx-a100, nodes: 1, fabric: { kind: single_node } }\n"
                            "      software: megatron-core-2024\n"
                            "      jobs:\n"
                            "        - training: { model: gpt-1.7b, sequence: 1024, global_batch: 64 }\n"
                            "          plan: { dp: 8, micro_batch: 1, recompute: full }\n";

} // namespace

TEST_CASE("devices that a run wears out are whole", "[papers]") {
  const ClaimOutcome found = outcome(fleets + "figures:\n"
                                              "  - { name: day, metric: devices, runs: [day], published: 446, within: 0.5 }\n"
                                              "  - { name: ten, metric: devices, runs: [ten], published: 45, within: 0.5 }\n"
                                              "  - { name: order, formula: falling, metric: devices, runs: [day, ten], says: fewer }\n");
  CHECK(found.figures[0].simulated == 446.0);
  CHECK(found.figures[1].simulated == 45.0);
  CHECK(found.verdict == Verdict::met);
  CHECK(found.missing.empty());
}

TEST_CASE("formulas combine one metric of several runs", "[papers]") {
  const ClaimOutcome found =
      outcome(fleets + "figures:\n"
                       "  - { name: a, formula: ratio, metric: devices, runs: [day, ten], published: 10, within_percent: 1 }\n"
                       "  - { name: b, formula: gain, metric: devices, runs: [day, ten], unit: '%', published: 891.1, within: 0.1 }\n"
                       "  - { name: c, formula: saving, metric: devices, runs: [ten, day], unit: '%', min: 89.9, max: 90, says: most }\n"
                       "  - { name: d, formula: geometric_mean, metric: devices, runs: [day, ten, ten, day], published: 1, within: 1e-9 }\n"
                       "  - { name: e, formula: largest, metric: devices, runs: [ten, day, day, ten], min: 9, says: more }\n"
                       "  - { name: f, formula: falling, metric: devices, runs: [ten, day], says: fewer }\n");
  for (std::size_t i = 0; i < 5; ++i)
    CHECK(found.figures[i].verdict == Verdict::met);
  CHECK(found.figures[0].simulated == Approx(446.0 / 45));
  CHECK(found.figures[5].verdict == Verdict::not_met);
  CHECK(found.verdict == Verdict::not_met);
  CHECK(found.missing == "the moon");
}

TEST_CASE("a contradiction decides only alone, and what cannot be said is not met", "[papers]") {
  const std::string met = "  - { name: m, metric: devices, runs: [day], published: 446, within: 1 }\n";
  const std::string contradicted = "  - { name: c, metric: devices, runs: [day], published: 1, within: 0.5, contradicts: two readings }\n";
  const std::string unsaid = "  - { name: u, says: much, needs: a feature }\n";
  CHECK(outcome(fleets + "figures:\n" + met + contradicted).verdict == Verdict::met);
  CHECK(outcome(fleets + "figures:\n" + contradicted).verdict == Verdict::contradictory);
  CHECK(outcome(fleets + "figures:\n" + met + unsaid).verdict == Verdict::not_met);
  CHECK(outcome("figures:\n" + unsaid).verdict == Verdict::not_expressible);
}

TEST_CASE("a run starts from another, and the fastest of its variants that fits stands for it", "[papers]") {
  const ClaimOutcome found =
      outcome(trained + "  - { name: slow, from: one, set: { jobs.0.plan.recompute: full, software.attention: unfused } }\n"
                        "  - { name: best, from: one, best_of: [{ jobs.0.plan.recompute: full }, { jobs.0.plan.recompute: none }] }\n"
                        "  - { name: same, from: best, set: { name: again } }\n"
                        "  - { name: never, from: one, set: { jobs.0.plan.dp: 4 } }\n"
                        "figures:\n"
                        "  - { name: order, formula: falling, metric: step_time, runs: [slow, one, best], says: faster }\n"
                        "  - { name: same, formula: ratio, metric: step_time, runs: [best, same], published: 1, within: 0 }\n"
                        "  - { name: fits, metric: fits, runs: [one], min: 1, says: fits }\n"
                        "  - { name: fails, metric: mfu_full, runs: [never], min: 0, says: share }\n");
  CHECK(found.figures[0].verdict == Verdict::met);
  CHECK(found.figures[1].verdict == Verdict::met);
  CHECK(found.runs[2].chosen == "recompute none");
  CHECK(found.figures[2].verdict == Verdict::met);
  CHECK(found.figures[3].verdict == Verdict::not_met);
  CHECK_FALSE(found.figures[3].simulated);
  CHECK(found.figures[3].note.starts_with("never: "));
}

TEST_CASE("a seed of one's own draws every run of a claim anew", "[papers]") {
  const std::string served =
      "runs:\n"
      "  - name: one\n"
      "    scenario:\n"
      "      name: one\n"
      "      cluster: { name: c, node: dgx-a100, nodes: 1, fabric: { kind: single_node } }\n"
      "      software: vllm-v1-2025\n"
      "      jobs:\n"
      "        - serving:\n"
      "            model: llama3-8b\n"
      "            plan: { tp: 1 }\n"
      "            traffic: { requests: 20, arrivals: { poisson: { rate: 5 /s } }, input: { fixed: { tokens: 100 } }, "
      "output: { fixed: { tokens: 20 } } }\n"
      "  - { name: two, from: one }\n"
      "figures:\n"
      "  - { name: same, formula: ratio, metric: end_to_end_p99, runs: [two, one], unit: x, published: 1, within: 0 }\n"
      "  - { name: late, metric: end_to_end_p99, runs: [one], unit: s, published: 1, within: 1 }\n";
  const Claim claim = read_claim(served);
  const ClaimOutcome first = check_claim(claim, 1);
  const ClaimOutcome other = check_claim(claim, 2);
  CHECK(*first.figures[0].simulated == 1);
  CHECK(*other.figures[0].simulated == 1);
  CHECK(*first.figures[1].simulated == *check_claim(claim).figures[1].simulated);
  CHECK(*first.figures[1].simulated != *other.figures[1].simulated);
}

TEST_CASE("mistakes of a claim are told with their places", "[papers]") {
  using Catch::Contains;
  CHECK_THAT(claim_refusal(fleets + "figures: []\n"), Contains("at least one figure"));
  CHECK_THAT(claim_refusal(fleets + "figures:\n  - { name: a, metric: devices, runs: [dya], published: 1, within: 1 }\n"),
             Contains("figures.0.runs.0: no run 'dya'; did you mean 'day'"));
  CHECK_THAT(claim_refusal(fleets + "figures:\n  - { name: a, formula: ratio, runs: [day], published: 1, within: 1 }\n"),
             Contains("two runs"));
  CHECK_THAT(claim_refusal(fleets + "figures:\n  - { name: a, runs: [day], published: 1 }\n"), Contains("not one check"));
  CHECK_THAT(claim_refusal("runs: [{ name: a, from: b }]\nfigures:\n  - { name: u, says: x, needs: y }\n"),
             Contains("runs.0.from: no run 'b'"));
  CHECK_THAT(
      claim_refusal(trained + "  - { name: two, from: one, set: { jobs.0.plan.tpp: 2 } }\nfigures:\n  - { name: u, says: x, needs: y }\n"),
      Contains("did you mean 'tp'"));
}

TEST_CASE("the project's claims are read, each once, and say what is missing where something cannot be said", "[papers]") {
  std::set<std::string> ids;
  for (const std::string& file : claim_files()) {
    const Claim claim = load_claim(file);
    INFO(claim.id);
    CHECK(ids.insert(claim.id).second);
    for (const ClaimFigure& figure : claim.figures)
      CHECK((figure.needs.empty() || !claim.missing.empty()));
  }
  CHECK(ids.size() >= 11);
}

TEST_CASE("claims are written as text, CSV and JSON", "[papers]") {
  const std::vector<ClaimOutcome> claims = {
      outcome(fleets + "figures:\n"
                       "  - { name: devices of a day, metric: devices, runs: [day], published: 500, within_percent: 1 }\n"
                       "  - { name: unsaid, says: much, needs: a feature }\n")};
  const std::string text = claims_text(claims, true, Style{});
  CHECK(text.find("CT99 a title: not met") != std::string::npos);
  CHECK(text.find("Missing: the moon") != std::string::npos);
  CHECK(text.find("1 claims: 1 not met") != std::string::npos);
  std::ostringstream csv, json;
  write_claims_csv(csv, claims);
  CHECK(csv.str().find("CT99,low,not met,devices of a day,500,446,,not met,,the moon") != std::string::npos);
  write_claims_json(json, claims);
  CHECK(json.str().find("\"simulated\": 446") != std::string::npos);
  CHECK(json.str().find("\"verdict\": \"not expressible\"") != std::string::npos);
}

} // namespace orrery::validate_papers_test
