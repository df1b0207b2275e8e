#include "sim/engine/link_classes.hpp"

#include <algorithm>
#include <unordered_map>

namespace orrery {

std::uint32_t LinkClasses::end_transfer() {
  const std::uint32_t transfer = transfers_++;
  std::unordered_map<std::uint64_t, std::uint32_t> parts; // of a class and a weight; only looked up, never walked
  std::uint64_t last_key = 0;
  std::uint32_t last_part = 0;
  counter_.drain([&](LinkId link, std::uint32_t weight) {
    const std::uint64_t key = (static_cast<std::uint64_t>(class_[link]) << 32U) | weight;
    // Neighbours are mostly alike. No key is 0, since no weight is.
    if (key != last_key) {
      const auto [found, fresh] = parts.try_emplace(key, static_cast<std::uint32_t>(classes_.size()));
      if (fresh)
        classes_.push_back({.parent = class_[link], .transfer = transfer, .weight = weight});
      last_key = key;
      last_part = found->second;
    }
    class_[link] = last_part;
  });
  return transfer;
}

std::vector<std::vector<LinkLoad>> LinkClasses::routes() const {
  constexpr LinkId none = ~LinkId{};
  std::vector<LinkId> tightest(classes_.size(), none);
  for (LinkId link = 0; link < class_.size(); ++link)
    if (LinkId& best = tightest[class_[link]]; best == none || topology_.link(link).bandwidth < topology_.link(best).bandwidth)
      best = link;
  std::vector<std::vector<LinkLoad>> routes(transfers_);
  for (std::uint32_t c = 1; c < classes_.size(); ++c)
    if (tightest[c] != none)
      for (std::uint32_t at = c; at != 0; at = classes_[at].parent)
        routes[classes_[at].transfer].push_back({.link = tightest[c], .weight = classes_[at].weight});
  for (std::vector<LinkLoad>& route : routes)
    std::ranges::sort(route, {}, &LinkLoad::link);
  return routes;
}

} // namespace orrery
