#include "scenarios/data_files.hpp"
#include "scenarios/published/serving_host.hpp"

#include <catch2/catch.hpp>

namespace orrery::serving_host_test {

using Catch::Detail::Approx;

TEST_CASE("host constants of serving engines come out of a third of their published rows", "[calibration][serving][slow]") {
  const std::string file = data_file("scenarios/validation/serving.csv");
  const std::vector<ServingRow> rows = serving_rows(read_csv(file), file);
  int fitted = 0;
  for (const ServingRow& row : rows)
    fitted += fits_serving_host(row) ? 1 : 0;
  CHECK(fitted > 800);
  CHECK(fitted < 1100);
  for (const auto& [name, host] : fit_serving_hosts(rows, load_calibration())) {
    const ServingTraits engine = load_software(name).serving;
    CAPTURE(name);
    if (!engine.works_ahead) {
      CHECK(engine.iteration_host.si() == Approx(host.iteration.si()).epsilon(0.02).margin(1e-5));
      CHECK(engine.sequence_host.si() == Approx(host.sequence.si()).epsilon(0.02).margin(1e-6));
    }
    if (host.request.si() > 0)
      CHECK(engine.request_host.si() == Approx(host.request.si()).epsilon(0.02).margin(1e-4));
  }
}

} // namespace orrery::serving_host_test
