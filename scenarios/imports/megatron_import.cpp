#include "scenarios/imports/megatron_import.hpp"

#include "scenarios/data_files.hpp"
#include "scenarios/imports/megatron_arguments.hpp"
#include "scenarios/imports/megatron_pipeline.hpp"
#include "scenarios/scenario_tables.hpp"
#include "workloads/tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

/// The words behind the training script, or from the first argument on where no script is named; and the launcher's words before them.
struct Parts {
  std::vector<std::string> launcher;
  std::vector<std::string> arguments;
};

Parts parts_of(const std::vector<std::string>& words) {
  auto first = std::ranges::find_if(words, [](const std::string& word) { return word.ends_with(".py"); });
  if (first != words.end())
    return {{words.begin(), first}, {first + 1, words.end()}};
  first = std::ranges::find_if(words, [](const std::string& word) { return word.starts_with("--"); });
  return {{words.begin(), first}, {first, words.end()}};
}

/// The value of a launcher's argument, written with dashes or underscores; empty where there is none.
std::string launcher_value(const std::vector<std::string>& words, std::string_view name) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string word = words[i];
    std::ranges::replace(word, '_', '-');
    if (word == name && i + 1 < words.size())
      return words[i + 1];
    if (word.starts_with(std::string(name) + "="))
      return words[i].substr(name.size() + 1);
  }
  return {};
}

class Importer {
public:
  Importer(const LaunchCommand& command, const ImportOptions& options)
      : command_(command), options_(options), parts_(parts_of(command.words)), arguments_(parts_.arguments, options.dropped) {}

  ImportedScenario import() {
    result_.notes = command_.notes;
    read_world();
    read_machine();
    read_model();
    read_experts();
    read_plan();
    read_training();
    read_software();
    arguments_.mistakes.throw_if_any();
    yaml::Node job = yaml::map({{"training", std::move(training_)}, {"plan", std::move(plan_)}});
    result_.scenario = yaml::map({{"name", yaml::scalar(title())},
                                  {"cluster", std::move(cluster_)},
                                  {"software", std::move(software_)},
                                  {"jobs", yaml::sequence({std::move(job)})}});
    check();
    result_.ignored = arguments_.ignored();
    return std::move(result_);
  }

private:
  void refuse(const std::string& argument, const std::string& why) { arguments_.refuse(argument, why); }

  /// Sets a key (dotted: of a nested object) that `argument` asks for, where the table has it.
  void put(yaml::Node& node, const TableInfo& table, const std::string& place, const std::string& key, yaml::Node value,
           const std::string& argument) {
    const std::size_t dot = key.find('.');
    const std::string first = key.substr(0, dot);
    const FieldInfo* field = table.find(first);
    const bool nested = dot != std::string::npos;
    if (field == nullptr || (nested && field->shape.table == nullptr))
      return refuse(argument, fmt::format("nothing in a scenario says it: {} has no key '{}'", place, key));
    origins_.emplace_back(place + "." + first, argument);
    if (!nested)
      return node.set(first, std::move(value));
    if (node.find(first) == nullptr)
      node.set(first, yaml::map());
    put(*node.find(first), *field->shape.table, place + "." + first, key.substr(dot + 1), std::move(value), argument);
  }
  void plan(const std::string& key, const std::string& value, const std::string& argument) {
    put(plan_, plan_table(), "jobs.0.plan", key, yaml::scalar(value), argument);
  }
  void model(const std::string& key, const std::string& value, const std::string& argument) {
    put(model_, model_table(), "jobs.0.training.model", key, yaml::scalar(value), argument);
  }
  void training(const std::string& key, const std::string& value, const std::string& argument) {
    put(training_, training_table(), "jobs.0.training", key, yaml::scalar(value), argument);
  }
  void profile(const std::string& key, const std::string& value, const std::string& argument) {
    put(software_, software_table(), "software", key, yaml::scalar(value), argument);
  }

  double required(const std::string& argument) {
    if (!arguments_.has(argument))
      arguments_.mistakes.add({.path = argument, .message = "missing"});
    return arguments_.count(argument, 1);
  }

  void read_world() {
    const std::string per_node = launcher_value(parts_.launcher, "--nproc-per-node");
    const std::string nodes = launcher_value(parts_.launcher, "--nnodes");
    const auto variable = command_.variables.find("WORLD_SIZE");
    if (!per_node.empty())
      world_ = whole("--nproc_per_node", per_node) * (nodes.empty() ? 1 : whole("--nnodes", nodes));
    else if (variable != command_.variables.end() && variable->second.size() == 1)
      world_ = whole("WORLD_SIZE", variable->second.front());
  }

  double whole(const std::string& name, const std::string& text) {
    QuantityError error;
    const double value = parse_number(text, error);
    if (error.message.empty() && value >= 1 && value <= max_ranks && value == std::floor(value))
      return value;
    arguments_.mistakes.add({.path = name, .message = shown(text), .allowed = "a whole number of at least 1"});
    return 1;
  }

  void read_machine() {
    ImportedMachine machine = import_machine(options_.machine, world_, true, arguments_.mistakes);
    cluster_ = std::move(machine.cluster);
    world_ = machine.ranks;
    node_name_ = machine.node;
    nodes_ = machine.nodes;
    result_.notes.insert(result_.notes.end(), machine.notes.begin(), machine.notes.end());
  }

  void read_model() {
    const double hidden = required("--hidden-size");
    const double heads = required("--num-attention-heads");
    layers_ = required("--num-layers");
    const bool latent = arguments_.has("--multi-latent-attention");
    const bool gated = arguments_.has("--swiglu");
    const double groups = arguments_.has("--group-query-attention") ? arguments_.count("--num-query-groups", 1) : heads;
    const double rope = arguments_.count("--qk-pos-emb-head-dim", 64);
    const double key = arguments_.count("--qk-head-dim", 128);
    const double width = arguments_.count("--kv-channels", std::max(1.0, std::floor(hidden / heads)));
    // Megatron's own rule: two thirds of four times the width, in steps of 64.
    ffn_ = arguments_.count("--ffn-hidden-size", gated ? std::floor(hidden * 8 / 3 / 64) * 64 : 4 * hidden);
    model("name", fmt::format("gpt-{}x{}", exact_number(layers_), exact_number(hidden)), "--num-layers");
    model("layers", exact_number(layers_), "--num-layers");
    model("hidden", exact_number(hidden), "--hidden-size");
    model("heads", exact_number(heads), "--num-attention-heads");
    model("kv_heads", exact_number(latent ? heads : groups), "--num-query-groups");
    model("head_dim", exact_number(latent ? key + rope : width), latent ? "--qk-head-dim" : "--kv-channels");
    model("ffn_hidden", exact_number(ffn_), "--ffn-hidden-size");
    model("ffn", gated ? "gated" : "gelu", "--swiglu");
    model("vocabulary", exact_number(vocabulary()), "--vocab-size");
    const std::string position = arguments_.choice("--position-embedding-type", {"learned_absolute", "rope"});
    const bool rotary = latent || position == "rope" || arguments_.has("--use-rotary-position-embeddings");
    model("position", rotary ? "rotary" : "learned", "--position-embedding-type");
    const double positions = arguments_.count("--max-position-embeddings", arguments_.count("--seq-length", 1));
    if (!rotary)
      model("max_positions", exact_number(positions), "--max-position-embeddings");
    const std::string norm = arguments_.choice("--normalization", {"LayerNorm", "RMSNorm"});
    model("norm", norm == "RMSNorm" ? "rms_norm" : "layer_norm", "--normalization");
    model("tied_embedding", arguments_.has("--untie-embeddings-and-output-weights") ? "false" : "true",
          "--untie-embeddings-and-output-weights");
    model("biases", arguments_.has("--disable-bias-linear") ? "false" : "true", "--disable-bias-linear");
    if (!latent)
      return;
    model("latent.kv_rank", exact_number(arguments_.count("--kv-lora-rank", 512)), "--multi-latent-attention");
    if (model_table().find("latent") != nullptr) {
      if (arguments_.has("--q-lora-rank"))
        model("latent.query_rank", exact_number(arguments_.count("--q-lora-rank", 1)), "--q-lora-rank");
      model("latent.rope_dim", exact_number(rope), "--qk-pos-emb-head-dim");
      model("latent.value_dim", exact_number(arguments_.count("--v-head-dim", 128)), "--v-head-dim");
    }
  }

  double vocabulary() {
    if (arguments_.has("--padded-vocab-size"))
      return arguments_.count("--padded-vocab-size", 1);
    const std::string tokenizer = arguments_.text("--tokenizer-type", "GPT2BPETokenizer");
    double rows = 0;
    if (arguments_.has("--vocab-size"))
      rows = arguments_.count("--vocab-size", 1) + (tokenizer == "NullTokenizer" ? 1 : 0); // and the end of a document
    else if (tokenizer == "GPT2BPETokenizer")
      rows = 50257;
    else if (tokenizer == "Llama2Tokenizer")
      rows = 32000;
    else
      arguments_.mistakes.add({.path = "--vocab-size",
                               .message = fmt::format("missing, and the files of {} are not read", shown(tokenizer)),
                               .allowed = "the rows of the token table"});
    if (!arguments_.has("--vocab-size") && rows > 0)
      result_.notes.push_back(fmt::format("vocabulary: the {} entries of {}", exact_number(rows), tokenizer));
    const double multiple = arguments_.count("--make-vocab-size-divisible-by", 128) * arguments_.count("--tensor-model-parallel-size", 1);
    return std::ceil(rows / multiple) * multiple;
  }

  void read_experts() {
    if (!arguments_.has("--num-experts"))
      return;
    model("experts.count", exact_number(arguments_.count("--num-experts", 1)), "--num-experts");
    if (model_table().find("experts") == nullptr)
      return;
    model("experts.top_k", exact_number(arguments_.count("--moe-router-topk", 2)), "--moe-router-topk");
    model("experts.hidden", exact_number(arguments_.count("--moe-ffn-hidden-size", ffn_)), "--moe-ffn-hidden-size");
    if (arguments_.has("--moe-shared-expert-intermediate-size"))
      model("experts.shared_hidden", exact_number(arguments_.count("--moe-shared-expert-intermediate-size", 1)),
            "--moe-shared-expert-intermediate-size");
    if (arguments_.has("--moe-expert-capacity-factor"))
      model("experts.capacity", exact_number(arguments_.number("--moe-expert-capacity-factor", 1)), "--moe-expert-capacity-factor");
    const auto dense = dense_layers(arguments_.text("--moe-layer-freq", "1"), layers_);
    if (!dense)
      refuse("--moe-layer-freq", "a scenario says dense layers followed by layers of experts, and no other pattern");
    else if (*dense > 0)
      model("experts.dense_layers", exact_number(*dense), "--moe-layer-freq");
    if (arguments_.count("--expert-model-parallel-size", 1) > 1 &&
        arguments_.text("--moe-token-dispatcher-type", "allgather") == "allgather") {
      if (arguments_.has("--moe-token-dispatcher-type"))
        refuse("--moe-token-dispatcher-type", "a scenario says dispatch by all-to-all");
      else
        result_.notes.emplace_back("dispatch of tokens to experts is taken as all-to-all");
    }
  }

  void read_plan() {
    const double tp = arguments_.count("--tensor-model-parallel-size", arguments_.count("--model-parallel-size", 1));
    const double pp = arguments_.count("--pipeline-model-parallel-size", 1);
    const double cp = arguments_.count("--context-parallel-size", 1);
    dp_ = std::max(1.0, std::floor(world_ / (tp * pp * cp)));
    if (world_ > 0 && dp_ * tp * pp * cp != world_)
      arguments_.mistakes.add({.path = "--tensor-model-parallel-size",
                               .message = fmt::format("{} x {} pipeline stages x {} context-parallel ranks do not divide {} ranks",
                                                      exact_number(tp), exact_number(pp), exact_number(cp), exact_number(world_))});
    plan("tp", exact_number(tp), "--tensor-model-parallel-size");
    plan("pp", exact_number(pp), "--pipeline-model-parallel-size");
    plan("dp", exact_number(dp_), "--nnodes");
    if (cp > 1) {
      plan("cp", exact_number(cp), "--context-parallel-size");
      const std::string kind = arguments_.choice("--cp-comm-type", {"p2p", "a2a", "all_gather"});
      if (kind != "p2p")
        plan("context", kind == "a2a" ? "ulysses" : "all_gather", "--cp-comm-type");
    }
    if (const double ep = arguments_.count("--expert-model-parallel-size", 1); ep > 1)
      plan("ep", exact_number(ep), "--expert-model-parallel-size");
    if (const double etp = arguments_.count("--expert-tensor-parallel-size", tp); etp != tp)
      plan("etp", exact_number(etp), "--expert-tensor-parallel-size");
    micro_batch_ = required("--micro-batch-size");
    plan("micro_batch", exact_number(micro_batch_), "--micro-batch-size");
    for (const PlanKey& key : pipeline_keys(arguments_, {.layers = layers_, .stages = pp}))
      put(plan_, plan_table(), "jobs.0.plan", key.key, key.value, key.argument);
    if (const std::string recompute = recompute_word(arguments_, {.layers = layers_, .stages = pp}); recompute != "none")
      plan("recompute", recompute, "--recompute-granularity");
    if (arguments_.has("--sequence-parallel") && tp > 1)
      plan("sequence_parallel", "true", "--sequence-parallel");
    read_data_parallel();
  }

  void read_data_parallel() {
    const std::vector<std::string> strategies = {"no_shard", "optim", "optim_grads", "optim_grads_params"};
    const std::string strategy = arguments_.choice("--data-parallel-sharding-strategy", strategies);
    auto zero = static_cast<int>(std::ranges::find(strategies, strategy) - strategies.begin());
    std::string argument = "--data-parallel-sharding-strategy";
    if (arguments_.has("--use-torch-fsdp2")) {
      zero = 3;
      argument = "--use-torch-fsdp2";
    } else if (zero == 0 && arguments_.has("--use-distributed-optimizer")) {
      zero = 1;
      argument = "--use-distributed-optimizer";
    }
    if (zero > 0)
      plan("zero", std::to_string(zero), argument);
    for (const auto& [given, key] :
         {std::pair("--overlap-grad-reduce", "overlap_grad_reduce"), std::pair("--overlap-param-gather", "overlap_param_gather")})
      if (arguments_.has(given))
        plan(key, "true", given);
  }

  void read_training() {
    const double sequence = required("--seq-length");
    const double batch = arguments_.count("--global-batch-size", micro_batch_ * dp_);
    training_.set("model", std::move(model_));
    training("sequence", exact_number(sequence), "--seq-length");
    training("global_batch", exact_number(batch), "--global-batch-size");
    const bool half = arguments_.has("--fp16");
    training("precision", half ? "fp16" : arguments_.has("--bf16") ? "bf16" : "fp32", half ? "--fp16" : "--bf16");
    const double samples = arguments_.count("--train-samples", arguments_.count("--train-iters", 0) * batch);
    if (samples > 0)
      training("tokens", exact_number(samples * sequence), arguments_.has("--train-samples") ? "--train-samples" : "--train-iters");
    if (arguments_.has("--rampup-batch-size"))
      result_.notes.emplace_back("--rampup-batch-size: the step is that of the full batch; smaller batches at the start are not counted");
    if (arguments_.text("--optimizer", "adam") != "adam")
      refuse("--optimizer", "a scenario says Adam");
  }

  void read_software() {
    const SoftwareProfile base = load_software(options_.software);
    software_ = yaml::map({{"base", yaml::scalar(options_.software)}});
    const std::string backend = arguments_.choice("--attention-backend", {"auto", "flash", "fused", "unfused", "local"});
    const std::string implementation = arguments_.choice("--transformer-impl", {"transformer_engine", "local"});
    const bool unfused = backend == "unfused" || backend == "local" ||
                         (implementation == "local" && backend == "auto" && !arguments_.has("--use-flash-attn"));
    if (unfused != (base.attention == AttentionKernel::unfused))
      profile("attention", unfused ? "unfused" : "flash", "--attention-backend");
    const auto flag = [&](const char* key, bool held, bool wanted, const char* argument) {
      if (held != wanted)
        profile(key, wanted ? "true" : "false", argument);
    };
    flag("hidden_dropout", base.hidden_dropout, arguments_.number("--hidden-dropout", 0.1) > 0, "--hidden-dropout");
    flag("attention_dropout", base.attention_dropout, arguments_.number("--attention-dropout", 0.1) > 0, "--attention-dropout");
    if (arguments_.has("--no-masked-softmax-fusion"))
      flag("fused_softmax", base.fused_softmax, false, "--no-masked-softmax-fusion");
    for (const char* argument : {"--no-bias-gelu-fusion", "--no-bias-swiglu-fusion", "--no-bias-dropout-fusion"})
      if (arguments_.has(argument) && software_.find("fused_bias_activation") == nullptr)
        flag("fused_bias_activation", base.fused_bias_activation, false, argument);
    if (arguments_.has("--cross-entropy-loss-fusion"))
      flag("fused_loss", base.fused_loss, true, "--cross-entropy-loss-fusion");
    if (arguments_.has("--no-async-tensor-model-parallel-allreduce"))
      flag("overlap_tp_backward", base.overlap_tp_backward, false, "--no-async-tensor-model-parallel-allreduce");
    if (arguments_.has("--no-scatter-gather-tensors-in-pipeline")) {
      flag("scatter_gather_p2p", base.scatter_gather_p2p, false, "--no-scatter-gather-tensors-in-pipeline");
      flag("scatter_gather_backward", base.scatter_gather_backward, false, "--no-scatter-gather-tensors-in-pipeline");
    }
    if (arguments_.has("--num-experts") && !arguments_.has("--moe-grouped-gemm") && base.experts == ExpertKernel::grouped)
      profile("experts", "per_expert", "--moe-grouped-gemm");
    read_gradients();
    if (software_.entries.size() == 1)
      software_ = yaml::scalar(options_.software);
  }

  /// In which precision gradients are accumulated and reduced: fp32 in bf16 training, and in fp16 training where it is asked for.
  void read_gradients() {
    const bool low = arguments_.has("--grad-reduce-in-bf16");
    if (!low && (!arguments_.has("--fp16") || arguments_.has("--accumulate-allreduce-grads-in-fp32")))
      return;
    const char* argument = low ? "--grad-reduce-in-bf16" : "--fp16";
    profile("gradient", low ? "bf16" : "fp16", argument);
    profile("reduction", low ? "bf16" : "fp16", argument);
  }

  [[nodiscard]] std::string title() const { return fmt::format("GPT of {} layers on {} x {}", exact_number(layers_), nodes_, node_name_); }

  /// What the tables say of the whole, under the names of the arguments.
  void check() {
    Diagnostics found;
    (void)scenario_table().read(result_.scenario, found);
    Diagnostics named;
    for (Diagnostic diagnostic : found.in_order()) {
      std::string best;
      for (const auto& [path, argument] : origins_)
        if ((diagnostic.path == path || diagnostic.path.starts_with(path + ".")) && path.size() > best.size()) {
          best = path;
          diagnostic.file = argument;
        }
      named.add(std::move(diagnostic));
    }
    named.throw_if_any();
  }

  const LaunchCommand& command_;
  const ImportOptions& options_;
  Parts parts_;
  MegatronArguments arguments_;
  ImportedScenario result_;
  std::vector<std::pair<std::string, std::string>> origins_; ///< path of a key, argument that asked for it
  yaml::Node model_ = yaml::map();
  yaml::Node plan_ = yaml::map();
  yaml::Node training_ = yaml::map();
  yaml::Node software_;
  yaml::Node cluster_;
  std::string node_name_;
  int nodes_ = 1;
  double world_ = 0; ///< ranks; 0 = not known yet
  double layers_ = 1;
  double ffn_ = 1;
  double dp_ = 1;
  double micro_batch_ = 1;
};

} // namespace

ImportedScenario import_megatron(const LaunchCommand& command, const ImportOptions& options) { return Importer(command, options).import(); }

} // namespace orrery
