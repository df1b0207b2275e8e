// Parameter tables of traffic: arrivals, lengths, sessions, classes, and which part of a trace is taken.
#pragma once

#include "sim/base/params.hpp"
#include "workloads/requests/request_trace.hpp"
#include "workloads/requests/request_traffic.hpp"

#include <utility>

namespace orrery {

const Table<Traffic>& traffic_table();
const Table<TrafficClass>& traffic_class_table();
Codec<ArrivalLaw> arrival_codec();
Codec<LengthLaw> length_codec();

/// Mistakes over several classes: names twice, no share. `key` = of their list.
void check_classes(const std::vector<TrafficClass>& classes, const std::string& key, const Report& report);

/// The bound on the gaps between a request's tokens, in a table of what is promised.
template <class T> Table<T>& with_gap_bound(Table<T>& table, QuantityOptions<Seconds> bound) {
  return table.quantity("itl", &T::itl, std::move(bound))
      .number("itl_within", &T::itl_within, {.above = 0, .max = 1, .help = "share of a request's gaps that has to keep it; by default all"})
      .check([](const T& row, const Report& report) {
        if (row.itl_within && !row.itl)
          report.error("itl_within", "without 'itl'", "a bound that it is a share of");
      });
}

} // namespace orrery
