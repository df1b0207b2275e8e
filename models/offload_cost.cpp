#include "models/offload_cost.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

namespace {

/// What a node without the path in question would take is refused before anything is priced (tier_shortages).
Seconds time_of(Bytes bytes, BytesPerSecond rate) { return bytes > Bytes{} && rate > BytesPerSecond{} ? bytes / rate : Seconds{}; }

} // namespace

BytesPerSecond host_link_rate(const NodeType& node) {
  const Host& host = node.host;
  const bool shared = host.device_links > BytesPerSecond{};
  return link_share * (shared ? std::min(host.device_link, host.device_links / node.devices) : host.device_link);
}

TierModel::TierModel(const NodeType& node) {
  const double devices = node.devices;
  link_ = host_link_rate(node);
  memory_ = node.host.memory.bandwidth * (memory_share / devices);
  processor_ = node.host.memory.bandwidth * (processor_share / devices);
  peak_ = node.host.cpu_peak / devices;
  if (node.host.storage) {
    read_ = node.host.storage->bandwidth / devices;
    write_ = node.host.storage->write_bandwidth.value_or(node.host.storage->bandwidth) / devices;
  }
}

TierLoad TierModel::moved(Tier tier, Bytes in, Bytes out) const {
  TierLoad load{.in = time_of(in, link_), .out = time_of(out, link_), .memory = time_of(in + out, memory_)};
  if (tier == Tier::storage) {
    load.memory += time_of(in + out, memory_);
    load.storage = time_of(in, read_) + time_of(out, write_);
  }
  return load;
}

TierLoad TierModel::transfer(const TierTransfer& transfer) const { return moved(transfer.tier, transfer.in, transfer.out); }

TierLoad TierModel::update(const TierUpdate& update, double device_share, Seconds on_device) const {
  const double k = device_share;
  const bool returns = update.parameters_tier == Tier::device;
  // The device's share comes in and goes back; its arithmetic holds the link's buffers, so it counts as time of the way in.
  TierLoad load = moved(update.tier, (update.states + update.gradients) * k, update.states * k);
  load.in += on_device * k;
  if (!returns)
    load.add(moved(update.parameters_tier, Bytes{}, update.parameters * k));
  // The host's share.
  const double h = 1 - k;
  const Bytes streamed = 2 * update.states + update.gradients + update.parameters + 2 * update.rescaled;
  const Seconds arithmetic = peak_ > FlopsPerSecond{} ? update.flops / peak_ : Seconds{};
  load.memory += time_of(streamed * h, memory_);
  load.processor += std::max(time_of(streamed, processor_), arithmetic) * h;
  if (update.tier == Tier::storage) {
    load.memory += time_of((2 * update.states + update.gradients) * h, memory_);
    load.storage += time_of((update.states + update.gradients) * h, read_) + time_of(update.states * h, write_);
  }
  if (returns)
    load.add(moved(Tier::host, update.parameters * h, Bytes{}));
  else if (update.parameters_tier == Tier::storage) {
    load.memory += time_of(update.parameters * h, memory_);
    load.storage += time_of(update.parameters * h, write_);
  }
  if (update.serial)
    load.processor += load.in + load.out + load.storage;
  return load;
}

double TierModel::device_share(const TierUpdate& update, Seconds on_device) const {
  if (update.place != UpdatePlace::split)
    return update.place == UpdatePlace::device ? 1 : 0;
  if (update.device_share > 0)
    return update.device_share;
  // The busiest of parts that are linear in the share is convex in it.
  double low = 0;
  double high = 1;
  for (int i = 0; i < 60; ++i) {
    const double third = (high - low) / 3;
    const bool falls = this->update(update, low + third, on_device).longest() > this->update(update, high - third, on_device).longest();
    (falls ? low : high) = falls ? low + third : high - third;
  }
  return (low + high) / 2;
}

std::vector<std::string> tier_shortages(const NodeType& node, const std::vector<MemoryFootprint>& stages) {
  MemoryFootprint most;
  for (const MemoryFootprint& stage : stages) {
    most.host = std::max(most.host, stage.host);
    most.storage = std::max(most.storage, stage.storage);
  }
  std::vector<std::string> found;
  const auto compare = [&](const char* what, Bytes per_rank, Bytes capacity) {
    if (per_rank * node.devices > capacity)
      found.push_back(fmt::format("{} of node {}: {} devices x {} needed > {}", what, node.name, node.devices, gigabytes(per_rank),
                                  gigabytes(capacity)));
  };
  compare("host memory", most.host, node.host.memory.capacity);
  compare("drives", most.storage, node.host.storage ? node.host.storage->capacity : Bytes{});
  if (most.host + most.storage > Bytes{} && node.host.device_link == BytesPerSecond{})
    found.push_back(fmt::format("offload over the host link of node {}: 0 B/s > 0 B/s does not hold", node.name));
  return found;
}

} // namespace orrery
