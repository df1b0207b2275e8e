#include "sim/engine/step_transfers.hpp"

#include "sim/engine/link_loads.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

namespace orrery {

namespace {

/// Collects the meetings of a step. Members of a data group are the replicas of a stage; of an embedding group the stages of a replica that
/// list it.
class Planner {
public:
  Planner(const CostedGraph& graph, int replicas, const StepTraffic* traffic)
      : graph_(graph), stages_(static_cast<int>(graph.stages.size())), replicas_(replicas), traffic_(traffic) {}

  StepTransfers plan() {
    if (traffic_ != nullptr)
      plan_.network = traffic_->network;
    for (int r = 0; r < replicas_; ++r)
      for (int s = 0; s < stages_; ++s) {
        const CostedStage& stage = graph_.stages[static_cast<std::size_t>(s)];
        const StageTraffic* loads = traffic_of(r, s);
        std::vector<Transfer>& messages = plan_.messages.emplace_back();
        for (int i = 0; i < stage.messages(); ++i)
          messages.push_back(message(stage.message(i), loads == nullptr ? nullptr : &loads->sends[static_cast<std::size_t>(i)]));
        plan_.reductions.push_back(meet(stage.reductions, SpanKind::reduction, r, s, loads == nullptr ? nullptr : &loads->reductions));
        plan_.gathers.push_back(meet(stage.gathers, SpanKind::gather, r, s, loads == nullptr ? nullptr : &loads->gathers));
      }
    if (traffic_ != nullptr)
      finish_routes();
    return std::move(plan_);
  }

private:
  using Route = std::vector<LinkLoad>;
  /// Kind, group, replica or stage that is shared, occurrence in the list.
  using MeetingKey = std::tuple<SpanKind, Group, int, int>;

  static constexpr std::uint32_t none = ~std::uint32_t{};

  [[nodiscard]] const StageTraffic* traffic_of(int replica, int stage) const {
    if (traffic_ == nullptr || traffic_->stages.empty())
      return nullptr;
    return &traffic_->stages[static_cast<std::size_t>(replica * stages_ + stage) % traffic_->stages.size()];
  }

  static Transfer message(const CostedMessage& message, const Route* route) {
    return {.time = message.time(), .latency = message.latency, .bytes = message.bytes, .route = route == nullptr ? Route{} : *route};
  }

  std::vector<std::uint32_t> meet(const std::vector<CostedCollective>& list, SpanKind kind, int replica, int stage,
                                  const std::vector<Route>* routes) {
    std::vector<std::uint32_t> indices;
    std::map<Group, int> occurrence;
    const auto lane = static_cast<std::uint32_t>(replica * stages_ + stage);
    for (std::size_t i = 0; i < list.size(); ++i) {
      const CostedCollective& collective = list[i];
      const int shared = collective.group == Group::embedding ? replica : stage;
      const MeetingKey key{kind, collective.group, shared, occurrence[collective.group]++};
      const auto [found, fresh] = index_.try_emplace(key, static_cast<std::uint32_t>(plan_.meetings.size()));
      if (fresh) {
        Meeting meeting;
        meeting.transfer = {.time = collective.time, .latency = collective.latency, .bytes = collective.network, .route = {}};
        if (routes != nullptr && i < routes->size())
          meeting.transfer.route = (*routes)[i];
        meeting.kind = kind;
        meeting.position = static_cast<int>(i);
        meeting.overlapped = collective.overlapped;
        plan_.meetings.push_back(std::move(meeting));
      }
      Meeting& meeting = plan_.meetings[found->second];
      meeting.transfer.time = std::max(meeting.transfer.time, collective.time);
      meeting.members.push_back(lane);
      indices.push_back(found->second);
    }
    return indices;
  }

  /// Every transfer and a lane that does nothing else meanwhile: the sender of a message, a member of a collective. `none` where they go
  /// on.
  template <class Visit> void each_transfer(Visit visit) {
    for (std::uint32_t lane = 0; lane < plan_.messages.size(); ++lane)
      for (Transfer& transfer : plan_.messages[lane])
        visit(transfer, graph_.overlap_p2p ? none : lane);
    for (Meeting& meeting : plan_.meetings)
      visit(meeting.transfer, meeting.overlapped ? none : meeting.members.front());
  }

  /// Gives each transfer a link of its own that keeps it to its costed bandwidth, then keeps what constrains.
  void finish_routes() {
    std::vector<NetworkLink>& links = plan_.network.links;
    std::vector<Route*> routes;
    std::vector<std::uint32_t> owners;
    each_transfer([&](Transfer& transfer, std::uint32_t lane) {
      const Seconds carrying = transfer.time - transfer.latency;
      if (transfer.bytes <= Bytes{} || carrying <= Seconds{})
        transfer.route.clear();
      if (transfer.route.empty())
        return;
      transfer.route.push_back({.link = static_cast<std::uint32_t>(links.size()), .weight = 1});
      links.push_back({fmt::format("transfer {}", routes.size()), transfer.bytes / carrying});
      owners.push_back(lane == none ? static_cast<std::uint32_t>(plan_.messages.size() + routes.size()) : lane);
      routes.push_back(&transfer.route);
    });
    std::vector<BytesPerSecond> bandwidths;
    for (const NetworkLink& link : links)
      bandwidths.push_back(link.bandwidth);
    const std::vector<std::uint32_t> users = fold_links(bandwidths, routes, std::move(owners));
    // Alone on the one link that is left to it, a transfer is of known length.
    each_transfer([&](Transfer& transfer, std::uint32_t /*lane*/) {
      if (transfer.route.size() != 1 || users[transfer.route.front().link] > 1)
        return;
      const LinkLoad load = transfer.route.front();
      transfer.time = std::max(transfer.time, transfer.latency + transfer.bytes * load.weight / bandwidths[load.link]);
      transfer.route.clear();
    });
    forget_unused_links(routes);
  }

  void forget_unused_links(const std::vector<Route*>& routes) {
    std::vector<NetworkLink>& links = plan_.network.links;
    std::vector<bool> named(links.size(), false);
    for (const Route* route : routes)
      for (const LinkLoad& load : *route)
        named[load.link] = true;
    std::vector<std::uint32_t> number(links.size(), 0);
    std::vector<NetworkLink> kept;
    for (std::size_t link = 0; link < links.size(); ++link)
      if (named[link]) {
        number[link] = static_cast<std::uint32_t>(kept.size());
        kept.push_back(std::move(links[link]));
      }
    links = std::move(kept);
    for (Route* route : routes)
      for (LinkLoad& load : *route)
        load.link = number[load.link];
  }

  const CostedGraph& graph_;
  int stages_;
  int replicas_;
  const StepTraffic* traffic_;
  StepTransfers plan_;
  std::map<MeetingKey, std::uint32_t> index_;
};

} // namespace

StepTransfers plan_transfers(const CostedGraph& graph, int simulated_replicas, const StepTraffic* traffic) {
  return Planner(graph, simulated_replicas, traffic).plan();
}

} // namespace orrery
