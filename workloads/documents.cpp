#include "workloads/documents.hpp"

#include "sim/base/random.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace orrery {

namespace {

/// Documents of a sequence that is filled one by one; the last is cut at its end.
std::vector<double> filled(const Documents& documents, int sequence, RandomStream& stream) {
  std::vector<double> lengths;
  for (double left = sequence; left > 0; left -= lengths.back()) {
    const double drawn = documents.spread > 0 ? stream.lognormal(std::log(documents.median), documents.spread) : documents.median;
    lengths.push_back(std::min(left, std::max(1.0, std::round(drawn))));
  }
  return lengths;
}

double squares_of(const std::vector<double>& lengths) {
  return std::accumulate(lengths.begin(), lengths.end(), 0.0, [](double sum, double length) { return sum + length * length; });
}

/// Sums of squares of `count` sequences that the documents are dealt to, by falling length. They fill them exactly.
std::vector<double> dealt(std::vector<double> documents, double sequence, std::size_t count) {
  std::vector<double> squares(count);
  std::vector<double> room(count, sequence);
  std::ranges::sort(documents, std::greater<>{});
  for (double left : documents)
    while (left > 0) {
      std::size_t best = count;
      for (std::size_t i = 0; i < count; ++i)
        if (room[i] >= left && (best == count || squares[i] < squares[best]))
          best = i;
      if (best == count)
        best = static_cast<std::size_t>(std::ranges::max_element(room) - room.begin());
      const double part = std::min(left, room[best]);
      squares[best] += part * part;
      room[best] -= part;
      left -= part;
    }
  return squares;
}

} // namespace

std::vector<double> attended_lengths(const Documents& documents, int sequence, int count, std::uint64_t seed) {
  if (!documents.packed())
    return std::vector<double>(static_cast<std::size_t>(count), sequence);
  RandomStream stream(seed, "documents");
  std::vector<double> squares;
  std::vector<double> all;
  for (int i = 0; i < count; ++i) {
    const std::vector<double> own = filled(documents, sequence, stream);
    squares.push_back(squares_of(own));
    if (documents.balanced)
      all.insert(all.end(), own.begin(), own.end());
  }
  if (documents.balanced)
    squares = dealt(std::move(all), sequence, squares.size());
  for (double& sum : squares)
    sum /= sequence;
  return squares;
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
