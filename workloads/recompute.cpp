#include "workloads/recompute.hpp"

#include "workloads/attention.hpp"
#include "workloads/experts.hpp"

#include <algorithm>
#include <array>
#include <iterator>

namespace orrery {

namespace {

struct Prefix {
  std::string_view name;
  Module module;
};
/// How the operators of each module begin; the first match counts.
constexpr std::array prefixes{Prefix{"input_norm", Module::norms},
                              Prefix{"ffn_norm", Module::norms},
                              Prefix{"qkv", Module::qkv},
                              Prefix{"qk_norm", Module::qkv},
                              Prefix{"rotary", Module::qkv},
                              Prefix{"query_up", Module::qkv}, // from the latents, which stay
                              Prefix{"key_value_up", Module::qkv},
                              Prefix{"attention_residual", Module::norms},
                              Prefix{"attention", Module::attention},
                              Prefix{"keys_exchange", Module::attention}, // between the ranks that share a sequence
                              Prefix{"heads_exchange", Module::attention},
                              Prefix{"sequence_exchange", Module::attention},
                              Prefix{"softmax", Module::attention},
                              Prefix{"context_transpose", Module::attention},
                              Prefix{"projection", Module::projection},
                              Prefix{"ffn_up", Module::ffn_up},
                              Prefix{"activation", Module::activation},
                              Prefix{"expert_act", Module::activation},
                              Prefix{"shared_act", Module::activation},
                              Prefix{"expert_up", Module::ffn_up},
                              Prefix{"shared_up", Module::ffn_up},
                              Prefix{"ffn_down", Module::ffn_down},
                              Prefix{"expert_down", Module::ffn_down},
                              Prefix{"shared_down", Module::ffn_down}};

bool contains(const std::vector<Module>& modules, Module module) {
  return std::find(modules.begin(), modules.end(), module) != modules.end();
}

} // namespace

std::optional<Module> module_of(std::string_view name) {
  const auto found = std::find_if(prefixes.begin(), prefixes.end(), [&](Prefix each) { return name.starts_with(each.name); });
  return found == prefixes.end() ? std::nullopt : std::optional(found->module);
}

std::vector<Operator> recomputed_operators(const std::vector<Operator>& forward, const std::vector<Module>& modules) {
  std::vector<Operator> repeated;
  std::copy_if(forward.begin(), forward.end(), std::back_inserter(repeated), [&](const Operator& op) {
    const std::optional<Module> module = module_of(op.name);
    return module && contains(modules, *module);
  });
  return repeated;
}

bool recomputes(const Plan& plan, std::string_view op_name) {
  const std::optional<Module> module = module_of(op_name);
  return module && contains(plan.recompute_modules, *module);
}

double recomputed_bytes(const BlockBuilder& builder, const std::vector<Module>& modules) {
  const Sizes& s = builder.size;
  const bool experts = builder.kind.feed_forward == FeedForward::experts;
  const double wide = experts ? ExpertSizes(builder).rows * ExpertSizes(builder).width : s.tokens * s.ffn;
  double bytes = 0;
  if (contains(modules, Module::norms)) // their outputs
    bytes += builder.model.norms(builder.kind) * builder.normed_tokens() * s.hidden * builder.linear_input_bytes();
  if (contains(modules, Module::qkv))
    bytes += s.tokens * (s.query + 2 * s.kv) * s.element;
  if (contains(modules, Module::attention))
    bytes += attention_kept(builder, true) - s.tokens * (s.query + 2 * s.kv) * s.element;
  if (contains(modules, Module::norms) && contains(modules, Module::projection) && !builder.model.parallel_block)
    bytes += builder.stream(); // what the second norm reads
  if (contains(modules, Module::ffn_up))
    bytes += builder.gates() * wide * s.element;
  if (contains(modules, Module::activation))
    bytes += wide * builder.linear_input_bytes();
  return bytes;
}

} // namespace orrery
