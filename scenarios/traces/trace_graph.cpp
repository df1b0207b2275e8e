#include "scenarios/traces/trace_graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

namespace orrery {

namespace {

using Index = std::uint32_t;
using Ranks = std::vector<int>;

constexpr int most_mistakes = 20;

class Builder {
public:
  Builder(std::vector<chakra::RankTrace> ranks, const TraceJob& job) : job_(job) { graph_.ranks = std::move(ranks); }

  TraceGraph build() {
    number_tasks();
    learn_groups();
    throw_if_any();
    for (Index i = 0; i < graph_.tasks.size(); ++i) {
      const chakra::NodeKind kind = graph_.node(i).kind;
      if (kind == chakra::NodeKind::collective)
        add_collective(i);
      else if (kind == chakra::NodeKind::send || kind == chakra::NodeKind::receive)
        add_end(i);
    }
    check_collectives();
    join_messages();
    throw_if_any();
    find_circle();
    throw_if_any();
    return std::move(graph_);
  }

private:
  void error(Index task, std::string message, std::string allowed = {}) {
    if (++mistakes_ <= most_mistakes)
      diagnostics_.add({.file = graph_.ranks[graph_.tasks[task].rank].file,
                        .path = graph_.name(task),
                        .message = std::move(message),
                        .allowed = std::move(allowed)});
  }
  void throw_if_any() const { diagnostics_.throw_if_any(); }

  void number_tasks() {
    for (Index r = 0; r < graph_.ranks.size(); ++r) {
      const std::vector<chakra::Node>& nodes = graph_.ranks[r].nodes;
      const auto first = static_cast<Index>(graph_.tasks.size());
      for (Index n = 0; n < nodes.size(); ++n) {
        graph_.tasks.push_back({r, n});
        std::vector<Index>& before = graph_.dependencies.emplace_back();
        for (const std::uint64_t id : nodes[n].dependencies) {
          const auto found = std::ranges::lower_bound(nodes, id, {}, &chakra::Node::id);
          before.push_back(first + static_cast<Index>(found - nodes.begin()));
        }
      }
    }
  }

  /// The ranks of each name: as the job says, else all that use it.
  void learn_groups() {
    for (Index i = 0; i < graph_.tasks.size(); ++i) {
      const chakra::Node& node = graph_.node(i);
      const int rank = static_cast<int>(graph_.tasks[i].rank);
      if (node.kind != chakra::NodeKind::collective || node.group.empty())
        continue;
      Ranks& group = named_[node.group];
      if (group.empty() || group.back() != rank)
        group.push_back(rank);
    }
    for (const TraceGroup& given : job_.groups) {
      Ranks group = given.ranks;
      std::ranges::sort(group);
      group.erase(std::ranges::unique(group).begin(), group.end());
      if (group.empty() || group.back() >= static_cast<int>(graph_.ranks.size()))
        diagnostics_.add({.path = "groups",
                          .message = fmt::format("the group {} has {}", shown(given.name),
                                                 group.empty() ? "no ranks" : fmt::format("rank {}", group.back())),
                          .allowed = fmt::format("ranks from 0 to {}", graph_.ranks.size() - 1)});
      named_[given.name] = std::move(group);
    }
    double product = 1;
    for (const int size : job_.dimensions)
      product *= size;
    if (!job_.dimensions.empty() && product != static_cast<double>(graph_.ranks.size()))
      diagnostics_.add({.path = "dimensions",
                        .message = fmt::format("a grid of {:.0f} places for {} ranks", product, graph_.ranks.size()),
                        .allowed = "sizes whose product is the number of ranks"});
  }

  /// Ranks that a collective joins; empty after a mistake.
  Ranks group_of(Index task) {
    const chakra::Node& node = graph_.node(task);
    const auto rank = static_cast<int>(graph_.tasks[task].rank);
    if (!node.group.empty()) {
      const Ranks& group = named_.at(node.group);
      if (std::ranges::binary_search(group, rank))
        return group;
      error(task, fmt::format("the group {} does not hold rank {}", shown(node.group), rank));
      return {};
    }
    Ranks group;
    const bool all = std::ranges::find(node.dimensions, false) == node.dimensions.end();
    if (!all && node.dimensions.size() != job_.dimensions.size()) {
      error(task, fmt::format("involved_dim speaks of {} dimensions, and some of them only", node.dimensions.size()),
            fmt::format("'dimensions' of the trace with {} sizes", node.dimensions.size()));
      return {};
    }
    for (int other = 0; other < static_cast<int>(graph_.ranks.size()); ++other)
      if (all || same_place(node.dimensions, rank, other))
        group.push_back(other);
    return group;
  }

  /// Whether two ranks differ in the involved dimensions only.
  [[nodiscard]] bool same_place(const std::vector<bool>& involved, int a, int b) const {
    for (std::size_t d = 0; d < involved.size(); ++d) {
      const int size = job_.dimensions[d];
      if (!involved[d] && a % size != b % size)
        return false;
      a /= size;
      b /= size;
    }
    return true;
  }

  void add_collective(Index task) {
    const Ranks group = group_of(task);
    if (group.empty())
      return;
    const chakra::Node& node = graph_.node(task);
    const auto [number, fresh_group] = groups_.try_emplace({node.group, group}, static_cast<Index>(graph_.groups.size()));
    if (fresh_group)
      graph_.groups.push_back(group);
    const Index count = counts_[{number->second, graph_.tasks[task].rank}]++;
    const auto [found, fresh] = collectives_.try_emplace({number->second, count}, static_cast<Index>(graph_.transfers.size()));
    if (fresh)
      graph_.transfers.push_back({.collective = true, .type = node.collective, .group = number->second});
    TraceTransfer& transfer = graph_.transfers[found->second];
    if (transfer.type != node.collective)
      error(task, fmt::format("{} meets {} of {}, the {} of their group in both", chakra::collective_word(node.collective),
                              chakra::collective_word(transfer.type), graph_.name(transfer.tasks.front()), ordinal(count)));
    transfer.bytes = std::max(transfer.bytes, node.message);
    transfer.tasks.push_back(task);
  }

  static std::string ordinal(Index count) { return fmt::format("collective {}", count + 1); }

  void check_collectives() {
    for (const auto& [key, index] : collectives_) {
      const TraceTransfer& transfer = graph_.transfers[index];
      const Ranks& group = graph_.groups[transfer.group];
      if (transfer.tasks.size() == group.size())
        continue;
      std::string absent;
      for (const int rank : group) {
        const bool there =
            std::ranges::any_of(transfer.tasks, [&](Index task) { return graph_.tasks[task].rank == static_cast<Index>(rank); });
        if (!there && absent.size() < 40)
          absent += fmt::format("{}{}", absent.empty() ? "" : ", ", rank);
      }
      error(transfer.tasks.front(),
            fmt::format("it is {} of its group, and has no partner on rank {}: it would wait for ever", ordinal(key.second), absent));
      return; // those that follow in the group lack the same partner
    }
  }

  void add_end(Index task) {
    const chakra::Node& node = graph_.node(task);
    const auto rank = static_cast<int>(graph_.tasks[task].rank);
    const bool sends = node.kind == chakra::NodeKind::send;
    const int own = (sends ? node.source : node.destination).value_or(rank);
    const int other = sends ? *node.destination : *node.source;
    if (own != rank)
      return error(task, fmt::format("{} = {}", sends ? "comm_src" : "comm_dst", own), fmt::format("{}, the rank of the file", rank));
    if (other >= static_cast<int>(graph_.ranks.size()) || other == rank)
      return error(task, fmt::format("{} = {}", sends ? "comm_dst" : "comm_src", other),
                   fmt::format("another rank from 0 to {}", graph_.ranks.size() - 1));
    auto& ends = messages_[{sends ? rank : other, sends ? other : rank, node.tag}];
    (sends ? ends.first : ends.second).push_back(task);
  }

  void join_messages() {
    for (const auto& [key, ends] : messages_) {
      const auto& [source, destination, tag] = key;
      const auto& [sends, receives] = ends;
      if (sends.size() > receives.size())
        error(sends[receives.size()], fmt::format("no receive on rank {} from rank {} with tag {} meets it", destination, source, tag));
      if (receives.size() > sends.size())
        error(receives[sends.size()],
              fmt::format("no send on rank {} to rank {} with tag {} meets it: it would wait for ever", source, destination, tag));
      for (std::size_t i = 0; i < std::min(sends.size(), receives.size()); ++i)
        graph_.transfers.push_back({.bytes = graph_.node(sends[i]).message, .tasks = {sends[i], receives[i]}});
    }
  }

  /// Waiting in a circle: dependencies, collectives that wait for all members, receives that wait for their send.
  void find_circle() {
    // One vertex per task that stands alone and per collective.
    std::vector<Index> vertex(graph_.tasks.size());
    for (Index i = 0; i < vertex.size(); ++i)
      vertex[i] = i;
    for (const TraceTransfer& transfer : graph_.transfers)
      if (transfer.collective)
        for (const Index task : transfer.tasks)
          vertex[task] = transfer.tasks.front();
    std::vector<std::vector<std::pair<Index, Index>>> after(vertex.size()); // (task that waits, its vertex), by the vertex waited for
    std::vector<Index> missing(vertex.size(), 0);
    const auto wait = [&](Index task, Index before) {
      after[vertex[before]].emplace_back(task, before);
      ++missing[vertex[task]];
    };
    for (Index i = 0; i < vertex.size(); ++i)
      for (const Index before : graph_.dependencies[i])
        wait(i, before);
    for (const TraceTransfer& transfer : graph_.transfers)
      if (!transfer.collective)
        wait(transfer.tasks[1], transfer.tasks[0]);
    std::vector<Index> free;
    for (Index i = 0; i < vertex.size(); ++i)
      if (vertex[i] == i && missing[i] == 0)
        free.push_back(i);
    for (std::size_t k = 0; k < free.size(); ++k)
      for (const auto& [task, before] : after[free[k]])
        if (--missing[vertex[task]] == 0)
          free.push_back(vertex[task]);
    report_circle(vertex, missing, after);
  }

  void report_circle(const std::vector<Index>& vertex, const std::vector<Index>& missing,
                     const std::vector<std::vector<std::pair<Index, Index>>>& after) {
    // Every vertex that is left waits for one that is left: going back from any of them ends in a circle.
    std::vector<std::pair<Index, Index>> waits_for(vertex.size(), {no_task, no_task}); // (own task, task waited for)
    Index at = no_task;
    for (Index v = 0; v < vertex.size(); ++v) {
      if (vertex[v] != v || missing[v] == 0)
        continue;
      at = std::min(at, v);
      for (const auto& [task, before] : after[v])
        waits_for[vertex[task]] = {task, before};
    }
    if (at == no_task)
      return;
    std::vector<Index> path;
    std::map<Index, std::size_t> seen;
    while (seen.try_emplace(at, path.size()).second) {
      path.push_back(at);
      at = vertex[waits_for[at].second];
    }
    path.erase(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(seen[at]));
    std::string circle;
    constexpr std::size_t most_named = 8;
    for (std::size_t i = 0; i < path.size() && i < most_named; ++i) {
      const auto [task, before] = waits_for[path[i]];
      // A collective is entered by one member and left by another.
      circle += fmt::format("{}{} waits for {}", circle.empty() ? "" : ", ", graph_.name(task), graph_.name(before));
      if (const Index next = path[(i + 1) % path.size()]; waits_for[next].first != before)
        circle += fmt::format(", which is one collective with {}", graph_.name(waits_for[next].first));
    }
    error(waits_for[path.front()].first,
          fmt::format("deadlock: {}{}", circle, path.size() > most_named ? fmt::format(", and {} more", path.size() - most_named) : ""));
  }

  static constexpr Index no_task = ~0U;

  const TraceJob& job_;
  TraceGraph graph_;
  Diagnostics diagnostics_;
  int mistakes_ = 0;
  std::map<std::string, Ranks> named_;
  std::map<std::pair<std::string, Ranks>, Index> groups_;
  std::map<std::pair<Index, Index>, Index> counts_;      ///< collectives so far, by group and rank
  std::map<std::pair<Index, Index>, Index> collectives_; ///< transfer by group and place in it
  std::map<std::tuple<int, int, std::int64_t>, std::pair<std::vector<Index>, std::vector<Index>>> messages_;
};

} // namespace

std::string TraceGraph::name(std::uint32_t task) const {
  return fmt::format("rank {} node id {} {}", tasks[task].rank, node(task).id, shown(node(task).name));
}

TraceGraph trace_graph(std::vector<chakra::RankTrace> ranks, const TraceJob& job) { return Builder(std::move(ranks), job).build(); }

} // namespace orrery
