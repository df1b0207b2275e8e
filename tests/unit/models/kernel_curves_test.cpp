#include "models/kernel_curves.hpp"

#include <catch2/catch.hpp>

namespace orrery::kernel_curves_test {

TEST_CASE("curves are read back as they were written", "[models][curves]") {
  Calibration calibration;
  ArchitectureCurves& curves = calibration.architectures["hopper"];
  curves.matmul[Precision::fp8] = MatmulCurve{.rate = 0.61, .floor = Seconds{3.25e-6}, .assumed = false};
  curves.attention[Precision::bf16].softmax = 51.5;
  curves.streaming[OpClass::optimizer].memory = 0.77;
  curves.collective[CollectiveKind::all_gather].few_loss = 0.41;
  curves.in_switch = CollectiveCurve{.share = 0.6};
  calibration.network.share = 0.9;
  const std::string text = yaml::to_yaml(write_calibration(calibration));
  Diagnostics diagnostics;
  const Calibration read = read_calibration(yaml::parse_yaml(text, "curves.yaml", diagnostics), diagnostics);
  REQUIRE(diagnostics.empty());
  CHECK(yaml::to_yaml(write_calibration(read)) == text);
  CHECK(read.architectures.at("hopper").matmul.at(Precision::fp8).floor == Seconds{3.25e-6});
  CHECK_FALSE(read.architectures.at("hopper").send.has_value());
}

TEST_CASE("a share above one is refused", "[models][curves]") {
  Diagnostics diagnostics;
  (void)read_calibration(yaml::parse_yaml("architectures: []\nnetwork: { share: 1.2 }\n", "curves.yaml", diagnostics), diagnostics);
  CHECK(diagnostics.size() == 1);
}

} // namespace orrery::kernel_curves_test
