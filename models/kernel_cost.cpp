#include "models/kernel_cost.hpp"

#include "models/attention_generation.hpp"
#include "models/power.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string_view>

namespace orrery {

namespace {

struct Generation {
  std::string_view architecture;
  int rank; ///< distance between generations of one vendor
};

// Vendors lie ten apart. The architectures are those of hardware/catalogue; "ampere-consumer" counts as ampere.
constexpr std::array<Generation, 11> generations{{{"volta", 1},
                                                  {"turing", 2},
                                                  {"ampere", 3},
                                                  {"ada", 4},
                                                  {"hopper", 5},
                                                  {"blackwell", 6},
                                                  {"rubin", 7},
                                                  {"cdna2", 12},
                                                  {"cdna3", 13},
                                                  {"cdna4", 14},
                                                  {"gaudi", 22}}};

/// 0 = of no known line. Matrix engines of a few large systolic arrays under a graph compiler stand in for each other: Gaudi's are the
/// only ones of which a product was published by itself.
int generation(std::string_view architecture) {
  if (architecture == "tpu" || architecture == "trainium")
    architecture = "gaudi";
  for (const Generation& g : generations)
    if (architecture.starts_with(g.architecture))
      return g.rank;
  return 0;
}

/// The precision in which a unit carries out work given in `wanted`: itself, or the narrowest wider one that the unit has.
const FlopsPerSecond* peak_for(const ComputeUnit& unit, Precision wanted) {
  auto find = [&](Precision p) -> const FlopsPerSecond* {
    const auto it = unit.peak.find(p);
    return it == unit.peak.end() ? nullptr : &it->second;
  };
  static constexpr std::array<Precision, 6> wider{Precision::fp4,  Precision::fp8,  Precision::bf16,
                                                  Precision::fp16, Precision::tf32, Precision::fp32};
  if (const FlopsPerSecond* own = find(wanted))
    return own;
  if (wanted == Precision::int8 || wanted == Precision::fp64)
    return wanted == Precision::int8 ? find(Precision::fp16) : nullptr;
  bool reached = false;
  for (const Precision p : wider) {
    reached = reached || p == wanted;
    // Half-precision formats do not stand in for each other: a unit without bf16 takes fp32.
    if (!reached || (wanted == Precision::bf16 && p == Precision::fp16))
      continue;
    if (const FlopsPerSecond* other = find(p))
      return other;
  }
  return nullptr;
}

bool is_narrow(Precision precision) { return precision == Precision::fp8 || precision == Precision::int8 || precision == Precision::fp4; }

/// A curve of the same or the nearest precision; the defaults where the architecture has none.
template <class Curve> Curve curve_for(const std::map<Precision, Curve>& curves, Precision wanted) {
  if (const auto it = curves.find(wanted); it != curves.end())
    return it->second;
  static constexpr std::array<Precision, 4> nearest{Precision::bf16, Precision::fp16, Precision::fp8, Precision::fp4};
  static constexpr std::array<Precision, 4> nearest_narrow{Precision::fp8, Precision::fp4, Precision::bf16, Precision::fp16};
  for (const Precision p : is_narrow(wanted) ? nearest_narrow : nearest)
    if (const auto it = curves.find(p); it != curves.end()) {
      Curve curve = it->second;
      const bool half = wanted == Precision::bf16 || wanted == Precision::fp16;
      curve.assumed = curve.assumed || !half || (p != Precision::bf16 && p != Precision::fp16);
      return curve;
    }
  return Curve{};
}

bool is_scalar(ScalarKernels kernels, OpClass op_class) {
  return op_class == OpClass::normalization ? kernels == ScalarKernels::all
                                            : op_class == OpClass::elementwise && kernels != ScalarKernels::none;
}

BytesPerSecond bandwidth_of(const Device& device, const ComputeUnit& unit) {
  if (unit.bandwidth)
    return *unit.bandwidth;
  for (const MemoryTier& tier : device.memory)
    if (tier.name == unit.memory)
      return tier.bandwidth;
  return device.memory.empty() ? BytesPerSecond{} : device.memory.front().bandwidth;
}

OpCost from_parts(const TimeParts& parts) {
  OpCost cost;
  cost.time = Seconds{parts.time};
  cost.flops = Flops{parts.flops};
  cost.memory = Bytes{parts.bytes};
  const double longer = std::max(parts.compute, parts.memory);
  const double body = parts.time - parts.floor;
  cost.bound = parts.floor > longer ? Bound::latency : parts.compute >= parts.memory ? Bound::compute : Bound::memory;
  // Under memory-bound time only the part of compute that it does not hide follows the clock.
  cost.stretchable = Seconds{parts.compute >= parts.memory ? parts.compute : std::max(0.0, body - parts.memory)};
  cost.unlimited = cost.stretchable;
  return cost;
}

TimeParts times(TimeParts parts, double count) {
  for (double* value : {&parts.compute, &parts.memory, &parts.floor, &parts.time, &parts.flops, &parts.bytes})
    *value *= count;
  return parts;
}

/// Whether products and attention in `precision` belong to a matrix unit on the same path to memory: their curves were measured with the
/// vendor's choice between the units, so that a plain roofline of the vector unit says nothing beside them.
bool yields(const Device& device, const ComputeUnit& unit, Precision precision) {
  return unit.kind == UnitKind::vector && !unit.bandwidth && std::ranges::any_of(device.units, [&](const ComputeUnit& other) {
           return other.kind == UnitKind::matrix && other.memory == unit.memory && peak_for(other, precision) != nullptr;
         });
}

/// FP4 weights beside wider rows: the kernels of FP4 experts at the wider operands' rate, of which no table is known. A tile starts and
/// ends, and brings in its weights, which are as narrow, in the time that it takes there.
MatmulCurve mixed_curve(MatmulCurve curve, const UnitRates& rates, const ComputeUnit& unit) {
  if (const auto narrow = unit.peak.find(Precision::fp4); narrow != unit.peak.end()) {
    curve.tile_overhead *= rates.peak / narrow->second.si();
    curve.edge *= rates.peak / narrow->second.si();
  }
  curve.assumed = true;
  return curve;
}

/// What matrix products without the alignment that matrix units ask for run at; 0 = no vector unit is described, no penalty.
double vector_peak(const Device& device) {
  double best = 0;
  for (const ComputeUnit& unit : device.units)
    if (const auto found = unit.peak.find(Precision::fp32); unit.kind == UnitKind::vector && found != unit.peak.end())
      best = std::max(best, found->second.si());
  return best;
}

/// The limiter over half-precision products of `curve`.
ClockLimit clock_limit_of(const Device& device, const MatmulCurve& curve) {
  constexpr double window = 0.1; // s; power limiters settle within tens of milliseconds
  ClockLimit limit{.measured = curve.sustained};
  const PowerModel power = power_model(device, {}, {});
  Activity products{.stretchable = Seconds{window}};
  for (const ComputeUnit& unit : device.units)
    for (const Precision half : {Precision::bf16, Precision::fp16})
      if (const auto peak = unit.peak.find(half); peak != unit.peak.end() && window * curve.rate * peak->second.si() > limit.largest) {
        limit.largest = window * curve.rate * peak->second.si();
        products.arithmetic = Flops{limit.largest} * arithmetic_energy(unit, half);
      }
  // Where its kernels were measured under a higher cap, models/device_power.hpp has what the lower one takes.
  if (power.cap && limit.largest > sustained_from)
    limit.steady = 1 / under_cap(power, products, device.rated_cap()).clock;
  return limit;
}

} // namespace

std::string curve_architecture(const Device& device, const Calibration& calibration) {
  if (calibration.architectures.contains(device.architecture))
    return device.architecture;
  const int own = generation(device.architecture);
  std::string best;
  int distance = 10;
  for (const auto& [name, curves] : calibration.architectures) {
    const int other = generation(name);
    if (own == 0 || other == 0 || own / 10 != other / 10)
      continue;
    if (std::abs(own - other) < distance) {
      distance = std::abs(own - other);
      best = name;
    }
  }
  return best;
}

double ClockLimit::loss(double flops) const {
  if (steady <= 1 || flops <= sustained_from)
    return 1;
  return 1 + (steady - 1) * std::min(1.0, std::log(flops / sustained_from) / std::log(largest / sustained_from));
}

void KernelModel::set_fitted_curves(Lane& lane, const LaneSource& source, const ComputeUnit& unit, Precision precision) {
  const ArchitectureCurves& curves = source.curves;
  lane.rates.multiprocessors = std::max(1, source.device.multiprocessors);
  lane.rates.unaligned_peak = std::min(lane.rates.peak, vector_peak(source.device));
  const bool serving = source.software.narrow_products == NarrowProducts::serving && is_narrow(precision) && !curves.serving_matmul.empty();
  lane.matmul = curve_for(serving ? curves.serving_matmul : curves.matmul, precision);
  const auto& grouped = curves.fused_moe.empty() ? curves.matmul : curves.fused_moe;
  lane.grouped = curve_for(grouped, precision);
  const auto blocks = curves.fused_moe_blocks.find(precision);
  lane.grouped_blocks = blocks == curves.fused_moe_blocks.end() ? lane.grouped : blocks->second;
  lane.grouped_mixed = mixed_curve(curve_for(grouped, Precision::fp4), lane.rates, unit);
  lane.attention = curve_for(curves.attention, precision);
  lane.latent_attention = curve_for(curves.latent_attention.empty() ? curves.attention : curves.latent_attention, precision);
}

KernelModel::Lane KernelModel::lane_of(const LaneSource& source, const ComputeUnit& unit, Precision precision) {
  const auto& [device, software, curves, carried, own] = source;
  const bool fitted_kind = unit.kind == UnitKind::matrix;
  const FlopsPerSecond* peak = peak_for(unit, precision);
  Lane lane;
  lane.usable = peak != nullptr && !yields(device, unit, precision);
  lane.rates.bandwidth = bandwidth_of(device, unit).si();
  lane.rates.element = element_bytes(precision);
  lane.rates.peak = peak ? peak->si() : 0;
  if (software.serving.half_sums && precision == Precision::fp16)
    lane.rates.peak *= device.half_sums;
  if (fitted_kind)
    set_fitted_curves(lane, source, unit, precision);
  lane.scan = curves.scan.value_or(ScanCurve{});
  lane.scan.assumed = lane.scan.assumed || carried;
  lane.matmul.assumed = lane.matmul.assumed || carried;
  for (MatmulCurve* curve : {&lane.grouped, &lane.grouped_blocks, &lane.grouped_mixed})
    curve->assumed = curve->assumed || carried || curves.fused_moe.empty();
  lane.latent_attention.assumed = lane.latent_attention.assumed || curves.latent_attention.empty();
  for (AttentionCurve* curve : {&lane.attention, &lane.latent_attention}) {
    curve->assumed = curve->assumed || carried;
    // vLLM's kernels widen it on Hopper; assumed: those that do not reach what they reach with a cache in half precision. The tables of
    // latent attention are of TensorRT-LLM's own.
    if (software.serving.native_cache && curve == &lane.attention && curve->narrow_cache.memory < curve->cache.memory)
      curve->narrow_cache = curve->cache;
    *curve = of_generation(*curve, software.attention);
  }
  if (fitted_kind)
    for (double* rate : {&lane.matmul.rate, &lane.grouped.rate, &lane.grouped_blocks.rate, &lane.grouped_mixed.rate, &lane.attention.rate,
                         &lane.latent_attention.rate, &lane.scan.rate})
      *rate = std::min(1.0, *rate * (is_narrow(precision) ? own.narrow : own.half));
  return lane;
}

KernelModel::KernelModel(const Device& device, const Calibration& calibration, const SoftwareProfile& software, KernelStream stream)
    : experts_(software.experts), stream_(stream) {
  const std::string architecture = curve_architecture(device, calibration);
  LaneSource source{.device = device, .software = software, .carried = architecture != device.architecture};
  if (const auto found = calibration.architectures.find(architecture); found != calibration.architectures.end())
    source.curves = found->second;
  if (const auto searched = calibration.devices.find(device.name); !source.carried && searched != calibration.devices.end())
    source.rates = searched->second;
  const ArchitectureCurves& curves = source.curves;
  idle_tiles_ = curves.idle_tiles;
  limit_ = clock_limit_of(device, curve_for(curves.matmul, Precision::bf16));
  const bool only_matrix = std::ranges::all_of(device.units, [](const ComputeUnit& unit) { return unit.kind == UnitKind::matrix; });
  for (const ComputeUnit& described : device.units) {
    Unit unit;
    unit.streams = described.kind != UnitKind::matrix || only_matrix;
    for (std::size_t p = 0; p < precisions; ++p)
      unit.lanes[p] = lane_of(source, described, static_cast<Precision>(p));
    for (std::size_t c = 0; c < op_classes; ++c) {
      const auto op_class = static_cast<OpClass>(c);
      unit.streaming[c] = assumed_streaming(op_class);
      const bool scalar = is_scalar(software.serving.scalar_kernels, op_class) && curves.scalar_streaming.contains(op_class);
      const auto& measured = scalar ? curves.scalar_streaming : curves.streaming;
      if (const auto it = measured.find(op_class); it != measured.end()) {
        unit.streaming[c] = it->second;
        unit.streaming[c].assumed = it->second.assumed || source.carried;
      }
    }
    units_.push_back(std::move(unit));
  }
}

template <class Time> OpCost KernelModel::quickest(std::size_t precision, Time time, bool streams) const {
  std::size_t u = 0;
  const auto find = [&] {
    while (u < units_.size() && !(streams ? units_[u].streams : units_[u].lanes[precision].usable))
      ++u;
    return u < units_.size();
  };
  const auto cost = [&] {
    OpCost own = time(units_[u], units_[u].lanes[precision]);
    own.unit = static_cast<int>(u);
    return own;
  };
  OpCost best = find() ? cost() : OpCost{}; // in place: mostly one unit can, and copies of what was just written stall
  for (++u; find(); ++u)
    if (const OpCost other = cost(); !(other.time >= best.time))
      best = other;
  return best;
}

OpCost KernelModel::matmul_cost(const Matmul& shape, std::size_t precision) const {
  return quickest(precision, [&](const Unit&, const Lane& lane) {
    const TimeParts parts = matmul_time(shape, lane.rates, lane.matmul);
    OpCost cost = from_parts(parts);
    // Without what a product loses to its length.
    cost.unlimited = cost.stretchable / (1 + limit_.measured * parts.tenfolds);
    cost.assumed = lane.matmul.assumed;
    cost.extrapolated = cost.flops.si() > lane.matmul.largest_flops;
    return cost;
  });
}

OpCost KernelModel::grouped_cost(const GroupedMatmul& shape, std::size_t precision) const {
  return quickest(precision, [&](const Unit&, const Lane& lane) {
    if (experts_ == ExpertKernel::per_expert) {
      const double rows = shape.rows / shape.groups;
      // Experts get as many rows as come, which are padded where a product runs along them (Transformer Engine: to 16).
      const double depth = 16 * std::ceil(rows / 16);
      const Matmul one =
          shape.weight_gradient ? Matmul{.m = shape.n, .n = shape.k, .k = depth} : Matmul{.m = rows, .n = shape.n, .k = shape.k};
      OpCost cost = from_parts(times(matmul_time(one, lane.rates, lane.matmul), shape.groups));
      cost.flops = Flops{2 * shape.rows * shape.n * shape.k};
      cost.assumed = lane.matmul.assumed;
      cost.extrapolated = cost.flops.si() > shape.groups * lane.matmul.largest_flops;
      return cost;
    }
    const bool measured = experts_ != ExpertKernel::grouped && !shape.weight_gradient;
    const bool by_blocks = experts_ == ExpertKernel::fused_moe && shape.block_scaled;
    const MatmulCurve& curve = !measured ? lane.matmul : shape.mixed ? lane.grouped_mixed : by_blocks ? lane.grouped_blocks : lane.grouped;
    OpCost cost = from_parts(grouped_matmul_time(shape, lane.rates, curve, idle_tiles_));
    cost.assumed = curve.assumed || !measured;
    cost.extrapolated = cost.flops.si() > curve.largest_flops;
    return cost;
  });
}

OpCost KernelModel::attention_cost(const FusedAttention& shape, std::size_t precision) const {
  return quickest(precision, [&](const Unit&, const Lane& lane) {
    const bool latent = shape.value_dim > 0 && shape.value_dim != shape.head_dim;
    const AttentionCurve& curve = latent ? lane.latent_attention : lane.attention;
    OpCost cost = from_parts(attention_time(shape, lane.rates, curve));
    cost.assumed = curve.assumed || shape.backward;
    cost.extrapolated = shape.keys > curve.largest_keys;
    return cost;
  });
}

OpCost KernelModel::scan_cost(const ChunkScan& shape, std::size_t precision) const {
  return quickest(precision, [&](const Unit&, const Lane& lane) {
    OpCost cost = from_parts(scan_time(shape, lane.rates, lane.scan));
    cost.assumed = lane.scan.assumed || shape.backward;
    return cost;
  });
}

OpCost KernelModel::streaming_cost(const Streaming& shape, const Operator& op) const {
  const auto time = [&](const Unit& unit, const Lane& lane) {
    const StreamingCurve& curve = unit.streaming[static_cast<std::size_t>(op.op_class)];
    OpCost cost = from_parts(streaming_time(shape, op.kernels, lane.rates, curve));
    cost.assumed = curve.assumed;
    return cost;
  };
  // Elementwise arithmetic is done in fp32 whatever the operands are stored in.
  return quickest(static_cast<std::size_t>(Precision::fp32), time, true);
}

OpCost KernelModel::cost(const Operator& op) const {
  OpCost cost = alone(op);
  if (op.kernels == 0 && std::holds_alternative<Matmul>(op.shape)) // it starts while others run
    cost.time -= units_[static_cast<std::size_t>(cost.unit)].lanes[static_cast<std::size_t>(op.precision)].matmul.floor;
  if (stream_ == KernelStream::continuous && cost.bound == Bound::compute) {
    const Seconds longer = std::max(Seconds{}, cost.unlimited * limit_.steady - cost.stretchable);
    cost.time += longer;
    cost.stretchable += longer;
  }
  return cost;
}

OpCost KernelModel::alone(const Operator& op) const {
  const auto precision = static_cast<std::size_t>(op.precision);
  if (const auto* matmul = std::get_if<Matmul>(&op.shape))
    return matmul_cost(*matmul, precision);
  if (const auto* grouped = std::get_if<GroupedMatmul>(&op.shape))
    return grouped_cost(*grouped, precision);
  if (const auto* attention = std::get_if<FusedAttention>(&op.shape))
    return attention_cost(*attention, precision);
  if (const auto* scan = std::get_if<ChunkScan>(&op.shape))
    return scan_cost(*scan, precision);
  if (const auto* streaming = std::get_if<Streaming>(&op.shape))
    return streaming_cost(*streaming, op);
  return {};
}

} // namespace orrery
