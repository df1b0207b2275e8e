#include "models/image_cost.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

ImageReplica::ImageReplica(const Cluster& cluster, ImageService service, Precision precision, const SoftwareProfile& software,
                           const Calibration& calibration, std::optional<Watts> device_cap)
    : service_(std::move(service)), precision_(precision), software_(software), kernels_(cluster.node.device, calibration, software),
      collectives_(cluster, calibration), power_(cluster.node.device, device_cap),
      placement_(place_group(cluster, {.size = service_.patches})) {}

std::vector<ImageReplica::Part> ImageReplica::parts(int sequences) const {
  std::vector<Part> parts;
  for (ImagePart& part : image_pass(service_.model, service_.batch(sequences, precision_))) {
    Part& priced = parts.emplace_back();
    for (const Operator& op : part.operators) {
      const auto* collective = std::get_if<Collective>(&op.shape);
      if (collective == nullptr) {
        priced.costs.push_back(kernels_.cost(op));
        continue;
      }
      const CollectiveCost cost = collectives_.cost(collective->kind, collective->bytes, placement_);
      priced.costs.push_back({.time = cost.time,
                              .scale_up = cost.scale_up_bytes,
                              .network = cost.network_bytes,
                              .bound = Bound::network,
                              .assumed = cost.assumed});
    }
    priced.part = std::move(part);
  }
  return parts;
}

IterationCost ImageReplica::pass(int sequences, bool late) const {
  Activity work;
  Seconds exchanged;
  Flops flops;
  Bytes memory;
  double kernels = 0;
  for (const Part& part : parts(sequences))
    for (std::size_t i = 0; i < part.costs.size(); ++i) {
      const OpCost& cost = part.costs[i];
      const double count = part.part.count;
      kernels += count * part.part.operators[i].kernels;
      if (cost.bound == Bound::network) {
        exchanged += count * cost.time;
        continue;
      }
      const Activity one = power_.activity(cost, part.part.operators[i].precision);
      work += {.stretchable = count * one.stretchable,
               .rigid = count * one.rigid,
               .arithmetic = count * one.arithmetic,
               .transfer = count * one.transfer};
      flops += count * cost.flops;
      memory += count * cost.memory;
    }
  if (sequences > software_.serving.graph_sequences)
    work.rigid += std::max(Seconds{}, kernels * software_.kernel_launch - work.stretchable - work.rigid);
  const Span span = power_.limited(work);
  const Seconds hidden = late ? overlap_gain * std::min(span.total(), exchanged) : Seconds{};
  const Seconds time = span.total() + exchanged - hidden;
  const double devices = service_.patches;
  const Joules energy = span.power * span.total() + waiting_power(power_.model()) * (time - span.total());
  return {.latency = time,
          .occupancy = time,
          .energy = devices * energy,
          .excess = devices * power_.excess(span),
          .flops = devices * flops,
          .memory = devices * memory};
}

const IterationCost& ImageReplica::known_pass(int sequences, bool late) {
  const auto known = passes_.find({sequences, late});
  return known != passes_.end() ? known->second : passes_.emplace(std::pair{sequences, late}, pass(sequences, late)).first->second;
}

IterationCost ImageReplica::cost(std::span<const PrefillChunk> prompts, int decodes, double /*context*/) {
  return known_pass(static_cast<int>(prompts.size()) + decodes, service_.late && prompts.empty());
}

const DecodeCurve& ImageReplica::decode(int sequences) {
  const auto known = curves_.find(sequences);
  if (known != curves_.end())
    return known->second;
  const IterationCost& one = known_pass(sequences, service_.late);
  return curves_.emplace(sequences, DecodeCurve({0, 1}, {one, one})).first->second;
}

ServingMemory image_memory(const ImageService& service, Precision precision, int sequences, const Device& device,
                           const SoftwareProfile& software) {
  ServingMemory memory{.capacity = device.memory.empty() ? Bytes{} : device.memory.front().capacity,
                       .weights = Bytes{service.model.parameters * element_bytes(precision)},
                       .workspace = image_activations(service.model, service.batch(sequences, precision), service.late),
                       .framework = software.framework_memory,
                       .kv_blocks = sequences};
  memory.room = memory.capacity - memory.weights - memory.workspace - memory.framework;
  return memory;
}

std::vector<Violation> check_patches(const ImageService& service) {
  std::vector<Violation> found;
  const int rows = image_rows(service.model, service.size);
  if (rows == 0)
    found.push_back({fmt::format("an image of {} pixels has no row of {}", service.size, service.model.name)});
  else if (rows % service.patches != 0)
    found.push_back({fmt::format("{} rows of tokens are not divisible by {} patches", rows, service.patches)});
  return found;
}

} // namespace orrery
