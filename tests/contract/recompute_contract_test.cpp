// Every way to recompute leaves the forward pass as it is, adds only forward operators to the backward pass, and keeps no more than the one
// before.
#include "scenarios/data_files.hpp"
#include "tests/support/models.hpp"
#include "workloads/layer.hpp"
#include "workloads/tables.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

namespace orrery::recompute_contract_test {
namespace {

std::vector<std::string> names(const std::vector<Operator>& list) {
  std::vector<std::string> result;
  for (const Operator& op : list)
    result.push_back(op.name);
  return result;
}

} // namespace

TEST_CASE("recompute modes change the backward pass only", "[contract][recompute]") {
  for (const std::string& software_name : software_catalogue().names()) {
    for (const std::string& model_name : model_catalogue().names()) {
      const TrainingJob job{.model = model_named(model_name)};
      const SoftwareProfile software = load_software(software_name);
      CAPTURE(software_name, model_name);
      const auto layer = [&](Recompute recompute) { return layer_block(job, Plan{.tp = 8, .recompute = recompute}, software); };
      const Block none = layer(Recompute::none);
      Bytes kept = none.activations;
      for (const Recompute recompute : {Recompute::selective, Recompute::full}) {
        const Block block = layer(recompute);
        CHECK(names(block.forward) == names(none.forward));
        std::vector<Operator> own;
        for (const Operator& op : block.backward) {
          const bool repeats = std::any_of(none.forward.begin(), none.forward.end(), [&](const Operator& f) { return f.name == op.name; });
          CHECK(repeats == op.recomputed);
          if (!op.recomputed)
            own.push_back(op);
        }
        CHECK(names(own) == names(none.backward));
        CHECK(block.parameters == none.parameters);
        CHECK(block.activations <= kept);
        kept = block.activations;
      }
    }
  }
}

} // namespace orrery::recompute_contract_test
