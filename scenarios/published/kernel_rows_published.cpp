#include "scenarios/published/kernel_rows.hpp"
#include "scenarios/published/training_row_cells.hpp"
#include "workloads/expert_tiles.hpp"
#include "workloads/routing.hpp"
#include "workloads/serving_graph.hpp"
#include "workloads/tables.hpp"

#include <algorithm>
#include <optional>

namespace orrery {

namespace {

constexpr double micro = 1e-6;
constexpr double milli = 1e-3;

/// Fills in the rows of one line; several where a line has several measurements.
using Lines = std::vector<KernelRow>;
using Read = void (*)(const Cells& cells, KernelRow row, Lines& out);

struct Format {
  std::vector<std::string> columns; ///< that a file of this format has, among others
  const char* device;               ///< the column that names it
  Read read;
};

/// What a published word for the numbers of a kernel means.
struct Numbers {
  std::string word; ///< of reports
  WeightFormat format;
};

std::optional<Numbers> numbers_of(const std::string& name) {
  struct Rule {
    const char* word;
    const char* format;
  };
  static const std::map<std::string, Rule> known{{"bfloat16", {"half", "bf16"}}, {"float16", {"half", "bf16"}},
                                                 {"half", {"half", "bf16"}},     {"fp16", {"half", "bf16"}},
                                                 {"fp8", {"fp8", "fp8"}},        {"fp8_block", {"fp8_block", "fp8_block"}},
                                                 {"nvfp4", {"fp4", "nvfp4"}},    {"int4_wo", {"w4a16", "w4a16"}}};
  const auto found = known.find(name);
  if (found == known.end())
    return std::nullopt;
  return Numbers{found->second.word, *find_weight_format(found->second.format)};
}

void refuse(KernelRow row, std::string why, Lines& out) {
  row.refusal = std::move(why);
  out.push_back(std::move(row));
}

void read_gemm(const Cells& cells, KernelRow row, Lines& out) {
  row.kind = "product";
  row.measured = micro * cells.number("latency_us");
  const auto numbers = numbers_of(cells.text("dtype"));
  row.precision = numbers ? numbers->word : cells.text("dtype");
  if (!numbers)
    return refuse(row, "precision " + row.precision, out);
  const Matmul shape{.m = cells.number("m"), .n = cells.number("n"), .k = cells.number("k"), .weight_bytes = numbers->format.weight_bytes};
  if (numbers->format.casts) // a linear layer of the engine, with the quantisation of its input
    row.operators.push_back(kernel_pass(OpClass::cast, 2 * shape.m * shape.k, element_bytes(numbers->format.operand) * shape.m * shape.k));
  row.operators.push_back(kernel_matmul(numbers->format.operand, shape));
  out.push_back(std::move(row));
}

/// Products among other operators of three sizes.
void read_operator(const Cells& cells, KernelRow row, Lines& out) {
  if (cells.text("op") == "matmul")
    return read_gemm(cells, std::move(row), out);
  row.kind = cells.text("op");
  row.precision = cells.text("dtype");
  refuse(row, "timed from the host, whose launch shows", out);
}

void read_attention(const Cells& cells, KernelRow row, Lines& out) {
  row.measured = micro * cells.number("latency_us");
  FusedAttention shape{.batch = cells.number("batch_size"),
                       .heads = cells.number("n_q"),
                       .kv_heads = cells.number("n_kv"),
                       .head_dim = cells.number("head_dim"),
                       .queries = cells.number("new_tokens")};
  shape.keys = cells.number("past_tokens") + shape.queries;
  const auto numbers = numbers_of(cells.text("attn_dtype"));
  const auto kept = numbers_of(cells.text("kv_cache_dtype"));
  row.kind = shape.queries == 1 && shape.keys > 1 ? "decoding" : "prefill";
  row.precision = numbers && kept ? numbers->word + ", " + kept->word + " cache" : cells.text("attn_dtype");
  if (!numbers || !kept)
    return refuse(row, "precision " + cells.text("attn_dtype") + " with a cache in " + cells.text("kv_cache_dtype"), out);
  shape.kept_bytes = element_bytes(kept->format.operand);
  row.operators = {kernel_attention(numbers->format.operand, shape)};
  out.push_back(std::move(row));
}

/// The exponent behind the last underscore of "power_law_1.2".
double power_of(const std::string& routing) { return std::strtod(routing.substr(routing.rfind('_') + 1).c_str(), nullptr); }

void read_experts(const Cells& cells, KernelRow row, Lines& out) {
  row.measured = micro * cells.number("latency_us");
  const auto numbers = numbers_of(cells.text("dtype"));
  row.precision = numbers ? numbers->word : cells.text("dtype");
  const bool balanced = cells.text("routing") == "balanced";
  row.kind = balanced ? "experts, balanced" : "experts, skewed";
  const double count = cells.number("experts"), top_k = cells.number("topk"), ep = cells.number("ep");
  if (!numbers)
    return refuse(row, "precision " + row.precision, out);
  if (top_k > 8)
    return refuse(row, "experts of which it is not stated whether they are gated", out);
  const double tokens = cells.number("tokens");
  const double width = cells.number("intermediate") / cells.number("tp");
  Routing routing;
  if (!balanced)
    routing = {.kind = RoutingKind::power_law, .exponent = power_of(cells.text("routing"))};
  const RoutingLoad load =
      balanced ? RoutingLoad{} : routing_load(routing, tokens, static_cast<int>(count), static_cast<int>(top_k), static_cast<int>(ep));
  const double rows = tokens * top_k / ep * load.rank;
  const double groups = std::max(1.0, std::min(count / ep * load.touched, rows));
  // Tuned: on A100 8 experts in up to 8 parts; later, assumed, whatever is split by TP (workloads/expert_tiles.hpp).
  const bool older = cells.text("framework").starts_with("vllm-0.14");
  const bool tuned = ep == 1 && (!older || (count <= 8 && width >= 1792));
  const ExpertTiles rule = older ? ExpertTiles::by_experts : ExpertTiles::by_tokens;
  const ExpertTile tile = tuned ? ExpertTile{} : default_tile(rule, numbers->format.block_scaled(), tokens, count / ep);
  const GroupedMatmul up{.groups = groups,
                         .rows = rows,
                         .busiest = balanced ? 0 : 2 * rows / groups,
                         .n = 2 * width,
                         .k = cells.number("hidden"),
                         .weight_bytes = numbers->format.weight_bytes,
                         .block_scaled = numbers->format.block_scaled(),
                         .tile = tile};
  row.widened = numbers->format.weight_bytes < element_bytes(numbers->format.operand);
  // TensorRT-LLM's kernels in four bits pass over the rows of their own experts alone.
  row.operators = kernel_experts(numbers->format.operand, numbers->format.casts, up, tokens, width,
                                 numbers->format.operand == Precision::fp4 ? rows : tokens * top_k,
                                 std::min(count * load.any, tokens * top_k) - groups);
  out.push_back(std::move(row));
}

TransformerModel deepseek_v3() {
  static const TransformerModel model = [] {
    Diagnostics diagnostics;
    const auto node = model_catalogue().find(yaml::scalar("deepseek-v3"), diagnostics);
    TransformerModel read = model_table().read(*node, diagnostics);
    diagnostics.throw_if_any();
    return read;
  }();
  return model;
}

/// Attention of DeepSeek-V3, alone or with its projections.
void read_latent(const Cells& cells, KernelRow row, Lines& out) {
  row.measured = micro * cells.number("latency_us");
  const bool module = cells.text("scope") == "module";
  const bool decodes = cells.text("phase") == "decode";
  row.kind = std::string("latent ") + (decodes ? "decoding" : "prefill") + (module ? ", with projections" : "");
  const auto kept = numbers_of(cells.text("kv_cache_dtype"));
  const auto products = module ? numbers_of(cells.text("gemm_dtype")) : numbers_of("bfloat16");
  row.precision = cells.text("kv_cache_dtype") + " cache" + (module ? ", " + cells.text("gemm_dtype") : "");
  if (!kept || !products || cells.text("attn_dtype") != "bfloat16")
    return refuse(row, "attention in " + cells.text("attn_dtype") + " with a cache in " + cells.text("kv_cache_dtype"), out);
  if (cells.text("framework").starts_with("vllm-0.14"))
    return refuse(row, "timed without a CUDA graph: the host's launch shows", out);
  ServingJob job{.model = deepseek_v3(), .kv = kept->format.operand};
  job.weights = products->format;
  const ServingPlan plan{.tp = std::max(1, static_cast<int>(128 / cells.number("n_heads")))};
  SoftwareProfile software;
  software.serving.fused_quantisation = false;
  const ServingGraph graph(job, plan, software);
  const LayerKind kind = graph.kinds().front();
  const double batch = cells.number("batch_size"), fresh = cells.number("new_tokens"), past = cells.number("past_tokens");
  if (module)
    for (const Operator& op : graph.layer(kind, batch * fresh, batch * fresh)) {
      if (op.name == "ffn_norm")
        break;
      if (op.name != "input_norm" && op.op_class != OpClass::communication)
        row.operators.push_back(op);
    }
  for (Operator op : decodes ? graph.decode(kind, batch, past) : graph.prompt(kind, batch * fresh, batch * past)) {
    if (auto* shape = std::get_if<FusedAttention>(&op.shape)) {
      shape->batch = batch;
      shape->queries = fresh;
      shape->keys = decodes ? past : past + fresh;
    } else if (!module) {
      continue;
    }
    row.operators.push_back(op);
  }
  out.push_back(std::move(row));
}

void add_collective(KernelRow row, const std::string& name, double bytes, int ranks, Lines& out) {
  row.kind = (row.custom ? "engine's " : "") + name;
  row.precision = bytes < 1 << 20 ? "below 1 MiB" : "from 1 MiB";
  row.ranks = ranks;
  const auto kind = collective_of(name == "alltoall" ? "all_to_all" : name);
  if (!kind)
    return refuse(row, "collective " + name, out);
  row.operators = {kernel_collective(*kind, bytes)};
  out.push_back(std::move(row));
}

void read_collective(const Cells& cells, KernelRow row, Lines& out) {
  row.measured = micro * cells.number("latency_us");
  const double element = cells.text("dtype") == "int8" ? 1 : 2;
  row.custom = cells.text("impl") != "nccl";
  row.kind = "engine's all_reduce";
  row.precision = "-";
  if (cells.contains("impl", "eager"))
    return refuse(row, "timed outside a CUDA graph: the host's launch shows", out);
  add_collective(row, cells.text("op_name"), element * cells.number("message_size"), cells.count("num_gpus"), out);
}

void read_collective_time(const Cells& cells, KernelRow row, Lines& out) {
  row.measured = milli * cells.number("latency_ms");
  row.kind = cells.text("collective");
  row.precision = "-";
  if (cells.number("devices_per_node") < cells.number("num_workers"))
    return refuse(row, "several nodes over a network that is not stated", out);
  add_collective(row, cells.text("collective"), cells.number("bytes"), cells.count("num_workers"), out);
}

/// Tokens to the ranks of their experts in FP8 with a scale for each 128 elements, and back in half precision, on the ranks of one node.
void read_exchange(const Cells& cells, KernelRow row, Lines& out) {
  constexpr int ranks = 8;
  row.precision = cells.text("mode");
  row.ranks = ranks;
  row.custom = true;
  constexpr double few = 512;
  constexpr int usual = 20; // multiprocessors that DeepEP asks for
  row.kind = "expert exchange";
  if (cells.number("nodes") > 1)
    return refuse(row, "several nodes over a network that is not stated", out);
  if (row.precision == "normal" && cells.number("tokens") <= few)
    return refuse(row, "few tokens, which the kernels of low latency exchange", out);
  if (row.precision == "normal" && cells.number("sms") < usual)
    return refuse(row, "fewer multiprocessors than engines give the exchange", out);
  const double rows = cells.number("tokens") * ranks_reached(cells.number("experts"), cells.count("topk"), ranks);
  const double sent = rows * cells.number("hidden");
  const auto add = [&](const char* column, const char* kind, double bytes) {
    row.kind = kind;
    row.measured = micro * cells.number(column);
    row.operators = {kernel_collective(CollectiveKind::all_to_all, bytes)};
    out.push_back(row);
  };
  add("dispatch_us", "expert dispatch", sent * (1 + 4.0 / 128));
  add("combine_us", "expert combine", sent * 2);
}

/// Linear layers and passes of a dense transformer, one column each.
void read_layers(const Cells& cells, KernelRow row, Lines& out) {
  const double t = cells.number("num_tokens"), tp = cells.number("num_tensor_parallel_workers");
  const double hidden = cells.number("n_embd"), inner = cells.number("n_expanded_embd") / tp, heads = cells.number("n_head");
  const double width = hidden / heads;
  const double query = hidden / tp, kv = std::max(1.0, cells.number("n_kv_head") / tp) * width;
  const double gates = cells.text("use_gated_mlp") == "True" ? 2 : 1;
  row.precision = "half";
  const auto add = [&](const char* column, const char* kind, Operator op) {
    if (!cells.given(column) || cells.number(column) <= 0)
      return;
    row.kind = kind;
    row.scalar = op.op_class != OpClass::gemm && row.kind != "addition"; // PyTorch's
    row.measured = milli * cells.number(column);
    row.operators = {std::move(op)};
    out.push_back(row);
  };
  const auto product = [&](double n, double k) { return kernel_matmul(Precision::fp16, {.m = t, .n = n, .k = k}); };
  add("attn_pre_proj_ms", "linear layer", product(query + 2 * kv, hidden));
  add("attn_post_proj_ms", "linear layer", product(hidden, query));
  add("mlp_up_proj_ms", "linear layer", product(gates * inner, hidden));
  add("mlp_down_proj_ms", "linear layer", product(hidden, inner));
  add("input_layernorm_ms", "norm", kernel_pass(OpClass::normalization, 2 * t * hidden, 2 * t * hidden));
  add("mlp_act_ms", "activation", kernel_pass(OpClass::elementwise, 2 * gates * t * inner, 2 * t * inner));
  add("attn_rope_ms", "rotary", kernel_pass(OpClass::elementwise, 2 * t * (query + kv), 2 * t * (query + kv)));
  add("add_ms", "addition", kernel_pass(OpClass::elementwise, 4 * t * hidden, 2 * t * hidden));
}

void read_served_layers(const Cells& cells, KernelRow row, Lines& out) {
  row.measured = micro * cells.number("time_us");
  row.precision = "half";
  const double t = cells.number("tokens"), tp = cells.number("tp");
  const std::string& layer = cells.text("layer");
  if (!cells.contains("model", "Llama-3.1-8B"))
    return refuse(row, "layers of " + cells.text("model"), out);
  constexpr double hidden = 4096, inner = 14336, query = 4096, kv = 1024;
  const std::map<std::string, Matmul> products{{"qkv_proj", {.m = t, .n = (query + 2 * kv) / tp, .k = hidden}},
                                               {"o_proj", {.m = t, .n = hidden, .k = query / tp}},
                                               {"gate_up_proj", {.m = t, .n = 2 * inner / tp, .k = hidden}},
                                               {"down_proj", {.m = t, .n = hidden, .k = inner / tp}}};
  row.kind = "linear layer";
  if (const auto found = products.find(layer); found != products.end()) {
    row.operators = {kernel_matmul(Precision::bf16, found->second)};
  } else {
    const double norm = 2 * t * hidden, act = 2 * t * inner / tp, rotated = 2 * t * (query + kv) / tp;
    row.kind = layer;
    row.operators = {layer == "act_fn"       ? kernel_pass(OpClass::elementwise, 2 * act, act)
                     : layer == "rotary_emb" ? kernel_pass(OpClass::elementwise, rotated, rotated)
                     : layer == "embedding"  ? kernel_pass(OpClass::embedding, norm, norm)
                                             : kernel_pass(OpClass::normalization, 2 * norm, 2 * norm)};
  }
  out.push_back(std::move(row));
}

void read_vidur_attention(const Cells& cells, KernelRow row, Lines& out) {
  const double tp = cells.number("num_tensor_parallel_workers");
  const bool prefill = cells.text("is_prefill") == "True";
  FusedAttention shape{.batch = cells.number("batch_size"),
                       .heads = cells.number("n_q_head") / tp,
                       .kv_heads = std::max(1.0, cells.number("n_kv_head") / tp),
                       .head_dim = cells.number("n_embd") / cells.number("n_q_head"),
                       .queries = prefill ? cells.number("prefill_chunk_size") : 1};
  shape.keys = cells.number("kv_cache_size") + shape.queries;
  row.kind = prefill ? "prefill" : "decoding";
  row.precision = "half, half cache";
  row.measured = milli * cells.number(prefill ? "prefill_ms" : "decode_ms");
  if (row.measured <= 0)
    return refuse(row, "no time is given", out);
  row.operators = {kernel_attention(Precision::fp16, shape)};
  out.push_back(std::move(row));
}

void read_passes(const Cells& cells, KernelRow row, Lines& out) {
  row.measured = micro * cells.number("latency_us");
  row.kind = cells.text("op");
  row.precision = cells.text("dtype");
  const double elements = cells.number("tokens") * cells.number("dim");
  if (row.kind == "quantize_scale_matrix")
    row.operators = {kernel_pass(OpClass::cast, 2 * elements, elements)};
  else if (row.kind == "mla_gen_pre" || row.kind == "mla_gen_post") {
    const bool before = row.kind == "mla_gen_pre";
    row.operators = {kernel_matmul(
        Precision::bf16,
        {.batch = cells.number("heads"), .m = cells.number("tokens"), .n = before ? 512.0 : 128.0, .k = before ? 128.0 : 512.0})};
  } else {
    return refuse(row, row.kind == "quantize_compute_scale" ? "a difference of two times" : "operators of no model here", out);
  }
  out.push_back(std::move(row));
}

const std::vector<Format>& formats() {
  static const std::vector<Format> known{
      {{"gpu", "op", "dtype", "m", "n", "k", "latency_us"}, "gpu", read_operator},
      {{"gpu", "dtype", "m", "n", "k", "latency_us"}, "gpu", read_gemm},
      {{"gpu", "attn_dtype", "kv_cache_dtype", "batch_size", "new_tokens", "past_tokens", "n_q", "n_kv", "head_dim", "latency_us"},
       "gpu",
       read_attention},
      {{"gpu", "framework", "dtype", "tokens", "hidden", "intermediate", "experts", "topk", "tp", "ep", "routing", "latency_us"},
       "gpu",
       read_experts},
      {{"gpu", "framework", "scope", "phase", "attn_dtype", "kv_cache_dtype", "gemm_dtype", "batch_size", "new_tokens", "past_tokens",
        "n_heads", "latency_us"},
       "gpu",
       read_latent},
      {{"gpu", "impl", "op_name", "dtype", "num_gpus", "message_size", "latency_us"}, "gpu", read_collective},
      {{"topology", "collective", "num_workers", "devices_per_node", "bytes", "latency_ms"}, "topology", read_collective_time},
      {{"gpu", "n_head", "n_kv_head", "n_embd", "n_expanded_embd", "use_gated_mlp", "num_tensor_parallel_workers", "num_tokens"},
       "gpu",
       read_layers},
      {{"gpu", "model", "tp", "layer", "tokens", "time_us"}, "gpu", read_served_layers},
      {{"gpu", "n_q_head", "n_kv_head", "n_embd", "num_tensor_parallel_workers", "is_prefill", "batch_size", "prefill_chunk_size",
        "kv_cache_size", "prefill_ms", "decode_ms"},
       "gpu",
       read_vidur_attention},
      {{"gpu", "op", "kernel", "dtype", "tokens", "dim", "heads", "latency_us"}, "gpu", read_passes},
      {{"gpu", "mode", "nodes", "hidden", "topk", "experts", "tokens", "sms", "dispatch_us", "combine_us"}, "gpu", read_exchange},
  };
  return known;
}

} // namespace

bool add_published(const CsvTable& table, const std::string& file, KernelRows& rows, Diagnostics& diagnostics) {
  const auto has = [&](const std::string& column) { return std::ranges::find(table.columns, column) != table.columns.end(); };
  const auto format = std::ranges::find_if(formats(), [&](const Format& f) { return std::ranges::all_of(f.columns, has); });
  if (format == formats().end())
    return false;
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const Cells cells(table, i, file, diagnostics);
    format->read(cells, {.file = file, .line = table.lines[i], .device = catalogue_device(cells.text(format->device))}, rows.rows);
  }
  return true;
}

} // namespace orrery
