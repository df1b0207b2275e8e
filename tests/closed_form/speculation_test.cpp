// Speculative decoding: tokens per iteration by the acceptance, iterations dearer by what is checked and guessed.
#include "hardware/catalogue.hpp"
#include "models/iteration_model.hpp"
#include "models/serving_memory.hpp"
#include "scenarios/data_files.hpp"
#include "tests/unit/models/serving_models.hpp"

#include <catch2/catch.hpp>

#include <cmath>

namespace orrery::speculation_test {

namespace {

ReplicaModel replica(const Speculation& speculation) {
  SoftwareProfile software = load_software("vllm-v1-2025");
  software.serving.iteration_host = software.serving.sequence_host = Seconds{};
  return ReplicaModel({.node = load_node("dgx-h100"), .nodes = 1}, {.model = llama(32, 4096), .speculation = speculation}, {}, software,
                      load_calibration());
}

} // namespace

TEST_CASE("tokens of an iteration are a geometric sum", "[closed_form][serving]") {
  CHECK(Speculation{}.tokens_per_iteration() == 1);
  const Speculation three{.drafter = Drafter::lookup, .drafts = 3, .acceptance = 0.7};
  CHECK(three.tokens_per_iteration() == Approx((1 - std::pow(0.7, 4)) / (1 - 0.7)));
  CHECK(Speculation{.drafter = Drafter::lookup, .drafts = 3, .acceptance = 1}.tokens_per_iteration() == 4);
  CHECK(Speculation{.drafter = Drafter::lookup, .drafts = 3, .acceptance = 0}.tokens_per_iteration() == 1);
}

TEST_CASE("checking guesses costs what as many prompt tokens cost, and reads the cache once", "[closed_form][serving]") {
  ReplicaModel plain = replica({});
  ReplicaModel checking = replica({.drafter = Drafter::lookup, .drafts = 3});
  const IterationCost one = plain.decode(8).at(4000);
  const IterationCost four = checking.decode(8).at(4000);
  CHECK(four.flops.si() == Approx(4 * one.flops.si()).epsilon(0.001));
  CHECK(four.memory < 1.05 * one.memory);
  CHECK(four.latency < 1.2 * one.latency); // few tokens: still the weights' time
  CHECK(checking.decode(128).at(500).latency > 1.5 * plain.decode(128).at(500).latency);
  CHECK(checking.cost({}, 8, 4000).latency.si() == Approx(four.latency.si()).epsilon(0.002));
}

TEST_CASE("guesses of a layer and of a model cost their passes", "[closed_form][serving]") {
  const double lookup = replica({.drafter = Drafter::lookup, .drafts = 2}).decode(4).at(1000).memory.si();
  const double layer = replica({.drafter = Drafter::prediction_layers, .drafts = 2}).decode(4).at(1000).memory.si();
  const double weights = 2 * (llama(1, 4096).parameters() - 128256.0 * 4096 + 2 * 4096.0 * 4096); // entry, layer, head
  CHECK(layer - lookup == Approx(2 * weights).epsilon(0.02));
  Speculation small{.drafter = Drafter::model, .drafts = 2, .model = llama(8, 1024)};
  const double model = replica(small).decode(4).at(1000).memory.si();
  const double own = 2 * (llama(8, 1024).parameters() - 128256.0 * 1024);
  const double keys = 4 * 1000 * 8 * 2 * 8 * 128 * 2.0; // of its own cache
  CHECK(model - lookup == Approx(2 * (own + keys)).epsilon(0.03));
  ReplicaModel with = replica(small);
  CHECK(stage_weights(with.graph()).front().si() - stage_weights(replica({}).graph()).front().si() ==
        Approx(2 * llama(8, 1024).parameters()).epsilon(0.001));
}

} // namespace orrery::speculation_test
