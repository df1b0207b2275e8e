#include "sim/base/params.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace orrery {

namespace {

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words)
    text += fmt::format("{}{}", text.empty() ? "" : ", ", word);
  return text;
}

std::string range_text(const Shape& shape) {
  const auto bound = [&shape](double value) {
    return shape.kind == ShapeKind::quantity ? exact_quantity(value, shape.dimension) : exact_number(value);
  };
  std::string text;
  if (shape.above)
    text += fmt::format(" above {}", bound(*shape.above));
  else if (shape.min && shape.max && std::isfinite(*shape.min))
    return fmt::format(" from {} to {}", bound(*shape.min), bound(*shape.max));
  else if (shape.min && std::isfinite(*shape.min))
    text += fmt::format(" of at least {}", bound(*shape.min));
  if (shape.max)
    text += fmt::format("{} at most {}", text.empty() ? " of" : " and", bound(*shape.max));
  return text;
}

bool in_range(double value, const Shape& shape) {
  return !(shape.min && value < *shape.min) && !(shape.above && value <= *shape.above) && !(shape.max && value > *shape.max);
}

/// Reports a value that is no plain scalar. Counts, numbers and flags in quotes are text.
bool is_plain_scalar(const yaml::Node& node, const Shape& shape, const Site& site) {
  if (node.is_scalar() && !node.quoted)
    return true;
  if (node.is_scalar())
    site.error(node, fmt::format("the text {}", shown(node.text)), allowed_text(shape), "remove the quotes");
  else
    site.error(node, yaml::described(node), allowed_text(shape), node.is_null() ? "remove the key where no value is meant" : "");
  return false;
}

} // namespace

std::string with_article(std::string_view noun) {
  const bool vowel = !noun.empty() && std::string_view("aeiou").find(noun[0]) != std::string_view::npos;
  return fmt::format("{} {}", vowel ? "an" : "a", noun);
}

std::string allowed_text(const Shape& shape) {
  switch (shape.kind) {
  case ShapeKind::count:
    return "a whole number" + range_text(shape);
  case ShapeKind::number:
    return "a number" + range_text(shape);
  case ShapeKind::quantity:
    return fmt::format("a {}{} in {}", dimension_name(shape.dimension), range_text(shape), join(unit_names(shape.dimension)));
  case ShapeKind::flag:
    return "true or false";
  case ShapeKind::choice:
    return join(shape.names);
  case ShapeKind::text:
    return "text";
  case ShapeKind::list:
    return fmt::format("a list, each item {}", allowed_text(*shape.item));
  case ShapeKind::map:
    if (!shape.key)
      return fmt::format("a map, each value {}", allowed_text(*shape.item));
    return fmt::format("a map with keys out of {}, each value {}", allowed_text(*shape.key), allowed_text(*shape.item));
  case ShapeKind::object:
    return fmt::format("a map with the keys {}", join(shape.table->keys()));
  case ShapeKind::reference:
    return fmt::format("the name of {}, or a map with the keys base, {}", with_article(shape.catalogue->kind), join(shape.table->keys()));
  case ShapeKind::one_of:
    return fmt::format("a map with one key out of {}", join(shape.names));
  case ShapeKind::any:
    return "any value";
  }
  return {};
}

namespace {

/// A parsed value, or a report of why it is none or out of range.
std::optional<double> accepted(double value, const QuantityError& error, const yaml::Node& node, const Shape& shape, const Site& site) {
  if (!error.message.empty()) {
    site.error(node, error.message, allowed_text(shape), error.suggestion);
    return std::nullopt;
  }
  if (!in_range(value, shape)) {
    site.error(node, shown(node.text), allowed_text(shape));
    return std::nullopt;
  }
  return value;
}

} // namespace

std::optional<double> read_number(const yaml::Node& node, const Shape& shape, const Site& site) {
  if (!is_plain_scalar(node, shape, site))
    return std::nullopt;
  QuantityError error;
  const double value = parse_number(node.text, error);
  return accepted(value, error, node, shape, site);
}

std::optional<double> read_count(const yaml::Node& node, const Shape& shape, const Site& site) {
  const std::optional<double> value = read_number(node, shape, site);
  if (value && *value != std::floor(*value)) {
    site.error(node, fmt::format("{}, not a whole number", shown(node.text)), allowed_text(shape));
    return std::nullopt;
  }
  return value;
}

std::optional<double> read_quantity(const yaml::Node& node, const Shape& shape, const Site& site) {
  if (!node.is_scalar()) {
    site.error(node, yaml::described(node), allowed_text(shape), node.is_null() ? "remove the key where no value is meant" : "");
    return std::nullopt;
  }
  QuantityError error;
  const double value = parse_quantity(node.text, shape.dimension, shape.unit_hint, error);
  return accepted(value, error, node, shape, site);
}

std::optional<bool> read_flag(const yaml::Node& node, const Shape& shape, const Site& site) {
  if (!is_plain_scalar(node, shape, site))
    return std::nullopt;
  if (node.text == "true" || node.text == "false")
    return node.text == "true";
  std::string lower = node.text;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  const bool yes = lower == "true" || lower == "yes" || lower == "on" || lower == "y" || lower == "1";
  const bool no = lower == "false" || lower == "no" || lower == "off" || lower == "n" || lower == "0";
  site.error(node, shown(node.text), allowed_text(shape), yes ? "write 'true'" : no ? "write 'false'" : "");
  return std::nullopt;
}

std::optional<std::size_t> read_choice(const yaml::Node& node, const Shape& shape, const Site& site) {
  if (!node.is_scalar()) {
    site.error(node, yaml::described(node), allowed_text(shape));
    return std::nullopt;
  }
  const auto found = std::find(shape.names.begin(), shape.names.end(), node.text);
  if (found == shape.names.end()) {
    site.error(node, shown(node.text), allowed_text(shape), did_you_mean(node.text, shape.names));
    return std::nullopt;
  }
  return static_cast<std::size_t>(found - shape.names.begin());
}

std::optional<std::string> read_text(const yaml::Node& node, const Shape& shape, const Site& site) {
  if (!node.is_scalar()) {
    site.error(node, yaml::described(node), allowed_text(shape));
    return std::nullopt;
  }
  return node.text;
}

std::optional<std::size_t> read_alternative(const yaml::Node& node, const Shape& shape, const Site& site) {
  if (!node.is_map() || node.entries.size() != 1) {
    site.error(node, node.is_map() ? fmt::format("a map with {} keys", node.entries.size()) : yaml::described(node), allowed_text(shape));
    return std::nullopt;
  }
  yaml::Node key = yaml::scalar(node.entries.front().key);
  key.location = node.entries.front().location;
  return read_choice(key, Shape{.kind = ShapeKind::choice, .names = shape.names}, site.below(key.text));
}

bool check_keys(const yaml::Node& node, const TableInfo& table, const Site& site) {
  if (!node.is_map()) {
    site.error(node, yaml::described(node), allowed_text(Shape{.kind = ShapeKind::object, .table = &table}));
    return false;
  }
  const std::vector<std::string> keys = table.keys();
  for (const yaml::Entry& entry : node.entries) {
    if (table.find(entry.key) != nullptr)
      continue;
    const std::size_t colon = entry.key.find(':');
    const bool no_space = entry.value.is_null() && colon != std::string::npos && table.find(entry.key.substr(0, colon)) != nullptr;
    const std::string hint =
        no_space ? fmt::format("write '{}: {}'", entry.key.substr(0, colon), entry.key.substr(colon + 1)) : did_you_mean(entry.key, keys);
    site.diagnostics.add(entry.location, site.below(entry.key).path, fmt::format("an unknown key of '{}'", table.name()), join(keys), hint);
  }
  for (const FieldInfo& field : table.fields()) {
    if (field.required && node.find(field.key) == nullptr)
      site.below(field.key).error(node, "missing", allowed_text(field.shape));
  }
  return true;
}

void Report::error(std::string_view key, std::string message, std::string allowed, std::string suggestion) const {
  const yaml::Node* node = &node_;
  std::string path = site_.path;
  bool written = true;
  while (!key.empty()) {
    const std::size_t dot = std::min(key.find('.'), key.size());
    const std::string_view part = key.substr(0, dot);
    key.remove_prefix(std::min(dot + 1, key.size()));
    path = Site{site_.diagnostics, path}.below(part).path;
    const yaml::Node* next = nullptr;
    std::size_t index = 0;
    if (written && node->is_map())
      next = node->find(part);
    else if (written && node->is_sequence() && std::from_chars(part.data(), part.data() + part.size(), index).ec == std::errc() &&
             index < node->items.size())
      next = &node->items[index];
    written = next != nullptr;
    node = written ? next : node;
  }
  site_.diagnostics.add(node->location, path, std::move(message), std::move(allowed), std::move(suggestion));
}

const FieldInfo* TableInfo::find(std::string_view key) const {
  for (const FieldInfo& field : fields_) {
    if (field.key == key)
      return &field;
  }
  return nullptr;
}

std::vector<std::string> TableInfo::keys() const {
  std::vector<std::string> keys;
  for (const FieldInfo& field : fields_)
    keys.push_back(field.key);
  return keys;
}

} // namespace orrery
