// Parameter tables of traffic: arrivals, lengths, sessions, classes, and which part of a trace is taken.
#pragma once

#include "sim/base/params.hpp"
#include "workloads/requests/request_trace.hpp"
#include "workloads/requests/request_traffic.hpp"

namespace orrery {

const Table<Traffic>& traffic_table();
const Table<TrafficClass>& traffic_class_table();
Codec<ArrivalLaw> arrival_codec();
Codec<LengthLaw> length_codec();

/// Mistakes over several classes: names twice, no share. `key` = of their list.
void check_classes(const std::vector<TrafficClass>& classes, const std::string& key, const Report& report);

} // namespace orrery
