#include "workloads/config_keys.hpp"

#include "workloads/tables.hpp"

#include <fmt/format.h>

namespace orrery {

namespace {

constexpr const char* dense = "a dense decoder-only transformer";

} // namespace

const yaml::Node* ConfigKeys::given(const Aliases& names, std::string& name) const {
  for (const char* alias : names) {
    const yaml::Node* node = root_.find(alias);
    if (node != nullptr && !node->is_null()) {
      name = alias;
      return node;
    }
  }
  return nullptr;
}

std::optional<std::string> ConfigKeys::model_type(const std::vector<std::string>& allowed) const {
  const Site site{diagnostics_, "model_type"};
  const yaml::Node* node = root_.find("model_type");
  if (!root_.is_map())
    diagnostics_.add(root_.location, {}, yaml::described(root_), "an object, as in a published config.json");
  else if (node == nullptr)
    site.error(root_, "missing", fmt::format("{}", fmt::join(allowed, ", ")));
  else if (!node->is_scalar() || !node->quoted)
    site.error(*node, yaml::described(*node), "text");
  else
    return node->text;
  return std::nullopt;
}

int ConfigKeys::size(const Aliases& names, const char* parameter, int room) const {
  Shape shape = model_table().find(parameter)->shape;
  shape.min = 1;
  shape.max = *shape.max - room;
  std::string name;
  const yaml::Node* node = given(names, name);
  if (node == nullptr) {
    Site{diagnostics_, names.front()}.error(root_, "missing", allowed_text(shape));
    return 0;
  }
  return static_cast<int>(read_count(*node, shape, Site{diagnostics_, name}).value_or(0));
}

int ConfigKeys::size_or(const Aliases& names, const char* parameter, double otherwise) const {
  std::string name;
  return given(names, name) != nullptr ? size(names, parameter) : static_cast<int>(otherwise);
}

int ConfigKeys::count(const char* name, int otherwise) const {
  std::string found;
  const yaml::Node* node = given({name}, found);
  if (node == nullptr)
    return root_.find(name) != nullptr ? 0 : otherwise;
  const Shape shape{.kind = ShapeKind::count, .min = 0, .max = 1e6};
  return static_cast<int>(read_count(*node, shape, Site{diagnostics_, name}).value_or(otherwise));
}

std::string ConfigKeys::text(const char* name) const {
  std::string found;
  const yaml::Node* node = given({name}, found);
  if (node == nullptr)
    Site{diagnostics_, name}.error(root_, "missing", "text");
  else if (!node->is_scalar())
    Site{diagnostics_, name}.error(*node, yaml::described(*node), "text");
  else
    return node->text;
  return {};
}

int ConfigKeys::full_attention_every(const char* name, int otherwise) const {
  std::string found;
  const yaml::Node* node = given({name}, found);
  if (node == nullptr)
    return otherwise;
  std::size_t every = 0;
  for (std::size_t i = 0; i < node->items.size(); ++i) {
    const std::string& kind = node->items[i].text;
    const bool full = kind == "full_attention";
    if (!full && kind != "sliding_attention")
      Site{diagnostics_, name}.error(node->items[i], fmt::format("a layer of {}", shown(kind)), "sliding_attention, full_attention");
    else if (full && every == 0)
      every = i + 1;
    else if (every > 0 && full != ((i + 1) % every == 0)) {
      Site{diagnostics_, name}.error(node->items[i], fmt::format("{} after one full layer in {}", shown(kind), every),
                                     "full attention at even distances");
      break;
    }
  }
  return static_cast<int>(every);
}

bool ConfigKeys::flag(const char* name, bool otherwise) const {
  std::string found;
  const yaml::Node* node = given({name}, found);
  if (node == nullptr)
    return otherwise;
  return read_flag(*node, Shape{.kind = ShapeKind::flag}, Site{diagnostics_, name}).value_or(otherwise);
}

int ConfigKeys::window(const char* name) const {
  const int window = size_or({name}, "attention_window", 0);
  const int positions = size_or({"max_position_embeddings"}, "max_positions", 0);
  return positions > 0 && window >= positions ? 0 : window;
}

void ConfigKeys::sizes(TransformerModel& model, const SizeNames& names) const {
  model.layers = size(names.layers, "layers");
  model.hidden = size(names.hidden, "hidden");
  model.heads = size(names.heads, "heads");
  model.kv_heads = model.heads;
  model.head_dim = size_or({"head_dim"}, "head_dim", 0);
  model.vocabulary = size({"vocab_size"}, "vocabulary");
}

void ConfigKeys::check_heads(TransformerModel& model) const {
  std::string name;
  if (model.head_dim == 0 && model.heads > 0 && model.hidden > 0) {
    const yaml::Node* heads = given({"num_attention_heads", "n_head"}, name);
    if (model.hidden % model.heads != 0)
      Site{diagnostics_, name}.error(*heads, fmt::format("{} heads for a hidden size of {}", model.heads, model.hidden),
                                     "a divisor of the hidden size, or a head_dim");
    else
      model.head_dim = model.hidden / model.heads;
  }
  if (model.kv_heads > 0 && model.heads % model.kv_heads != 0) {
    const yaml::Node* heads = given({"num_key_value_heads", "num_kv_heads", "n_head_kv"}, name);
    Site{diagnostics_, name}.error(*heads, fmt::format("{} key/value heads for {} heads", model.kv_heads, model.heads),
                                   "a divisor of the heads");
  }
}

void ConfigKeys::refuse(const char* name, std::string found, std::string allowed, std::string suggestion) const {
  const yaml::Node* node = root_.find(name);
  Site{diagnostics_, name}.error(node != nullptr ? *node : root_, std::move(found), std::move(allowed), std::move(suggestion));
}

void ConfigKeys::refuse_true(const char* name, const char* what) const {
  if (flag(name, false))
    refuse(name, fmt::format("true: {}", what), dense);
}

void ConfigKeys::refuse_above(const char* name, double limit, const char* what) const {
  std::string found;
  const yaml::Node* node = given({name}, found);
  if (node == nullptr)
    return;
  const auto number = read_number(*node, Shape{.kind = ShapeKind::number}, Site{diagnostics_, name});
  if (number && *number > limit)
    refuse(name, fmt::format("{}: {}", node->text, what), dense);
}

void ConfigKeys::refuse_map(const char* name, const char* what) const {
  std::string found;
  const yaml::Node* node = given({name}, found);
  if (node != nullptr && node->is_map() && !node->entries.empty())
    refuse(name, what, dense);
}

void ConfigKeys::refuse_filled(const char* name, const char* what) const {
  std::string found;
  const yaml::Node* node = given({name}, found);
  if (node != nullptr && !node->items.empty())
    refuse(name, what, "an empty list");
}

void ConfigKeys::refuse_given(const char* name, const char* what) const {
  std::string found;
  if (given({name}, found) != nullptr)
    refuse(name, what, dense);
}

void ConfigKeys::refuse_other_layers(const char* name, const char* only) const {
  std::string found;
  const yaml::Node* node = given({name}, found);
  if (node == nullptr)
    return;
  for (const yaml::Node& item : node->items) {
    if (item.text != only) {
      Site{diagnostics_, name}.error(item, fmt::format("a layer of {}", shown(item.text)), fmt::format("layers of {} alone", only));
      return;
    }
  }
}

} // namespace orrery
