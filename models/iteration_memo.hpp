// What the parts of ReplicaModel share.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

namespace orrery {

/// The entry of a memo that grows as it is asked.
template <class T> std::unique_ptr<T>& memo_slot(std::vector<std::unique_ptr<T>>& memo, int key) {
  if (static_cast<std::size_t>(key) >= memo.size())
    memo.resize(std::max<std::size_t>(static_cast<std::size_t>(key) + 1, memo.size() * 2));
  return memo[static_cast<std::size_t>(key)];
}

/// What the busiest of several groups gets of so many.
constexpr int group_share(int count, int groups) { return (count + groups - 1) / groups; }

} // namespace orrery
