#include "models/collective_traffic.hpp"

namespace orrery {

namespace {

/// In parts of the buffer, one for each rank.
double parts(CollectiveKind kind, double n, bool in_memory) {
  switch (kind) {
  case CollectiveKind::all_reduce:
    return parts(CollectiveKind::reduce_scatter, n, in_memory) + parts(CollectiveKind::all_gather, n, in_memory);
  case CollectiveKind::reduce_scatter:
    return in_memory ? (n - 2) + (n - 1) - 1 : (2 * n - 1) + n;
  case CollectiveKind::all_gather:
  case CollectiveKind::all_to_all:
    return 2 * (n - 1);
  case CollectiveKind::broadcast:
    return n;
  }
  return 0;
}

} // namespace

Bytes collective_traffic(const Collective& collective, int ranks) {
  return ranks > 1 ? collective.bytes / ranks * parts(collective.kind, ranks, collective.in_memory) : Bytes{};
}

} // namespace orrery
