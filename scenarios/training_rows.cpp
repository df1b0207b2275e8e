#include "scenarios/training_rows.hpp"

#include "hardware/catalogue.hpp"
#include "hardware/topology.hpp"
#include "scenarios/data_files.hpp"
#include "workloads/tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <regex>
#include <string_view>

namespace orrery {

namespace {

/// Published names of machines, and the node that each stands for; first match wins. Some are told apart by their network only.
struct MachineRule {
  std::string_view accelerator;
  std::string_view node;
  std::string_view network = "";
};
constexpr MachineRule machine_rules[] = {{"a100-80g-sxm", "dgx-a100"},
                                         {"a100-sxm", "dgx-a100"},
                                         {"a100-40g-sxm", "dgx-a100-40gb"},
                                         {"h100-80g-sxm", "gcp-a3-high", "A3 GPUDirect-TCPX"},
                                         {"h100-80g-sxm", "dgx-h100"},
                                         {"h100-96g-hbm2e-500w", "h100-96gb-hbm2e"},
                                         {"h200-141g-sxm", "dgx-h200"},
                                         {"b200", "dgx-b200"},
                                         {"b200-power-limited", "b200-power-limited"},
                                         {"gb200-nvl72", "gb200-nvl72"},
                                         {"v100-32g-sxm2", "jean-zay-v100"},
                                         {"v100-32g-sxm3", "dgx-2"},
                                         {"rtx4090-24g", "rtx-4090-single"},
                                         {"tpu-v5e", "tpu-v5e-host"},
                                         {"tpu-v5p", "tpu-v5p-host"},
                                         {"ascend-910b-a2", "atlas-800i-a2"}};

/// Frameworks, first match wins: a part of the framework column (and of the group, for releases that only the group tells apart).
struct SoftwareRule {
  std::string_view framework;
  std::string_view group;
  std::string_view profile;
  bool interleaves;             ///< knows the interleaved schedule: the DeepSpeed pipeline engine runs plain 1F1B
  bool fp32_gradients_for_bf16; ///< Megatron-LM insists; BLOOM's published memory has no room for them
};
constexpr SoftwareRule software_rules[] = {
    {"NeMo-Megatron", "", "megatron-2022", true, true},        {"Megatron-DeepSpeed", "", "megatron-deepspeed-2022", false, false},
    {"Megatron-Bridge", "", "megatron-core-2024", true, true}, {"Mcore", "", "megatron-core-2024", true, true},
    {"Megatron-LM fork", "", "megatron-2022", true, true},     {"Megatron-LM", "", "megatron-2021", true, true}};

constexpr std::array columns = {"id",
                                "group",
                                "accelerator",
                                "devices",
                                "devices_per_node",
                                "intra_node_link",
                                "inter_node_link",
                                "framework",
                                "model",
                                "layers",
                                "hidden",
                                "ffn_hidden",
                                "ffn_kind",
                                "heads",
                                "kv_heads",
                                "head_dim",
                                "vocab",
                                "seq_len",
                                "experts",
                                "precision",
                                "global_batch",
                                "micro_batch",
                                "tp",
                                "sp",
                                "pp",
                                "vpp",
                                "cp",
                                "dp",
                                "zero_stage",
                                "recompute",
                                "offload",
                                "flash_attention",
                                "overlap_dp",
                                "overlap_pp",
                                "pp_schedule",
                                "step_time_s",
                                "mem_gb_per_gpu",
                                "quality",
                                "notes"};

/// One row with its columns by name.
class Cells {
public:
  Cells(const CsvTable& table, std::size_t row, const std::string& file, Diagnostics& diagnostics)
      : table_(table), row_(row), file_(file), diagnostics_(diagnostics) {}

  [[nodiscard]] const std::string& text(std::string_view column) const {
    const auto found = std::find(table_.columns.begin(), table_.columns.end(), column);
    return table_.rows[row_][static_cast<std::size_t>(found - table_.columns.begin())];
  }
  [[nodiscard]] bool given(std::string_view column) const { return !text(column).empty(); }
  [[nodiscard]] double number(std::string_view column, double otherwise = 0) const {
    const std::string& cell = text(column);
    if (cell.empty())
      return otherwise;
    double value = 0;
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    if (error != std::errc{} || end != cell.data() + cell.size() || !std::isfinite(value) || value < 0 || value > 1e15) {
      diagnostics_.add({.file = file_,
                        .line = table_.lines[row_],
                        .column = 1,
                        .path = std::string(column),
                        .message = "'" + cell + "'",
                        .allowed = "a number that is not negative"});
      return otherwise;
    }
    return value;
  }
  [[nodiscard]] int count(std::string_view column, int otherwise = 0) const {
    return static_cast<int>(std::min(number(column, otherwise), 1e9));
  }
  [[nodiscard]] bool contains(std::string_view column, std::string_view part) const { return text(column).find(part) != std::string::npos; }

private:
  const CsvTable& table_;
  std::size_t row_;
  const std::string& file_;
  Diagnostics& diagnostics_;
};

std::optional<double> first_number(const std::string& text, const char* pattern) {
  std::smatch match;
  if (!std::regex_search(text, match, std::regex(pattern)))
    return std::nullopt;
  return std::stod(match[1]);
}

/// NICs as the row states them: "200 Gb/s HDR IB per GPU (8 HCA/node)", "800 Gb/s per node (100 Gb/s per GPU)", "4 links/node (about 50
/// Gb/s per GPU)".
void apply_network(const Cells& row, NodeType& node) {
  const std::string& text = row.text("inter_node_link");
  const auto per_device = first_number(text, R"((\d+(?:\.\d+)?) Gb/s[^(]*per GPU)");
  if (!per_device)
    return;
  constexpr double gigabit = 1e9 / 8;
  const double total = *per_device * gigabit * node.devices;
  // A node rate without a number of ports: as many HDR ports (200 Gb/s, what these machines had) as it asks for.
  const double ports = first_number(text, R"((\d+) (?:links|HCA)/node)").value_or(std::ceil(total / (200 * gigabit)));
  node.nics.count = std::clamp(static_cast<int>(ports), 1, node.devices);
  node.nics.bandwidth = BytesPerSecond{total / node.nics.count};
}

void apply_scale_up(const Cells& row, NodeType& node) {
  const auto links = first_number(row.text("intra_node_link"), R"(NVLink3 \((\d+) links noted\))");
  if (links) // 25 GB/s per link and direction
    node.scale_up.bandwidth = std::min(node.scale_up.bandwidth, BytesPerSecond{*links * 25e9});
}

/// Slices as large as the machine makes them.
bool make_slices(int devices, TrainingRow& out) {
  const int slice = std::min(devices, out.cluster.node.scale_up.domain);
  out.cluster.fabric.kind = FabricKind::torus;
  out.cluster.fabric.torus = torus_slice(out.cluster.node, slice);
  if (!out.cluster.fabric.torus.empty() && devices % slice == 0)
    return true;
  out.refusal = fmt::format("no slice of {} devices", slice);
  return false;
}

bool find_machine(const Cells& row, TrainingRow& out) {
  const std::string& name = row.text("accelerator");
  const auto* const rule = std::find_if(std::begin(machine_rules), std::end(machine_rules), [&](const MachineRule& each) {
    return each.accelerator == name && row.contains("inter_node_link", each.network);
  });
  const std::string node(rule == std::end(machine_rules) ? std::string_view(name) : rule->node);
  const std::vector<std::string> known = node_catalogue().names();
  if (std::find(known.begin(), known.end(), node) == known.end()) {
    out.refusal = "no node description of accelerator " + name;
    return false;
  }
  out.cluster.name = out.id;
  out.cluster.node = load_node(node);
  const int devices = row.count("devices");
  const int per_node = row.count("devices_per_node", out.cluster.node.devices);
  if (per_node > 0 && per_node < out.cluster.node.devices)
    out.cluster.node.devices = per_node;
  if (devices < out.cluster.node.devices)
    out.cluster.node.devices = devices;
  out.cluster.nodes = (devices + out.cluster.node.devices - 1) / std::max(1, out.cluster.node.devices);
  out.cluster.fabric.hop_latency = Seconds{1e-6};
  if (out.cluster.node.scale_up.kind == ScaleUpKind::torus && !make_slices(devices, out))
    return false;
  apply_network(row, out.cluster.node);
  apply_scale_up(row, out.cluster.node);
  return true;
}

const SoftwareRule* software_rule(const Cells& row) {
  for (const SoftwareRule& rule : software_rules)
    if (row.contains("framework", rule.framework) && row.contains("group", rule.group))
      return &rule;
  return nullptr;
}

bool find_software(const Cells& row, TrainingRow& out) {
  const SoftwareRule* rule = software_rule(row);
  if (rule == nullptr) {
    out.refusal = "no software profile of framework " + row.text("framework");
    return false;
  }
  out.software = load_software(std::string(rule->profile));
  if (row.given("flash_attention")) {
    if (row.text("flash_attention") == "0")
      out.software.attention = AttentionKernel::unfused;
    else if (!is_fused(out.software.attention))
      out.software.attention = AttentionKernel::flash;
  }
  if (rule->fp32_gradients_for_bf16 && row.text("precision") == "bf16")
    out.software.gradient = out.software.reduction = Precision::fp32;
  if (const auto nodes = first_number(row.text("notes"), R"(CUDA_LAUNCH_BLOCKING=1 used for >=(\d+)-node runs)"))
    out.software.launch_blocking = out.cluster.nodes >= *nodes;
  return true;
}

bool find_job(const Cells& row, TrainingRow& out) {
  const std::string& precision = row.text("precision");
  if (precision != "bf16" && precision != "fp16") {
    out.refusal = "precision " + (precision.empty() ? "not stated" : precision + " is not modelled in training");
    return false;
  }
  if (!supports(out.cluster.node.device, precision == "bf16" ? Precision::bf16 : Precision::fp16)) {
    out.refusal = out.cluster.node.device.name + " has no unit that computes in " + precision;
    return false;
  }
  if (row.count("experts") > 0) {
    out.refusal = "mixture of experts is not modelled";
    return false;
  }
  TransformerModel& model = out.job.model;
  model.name = row.text("model");
  model.layers = row.count("layers");
  model.hidden = row.count("hidden");
  model.heads = row.count("heads");
  if (model.layers < 1 || model.hidden < 1 || model.heads < 1) {
    out.refusal = "layers, hidden and heads are not all stated";
    return false;
  }
  model.kv_heads = row.count("kv_heads", model.heads);
  model.head_dim = row.count("head_dim", model.hidden / model.heads);
  model.ffn = row.text("ffn_kind") == "swiglu" ? FfnKind::gated : FfnKind::gelu;
  model.ffn_hidden = row.count("ffn_hidden", 4 * model.hidden);
  out.job.sequence = row.count("seq_len", 2048);
  out.job.global_batch = row.count("global_batch");
  out.job.precision = precision == "bf16" ? Precision::bf16 : Precision::fp16;
  const bool llama_like = model.ffn == FfnKind::gated;
  model.position = llama_like ? PositionKind::rotary : PositionKind::learned;
  model.max_positions = llama_like ? 0 : out.job.sequence;
  model.norm = llama_like ? NormKind::rms_norm : NormKind::layer_norm;
  model.biases = model.tied_embedding = !llama_like;
  // Frameworks pad the vocabulary until it divides.
  const int tp = std::max(1, row.count("tp", 1));
  model.vocabulary = (row.count("vocab", 51200) + tp - 1) / tp * tp;
  if (out.job.global_batch < 1) {
    out.refusal = "global_batch is not stated";
    return false;
  }
  return true;
}

/// The value of a column, or every value that it could have.
std::vector<int> stated_or(const Cells& row, std::string_view column, std::vector<int> otherwise) {
  if (row.given(column))
    return {row.count(column)};
  return otherwise;
}

std::vector<Recompute> recompute_modes(const Cells& row) {
  const std::string& text = row.text("recompute");
  if (text == "none")
    return {Recompute::none};
  if (text == "selective")
    return {Recompute::selective};
  if (text == "full")
    return {Recompute::full};
  if (text.empty())
    return {Recompute::none, Recompute::selective, Recompute::full};
  return {};
}

bool find_plans(const Cells& row, TrainingRow& out) {
  const std::string& schedule = row.text("pp_schedule");
  if (!schedule.empty() && schedule.find("1f1b") == std::string::npos && schedule != "gpipe" && schedule != "interleaved") {
    out.refusal = "schedule " + schedule + " is not modelled";
    return false;
  }
  if (row.count("cp", 1) > 1 || row.count("zero_stage") > 1 || row.given("offload")) {
    out.refusal = row.count("cp", 1) > 1 ? "context parallelism is not modelled"
                  : row.given("offload") ? "offload is not modelled"
                                         : "ZeRO-" + row.text("zero_stage") + " is not modelled";
    return false;
  }
  if (recompute_modes(row).empty()) {
    out.refusal = "recompute '" + row.text("recompute") + "' is not modelled";
    return false;
  }
  Plan plan{.tp = row.count("tp", 1), .pp = row.count("pp", 1), .dp = row.count("dp", 1)};
  plan.sequence_parallel = row.text("sp") == "1";
  plan.overlap_grad_reduce = row.text("overlap_dp") == "1";
  plan.overlap_p2p = row.text("overlap_pp") == "1";
  std::string why = "no plan fills its blanks";
  std::vector<int> chunks{1};
  if (plan.pp > 1 && software_rule(row)->interleaves && (schedule.empty() || schedule.find("interleaved") != std::string::npos))
    for (int v = 2; v <= 8; ++v)
      chunks.push_back(v);
  for (const int micro_batch : stated_or(row, "micro_batch", {1, 2, 4, 8, 16}))
    for (const int virtual_stages : stated_or(row, "vpp", chunks))
      for (const int zero : stated_or(row, "zero_stage", {0, 1}))
        for (const Recompute recompute : recompute_modes(row)) {
          plan.micro_batch = micro_batch;
          plan.virtual_stages = std::max(1, virtual_stages);
          plan.schedule = schedule == "gpipe"  ? ScheduleKind::gpipe
                          : virtual_stages > 1 ? ScheduleKind::interleaved
                                               : ScheduleKind::one_f_one_b;
          plan.zero = zero;
          plan.recompute = recompute;
          const std::vector<Violation> violations = check_plan(out.job, plan, row.count("devices"));
          const bool even = plan.virtual_stages == 1 || out.job.model.layers % (plan.pp * plan.virtual_stages) == 0;
          if (violations.empty() && even)
            out.plans.push_back(plan);
          else if (!violations.empty())
            why = violations.front().constraint;
        }
  if (out.plans.empty())
    out.refusal = "infeasible as stated: " + why;
  return !out.plans.empty();
}

void check_columns(const CsvTable& table, const std::string& file_name) {
  Diagnostics diagnostics;
  for (const char* column : columns)
    if (std::find(table.columns.begin(), table.columns.end(), column) == table.columns.end())
      diagnostics.add({.file = file_name, .line = 1, .column = 1, .path = column, .message = "column is missing"});
  diagnostics.throw_if_any();
}

} // namespace

std::vector<TrainingRow> training_rows(const CsvTable& table, const std::string& file_name) {
  check_columns(table, file_name);
  Diagnostics diagnostics;
  std::vector<TrainingRow> rows;
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const Cells cells(table, i, file_name, diagnostics);
    if (cells.text("quality") == "C" || cells.number("step_time_s") <= 0)
      continue;
    TrainingRow& row = rows.emplace_back();
    row.group = cells.text("group");
    row.id = cells.text("id");
    row.measured = cells.number("step_time_s");
    if (cells.given("mem_gb_per_gpu"))
      row.memory = Bytes{cells.number("mem_gb_per_gpu") * 1e9};
    if (cells.count("devices") < 1)
      row.refusal = "devices is not stated";
    else if (find_machine(cells, row) && find_software(cells, row) && find_job(cells, row))
      find_plans(cells, row);
  }
  diagnostics.throw_if_any();
  return rows;
}

} // namespace orrery
