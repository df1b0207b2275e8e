#include "models/fits/fit_calibration.hpp"
#include "scenarios/published/kernel_rows.hpp"

namespace orrery {

namespace {

NodeType machine_of(const MeasuredDevice& measured) {
  NodeType node;
  node.name = measured.name;
  Device& device = node.device;
  device.name = measured.name;
  device.vendor = "NVIDIA";
  device.architecture = measured.architecture;
  ComputeUnit matrix{.name = "matrix", .kind = UnitKind::matrix, .memory = "memory"};
  for (const Precision half : {Precision::bf16, Precision::fp16})
    matrix.peak[half] = FlopsPerSecond{measured.half_peak};
  if (measured.fp8_peak > 0)
    matrix.peak[Precision::fp8] = FlopsPerSecond{measured.fp8_peak};
  if (measured.fp4_peak > 0)
    matrix.peak[Precision::fp4] = FlopsPerSecond{measured.fp4_peak};
  device.units = {
      matrix,
      {.name = "vector", .kind = UnitKind::vector, .peak = {{Precision::fp32, FlopsPerSecond{measured.vector_peak}}}, .memory = "memory"}};
  device.memory = {{.name = "memory", .bandwidth = BytesPerSecond{measured.bandwidth}}};
  device.multiprocessors = measured.multiprocessors;
  device.cache = Bytes{measured.cache};
  node.devices = 8;
  node.scale_up = {.kind = measured.mesh ? ScaleUpKind::mesh : ScaleUpKind::switched,
                   .bandwidth = BytesPerSecond{measured.scale_up},
                   .in_switch_reduction = measured.in_switch_reduction};
  return node;
}

std::string word(Precision precision) { return precision == Precision::fp8 ? "fp8" : precision == Precision::fp4 ? "fp4" : "half"; }

void add_attention(const std::vector<AttentionRow>& table, const char* name, bool latent, KernelRows& rows) {
  int line = 1;
  for (const AttentionRow& row : table) {
    KernelRow& out =
        rows.rows.emplace_back(KernelRow{.file = name, .line = ++line, .device = row.device, .precision = word(row.precision)});
    out.kind = std::string(latent ? "latent " : "") + (row.shape.backward ? "attention backward" : row.decode ? "decoding" : "prefill");
    if (row.shape.kept_bytes > 0)
      out.precision += ", fp8 cache";
    out.operators = {kernel_attention(row.precision, row.shape)};
    out.measured = row.time;
    if (row.kernel == "unfused")
      out.refusal = "kernels of unfused attention";
  }
}

void add_collectives(const KernelTables& tables, KernelRows& rows) {
  int line = 1;
  for (const CollectiveRow& row : tables.collective) {
    KernelRow& out = rows.rows.emplace_back(KernelRow{
        .file = "collective.csv", .line = ++line, .device = row.device, .kind = row.kind, .precision = "-", .measured = row.time});
    out.ranks = row.ranks;
    out.custom = row.kind == "custom_all_reduce" || row.kind.starts_with("expert_exchange");
    if (row.nodes > 1)
      out.refusal = "several nodes over a network that is not stated";
    else if (const auto kind = row.collective())
      out.operators = {kernel_collective(*kind, row.bytes)};
    else
      out.refusal = "messages between two devices";
  }
}

} // namespace

void add_own_tables(const KernelTables& tables, KernelRows& rows) {
  for (const auto& [name, device] : tables.devices)
    rows.machines[name] = machine_of(device);
  int line = 1;
  for (const MatmulRow& row : tables.matmul) {
    KernelRow& out = rows.rows.emplace_back(KernelRow{.file = "matmul.csv",
                                                      .line = ++line,
                                                      .device = row.device,
                                                      .kind = "product",
                                                      .precision = word(row.precision),
                                                      .measured = row.time});
    const double elements = row.shape.batch * row.shape.m * row.shape.k;
    if (row.source == "aic" && word(row.precision) != "half")
      out.operators.push_back(kernel_pass(OpClass::cast, 2 * elements, element_bytes(row.precision) * elements));
    out.operators.push_back(kernel_matmul(row.precision, row.shape));
  }
  add_attention(tables.attention, "attention.csv", false, rows);
  add_attention(tables.latent_attention, "latent_attention.csv", true, rows);
  line = 1;
  for (const FusedMoeRow& row : tables.fused_moe) {
    KernelRow& out = rows.rows.emplace_back(KernelRow{.file = "fused_moe.csv",
                                                      .line = ++line,
                                                      .device = row.device,
                                                      .kind = "experts",
                                                      .precision = word(row.precision),
                                                      .measured = row.time});
    const GroupedMatmul up{.groups = row.groups,
                           .rows = row.rows,
                           .busiest = row.balanced ? 0 : 2 * row.rows / row.groups,
                           .n = 2 * row.intermediate,
                           .k = row.hidden,
                           .weight_bytes = row.weight_bytes,
                           .block_scaled = expert_curves(row) == &ArchitectureCurves::fused_moe_blocks,
                           .tile = row.tile};
    out.widened = expert_curves(row) == &ArchitectureCurves::fused_moe_widened;
    if (out.widened)
      out.precision = "w4a16";
    else if (up.block_scaled)
      out.precision = "fp8_block";
    out.operators =
        kernel_experts(row.precision, word(row.precision) != "half", up, row.tokens, row.intermediate, row.slots, row.other_groups());
  }
  line = 1;
  for (const StreamingRow& row : tables.streaming) {
    KernelRow& out = rows.rows.emplace_back(
        KernelRow{.file = "streaming.csv", .line = ++line, .device = row.device, .kind = row.op, .precision = "-", .measured = row.time});
    out.scalar = is_scalar_kernel(row.op);
    out.operators = {kernel_pass(streaming_class(row.op), row.shape.read.si(), row.shape.written.si())};
    if (row.source == "llmcompass")
      out.refusal = "timed from the host, whose launch shows";
  }
  line = 1;
  for (const ScanRow& row : tables.scan) {
    KernelRow& out = rows.rows.emplace_back(KernelRow{.file = "scan.csv",
                                                      .line = ++line,
                                                      .device = row.device,
                                                      .kind = "scan",
                                                      .precision = word(Precision::bf16),
                                                      .measured = row.time});
    out.operators = {{.name = "scan", .op_class = OpClass::attention, .precision = Precision::bf16, .shape = row.shape}};
  }
  add_collectives(tables, rows);
}

} // namespace orrery
