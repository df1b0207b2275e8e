#include "sim/engine/engine.hpp"

#include <algorithm>
#include <cassert>

namespace orrery {

Seconds Engine::run(WorkSource& source) {
  source_ = &source;
  items_.clear();
  free_.clear();
  actors_.clear();
  heap_.clear();
  now_ = origin_ = 0;
  sequence_ = completed_ = 0;
  flows_ = 0;
  bound_ = driven_ = false;
  delivered_.assign(network_.links.size(), Bytes{});
  source.start(*this);
  for (;;) {
    drop_stale();
    if (flows_ > 0) {
      driven_ = true;
      simgrid_network::drive(*this);
      driven_ = false;
    } else if (!heap_.empty()) {
      step();
    } else {
      break;
    }
  }
  if (bound_)
    delivered_ = simgrid_network::delivered();
  return Seconds{now_};
}

WorkId Engine::submit(const Work& work) {
  assert(work.stretchable >= Seconds{} && work.rigid >= Seconds{} && work.latency >= Seconds{} && work.bytes >= Bytes{});
  const std::uint32_t slot = take_slot();
  Item& item = items_[slot];
  item.id = (++sequence_ << slot_bits) | slot;
  item.work = work;
  item.since = now_;
  Actor& owner = actor(work.actor);
  item.previous = none;
  item.next = owner.first;
  if (owner.first != none)
    items_[owner.first].previous = slot;
  owner.first = slot;
  if (work.route.empty()) {
    item.phase = Phase::span;
    item.stretchable = work.stretchable.si();
    item.rigid = work.rigid.si();
    schedule(item);
    return item.id;
  }
  assert(work.stretchable == Seconds{} && work.rigid == Seconds{});
  item.stretchable = 0;
  item.rigid = work.latency.si();
  item.phase = work.bytes > Bytes{} ? Phase::delay : Phase::span;
  const WorkId id = item.id;
  if (item.phase == Phase::delay && item.rigid == 0)
    begin_flow(slot);
  else
    schedule(item);
  return id;
}

void Engine::stop(WorkId id) {
  const Item* item = find(id);
  if (item == nullptr)
    return;
  const auto slot = static_cast<std::uint32_t>(item - items_.data());
  if (item->phase == Phase::flow) {
    simgrid_network::stop(slot);
    --flows_;
  }
  release(slot);
}

void Engine::set_clock(std::uint32_t index, double clock) {
  assert(clock > 0);
  Actor& owner = actor(index);
  const double before = owner.clock;
  owner.clock = clock;
  for (std::uint32_t slot = owner.first; slot != none; slot = items_[slot].next) {
    Item& item = items_[slot];
    if (item.phase != Phase::span || item.stretchable == 0)
      continue;
    const double whole = item.stretchable / before + item.rigid;
    const double left = std::max(0.0, 1 - (now_ - item.since) / whole);
    item.stretchable *= left;
    item.rigid *= left;
    item.since = now_;
    schedule(item);
  }
}

double Engine::reach(double now) {
  bool handled = false;
  for (drop_stale(); !heap_.empty(); drop_stale()) {
    const double due = heap_.front().time;
    // Either form may be short of the other by a rounding.
    if (due > origin_ + now && due - origin_ > now)
      break;
    step();
    handled = true;
  }
  if (flows_ == 0)
    return -1;
  // SimGrid may have looked at its flows before it asked here: after any change it has to look again.
  if (handled)
    return now;
  return heap_.empty() ? -1 : heap_.front().time - origin_;
}

void Engine::flow_ended(std::uint32_t slot, double now) {
  Item& item = items_[slot];
  --flows_;
  item.phase = Phase::flow_ended;
  item.end = std::max(now_, origin_ + now);
  heap_.push_back({item.end, item.id});
  std::push_heap(heap_.begin(), heap_.end());
}

Engine::Actor& Engine::actor(std::uint32_t index) {
  if (actors_.size() <= index)
    actors_.resize(index + 1);
  return actors_[index];
}

std::uint32_t Engine::take_slot() {
  if (free_.empty()) {
    assert(items_.size() < (1U << slot_bits));
    items_.emplace_back();
    return static_cast<std::uint32_t>(items_.size() - 1);
  }
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  return slot;
}

void Engine::schedule(Item& item) {
  item.end = item.since + (item.stretchable / actors_[item.work.actor].clock + item.rigid);
  heap_.push_back({item.end, item.id});
  std::push_heap(heap_.begin(), heap_.end());
}

void Engine::begin_flow(std::uint32_t slot) {
  if (!bound_)
    simgrid_network::bind(network_);
  bound_ = true;
  if (flows_ == 0 && !driven_)
    origin_ = now_;
  Item& item = items_[slot];
  item.phase = Phase::flow;
  ++flows_;
  simgrid_network::start(slot, item.work.bytes, item.work.route);
}

void Engine::release(std::uint32_t slot) {
  Item& item = items_[slot];
  if (item.previous != none)
    items_[item.previous].next = item.next;
  else
    actors_[item.work.actor].first = item.next;
  if (item.next != none)
    items_[item.next].previous = item.previous;
  item.id = 0;
  free_.push_back(slot);
}

Engine::Item* Engine::find(WorkId id) {
  const WorkId slot = id & ((WorkId{1} << slot_bits) - 1);
  return id != 0 && slot < items_.size() && items_[slot].id == id ? &items_[slot] : nullptr;
}

void Engine::drop_stale() {
  while (!heap_.empty()) {
    const Item* item = find(heap_.front().id);
    if (item != nullptr && item->end == heap_.front().time && item->phase != Phase::flow)
      return;
    std::pop_heap(heap_.begin(), heap_.end());
    heap_.pop_back();
  }
}

void Engine::step() {
  const Entry entry = heap_.front();
  std::pop_heap(heap_.begin(), heap_.end());
  heap_.pop_back();
  now_ = std::max(now_, entry.time);
  const auto slot = static_cast<std::uint32_t>(entry.id & ((WorkId{1} << slot_bits) - 1));
  if (items_[slot].phase == Phase::delay) {
    begin_flow(slot);
    return;
  }
  const Work work = std::move(items_[slot].work);
  items_[slot].work.actor = work.actor;
  release(slot);
  ++completed_;
  source_->completed(entry.id, work, *this);
}

} // namespace orrery
