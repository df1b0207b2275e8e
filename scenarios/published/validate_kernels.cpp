#include "scenarios/published/validate_kernels.hpp"

#include "hardware/catalogue.hpp"
#include "models/collective_cost.hpp"
#include "models/kernel_cost.hpp"
#include "scenarios/data_files.hpp"
#include "sim/base/catalogue.hpp"
#include "sim/base/percentile.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <tuple>

namespace orrery {

namespace {

/// What prices the rows of one device.
struct Machine {
  Cluster cluster;
  KernelModel kernels;
  KernelModel widened; ///< the same, of integer experts
  KernelModel scalar;  ///< the same, of streaming kernels whose threads load one element at a time
  CollectiveModel library;
  CollectiveModel engine;

  explicit Machine(NodeType node)
      : cluster{.node = std::move(node), .nodes = 1}, kernels(cluster.node.device, load_calibration(), serving_kernels()),
        widened(cluster.node.device, widening(), serving_kernels()),
        scalar(cluster.node.device, load_calibration(), serving_kernels(ScalarKernels::all)), library(cluster, load_calibration()),
        engine(cluster, load_calibration(), {.all_reduce = true, .exchange = true}) {}

  static Calibration widening() {
    Calibration calibration = load_calibration();
    for (auto& [name, curves] : calibration.architectures)
      if (!curves.fused_moe_widened.empty())
        curves.fused_moe = curves.fused_moe_widened;
    return calibration;
  }

  /// The tables time the newest kernels of the serving engines, those of linear layers of 2024 apart.
  static SoftwareProfile serving_kernels(ScalarKernels scalar = ScalarKernels::none) {
    SoftwareProfile software;
    software.serving.scalar_kernels = scalar;
    software.attention = AttentionKernel::flash3;
    software.experts = ExpertKernel::fused_moe;
    software.narrow_products = NarrowProducts::serving;
    return software;
  }
};

class Machines {
public:
  explicit Machines(const std::map<std::string, NodeType>& described) {
    for (const auto& [name, node] : described)
      machines_.emplace(name, std::make_unique<Machine>(node));
  }

  /// Nothing where no device of that name is known.
  const Machine* find(const std::string& device) {
    if (const auto found = machines_.find(device); found != machines_.end())
      return found->second.get();
    std::unique_ptr<Machine>& made = machines_[device];
    if (std::optional<NodeType> node = node_with(device))
      made = std::make_unique<Machine>(std::move(*node));
    return made.get();
  }

private:
  /// The catalogue's largest node with that device, else the device by itself.
  static std::optional<NodeType> node_with(const std::string& device) {
    std::optional<NodeType> best;
    for (const std::string& name : node_catalogue().names())
      if (NodeType node = load_node(name); node.device.name == device && (!best || node.devices > best->devices))
        best = std::move(node);
    if (best)
      return best;
    const std::vector<std::string> devices = device_catalogue().names();
    if (std::ranges::find(devices, device) == devices.end())
      return std::nullopt;
    NodeType alone;
    alone.name = device;
    alone.device = load_device(device);
    alone.devices = 1;
    return alone;
  }

  std::map<std::string, std::unique_ptr<Machine>> machines_;
};

void predict(ScoredKernel& scored, Machines& machines, bool& assumed) {
  KernelRow& row = scored.row;
  if (!row.refusal.empty())
    return;
  const Machine* machine = machines.find(row.device);
  if (machine == nullptr) {
    row.refusal = "no device of the catalogue";
    return;
  }
  if (row.measured <= 0) {
    row.refusal = "no time is given";
    return;
  }
  for (const Operator& op : row.operators) {
    if (const auto* collective = std::get_if<Collective>(&op.shape)) {
      if (row.ranks > machine->cluster.devices()) {
        row.refusal = "more devices than a node of the catalogue has";
        scored.predicted = 0;
        return;
      }
      const CollectiveModel& model = row.custom ? machine->engine : machine->library;
      const CollectiveCost cost = model.cost(collective->kind, collective->bytes, place_group(machine->cluster, {.size = row.ranks}));
      scored.predicted += cost.time.si();
      assumed = assumed || cost.assumed;
      continue;
    }
    const OpCost cost = (row.widened ? machine->widened : row.scalar ? machine->scalar : machine->kernels).cost(op);
    scored.predicted += cost.time.si();
    assumed = assumed || cost.assumed;
  }
  scored.error = scored.predicted / row.measured - 1;
}

KernelScore score(KernelScore group, std::vector<double> errors) {
  group.rows = static_cast<int>(errors.size());
  if (errors.empty())
    return group;
  group.bias = percentile(errors, 0.5);
  for (double& error : errors) {
    error = std::abs(error);
    group.mean += error / static_cast<double>(errors.size());
  }
  group.median = percentile(errors, 0.5);
  group.p90 = percentile(errors, 0.9);
  return group;
}

} // namespace

KernelValidation validate_kernels(const std::string& folder) {
  Diagnostics diagnostics;
  KernelRows read = read_kernel_rows(folder.empty() ? data_root() + "/models/calibration/kernels" : folder, diagnostics);
  diagnostics.throw_if_any();
  Machines machines(read.machines);
  KernelValidation result{.unread = std::move(read.unread)};
  struct Scored {
    KernelScore score;
    std::vector<double> errors;
  };
  std::map<std::tuple<std::string, std::string, std::string>, Scored> groups;
  for (KernelRow& row : read.rows) {
    ScoredKernel scored{.row = std::move(row)};
    bool assumed = false;
    predict(scored, machines, assumed);
    const KernelRow& r = scored.row;
    Scored& group = groups[{r.device, r.kind, r.precision}];
    group.score.device = r.device;
    group.score.kind = r.kind;
    group.score.precision = r.precision;
    group.score.assumed = group.score.assumed || assumed;
    if (r.refusal.empty())
      group.errors.push_back(scored.error);
    else
      ++group.score.excluded;
    result.rows.push_back(std::move(scored));
  }
  for (auto& [key, group] : groups)
    result.groups.push_back(score(group.score, std::move(group.errors)));
  return result;
}

} // namespace orrery
