#include "workloads/documents.hpp"

#include "sim/base/random.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace orrery {

namespace {

constexpr int drawn_for_means = 512;

double attended_length(const Documents& documents, int sequence, RandomStream& stream) {
  double left = sequence;
  double squares = 0;
  while (left > 0) {
    const double drawn = documents.spread > 0 ? stream.lognormal(std::log(documents.median), documents.spread) : documents.median;
    const double length = std::min(left, std::max(1.0, std::round(drawn)));
    squares += length * length;
    left -= length;
  }
  return squares / sequence;
}

} // namespace

std::vector<double> attended_lengths(const Documents& documents, int sequence, int count, std::uint64_t seed) {
  if (!documents.packed())
    return std::vector<double>(static_cast<std::size_t>(count), sequence);
  RandomStream stream(seed, "documents");
  std::vector<double> lengths;
  for (int i = 0; i < count; ++i)
    lengths.push_back(attended_length(documents, sequence, stream));
  return lengths;
}

std::vector<double> drawn_attended_lengths(const Documents& documents, int sequence) {
  return attended_lengths(documents, sequence, documents.unequal() ? drawn_for_means : 1, 1);
}

double mean_attended_length(const Documents& documents, int sequence) {
  if (!documents.packed())
    return sequence;
  const std::vector<double> lengths = drawn_attended_lengths(documents, sequence);
  return std::accumulate(lengths.begin(), lengths.end(), 0.0) / static_cast<double>(lengths.size());
}

double excess_share(const std::vector<double>& loads) {
  const double sum = std::accumulate(loads.begin(), loads.end(), 0.0);
  const double mean = sum / static_cast<double>(loads.size());
  return std::accumulate(loads.begin(), loads.end(), 0.0, [&](double excess, double load) { return excess + std::max(0.0, load - mean); }) /
         sum;
}

} // namespace orrery
