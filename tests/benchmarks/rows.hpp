// The files of benchmarks that main.cpp knows.
#pragma once

#include "tests/benchmarks/bench.hpp"

namespace orrery::bench {

Rows engine_rows();
Rows hardware_rows();
Rows failure_rows();
Rows kernel_rows();
Rows sweep_rows();
Rows search_rows();
Rows serving_rows();
Rows traffic_rows();
Rows training_rows();

} // namespace orrery::bench
