// The timeline of a result as Chrome trace events, which Perfetto and chrome://tracing open.
#pragma once

#include "scenarios/result.hpp"

#include <ostream>

namespace orrery {

/// One process per replica and stage, one thread per stream, counters of power and memory per process. Times in microseconds. Written span
/// by span: a trace may be larger than memory should hold twice.
void write_trace(std::ostream& out, const Result& result);

} // namespace orrery
