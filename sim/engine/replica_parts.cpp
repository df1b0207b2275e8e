// Parts of a device that move between prefill and decode.
//
// What:    whoever launches takes what the other does not hold. Prompts beside decoding take as many parts as leave an iteration of the
//          present decoding batch within its slack of what it takes on all parts but one; alone, each has the whole device.
// Source:  Nexus (arXiv 2507.06608): shares of the multiprocessors chosen batch by batch, prompts first, under a bound on the slowdown of
//          decoding.
// Valid:   one batch in flight on either side; parts change hands between iterations only.
#include "sim/engine/replica.hpp"

#include <algorithm>
#include <cassert>

namespace orrery {

int Replica::parts_for_prompts() const {
  const Replica& decode = *memory_->decode;
  const Slot& slot = decode.slots_.front();
  const int all = static_cast<int>(decode.spec_.parts.size());
  const std::size_t handed_over = running_ - slots_.front().prefilling.size();
  if (slot.batch == 0 && decode.waiting_count_ == 0 && handed_over == 0)
    return all;
  const auto batch = static_cast<int>(std::max<std::int64_t>(1, slot.batch));
  const double context = slot.batch > 0 ? slot.context / batch : 1;
  const auto time = [&](int parts) { return decode.spec_.parts[static_cast<std::size_t>(parts - 1)]->decode(batch).at(context).latency; };
  const Seconds most = (1 + spec_.decode_slack) * time(all - 1);
  int prompts = all - 1;
  while (prompts > 1 && time(all - prompts) > most)
    --prompts;
  return prompts;
}

bool Replica::take_parts(Slot& slot) {
  if (spec_.parts.empty())
    return true;
  const Replica& other = *(spec_.pool == Pool::prefill ? memory_->decode : memory_->prefill);
  const Slot& beside = other.slots_.front();
  const int free = static_cast<int>(spec_.parts.size()) - (beside.busy ? beside.parts : 0);
  slot.parts = spec_.pool == Pool::prefill ? std::min(free, parts_for_prompts()) : free;
  assert(slot.parts >= 0);
  if (slot.parts == 0)
    return false;
  slot.model = spec_.parts[static_cast<std::size_t>(slot.parts - 1)];
  return true;
}

} // namespace orrery
