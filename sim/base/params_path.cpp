// References (a catalogue name, or a map laid over a catalogue entry) and override paths, which both change the document before it is read.
#include "sim/base/params_shape.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

namespace {

constexpr int max_bases = 16; // a chain of `base:` longer than this is a circle

/// Lays `over` on `base`: keys of `over` win, maps of known structure are merged key by key, lists are replaced.
void lay_over(yaml::Node& base, const yaml::Node& over, const TableInfo& table) {
  for (const yaml::Entry& entry : over.entries) {
    const FieldInfo* field = table.find(entry.key);
    yaml::Node* below = base.find(entry.key);
    const bool reference = field != nullptr && field->shape.kind == ShapeKind::reference;
    const bool object = field != nullptr && field->shape.kind == ShapeKind::object;
    const bool starts_anew = !entry.value.is_map() || (reference && entry.value.find("base") != nullptr);
    if (below != nullptr && !starts_anew && below->is_map() && (reference || object)) {
      const yaml::Node before = *below;
      lay_over(*below, entry.value, *field->shape.table);
      if (reference)
        field->shape.table->overlay(*below, before);
    } else if (below != nullptr && !starts_anew && below->is_scalar() && reference) {
      yaml::Node value = entry.value;
      value.entries.insert(value.entries.begin(), yaml::Entry{"base", below->location, *below});
      *below = std::move(value);
    } else if (below != nullptr) {
      *below = entry.value;
    } else {
      base.entries.push_back(entry);
    }
  }
}

std::optional<yaml::Node> expand(const yaml::Node& node, const TableInfo& table, const Catalogue& catalogue, const Site& site, int bases) {
  if (node.is_scalar()) {
    const std::size_t before = site.diagnostics.size();
    const std::optional<yaml::Node> entry = catalogue.find(node, site.diagnostics);
    if (entry)
      return entry->is_map() && entry->find("base") != nullptr ? expand(*entry, table, catalogue, site, bases + 1) : entry;
    if (site.diagnostics.size() == before) {
      const std::vector<std::string> names = catalogue.names();
      std::string known;
      for (const std::string& name : names)
        known += fmt::format("{}{}", known.empty() ? "" : ", ", name);
      site.error(node, fmt::format("no {} of the name {}", catalogue.kind, shown(node.text)), known, did_you_mean(node.text, names));
    }
    return std::nullopt;
  }
  if (!node.is_map()) {
    site.error(node, yaml::described(node), allowed_text(Shape{.kind = ShapeKind::reference, .table = &table, .catalogue = &catalogue}));
    return std::nullopt;
  }
  const yaml::Node* base = node.find("base");
  if (base == nullptr)
    return node;
  // Inside catalogue entries the path stays the one that the user wrote.
  const Site of_base = bases == 0 ? site.below("base") : site;
  if (!base->is_scalar() || bases > max_bases) {
    of_base.error(*base, base->is_scalar() ? "a circle of 'base' keys" : yaml::described(*base),
                  fmt::format("the name of {}", with_article(catalogue.kind)));
    return std::nullopt;
  }
  std::optional<yaml::Node> result = expand(*base, table, catalogue, of_base, bases + 1);
  if (!result || !result->is_map())
    return result;
  yaml::Node own = node;
  std::erase_if(own.entries, [](const yaml::Entry& entry) { return entry.key == "base"; });
  const yaml::Node before = *result;
  lay_over(*result, own, table);
  table.overlay(*result, before);
  result->location = node.location;
  return result;
}

/// Gives all parts of an override's value the place of the override.
void place_at(yaml::Node& node, const Location& where) {
  node.location = where;
  for (yaml::Node& item : node.items)
    place_at(item, where);
  for (yaml::Entry& entry : node.entries) {
    entry.location = where;
    place_at(entry.value, where);
  }
}

/// The walk of an override down the document.
class Walk {
public:
  Walk(Location where, yaml::Node value, Diagnostics& diagnostics)
      : where_(std::move(where)), value_(std::move(value)), diagnostics_(diagnostics) {}

  /// Sets what `rest` names below a map of `table`.
  void into_table(yaml::Node& node, std::string_view rest, const TableInfo& table) {
    const std::string key = step(rest);
    if (!node.is_map())
      return fail(yaml::described(node), "a map");
    const std::vector<std::string> keys = table.keys();
    const FieldInfo* field = table.find(key);
    if (field == nullptr)
      return fail(fmt::format("an unknown key of '{}'", table.name()), join(keys), did_you_mean(key, keys));
    if (rest.empty()) {
      node.set(key, value_);
      return;
    }
    if (node.find(key) == nullptr) {
      yaml::Node fresh = field->default_value.is_null() ? yaml::map() : field->default_value;
      place_at(fresh, where_);
      node.set(key, std::move(fresh));
    }
    into(*node.find(key), rest, field->shape);
  }

private:
  void into(yaml::Node& node, std::string_view rest, const Shape& shape) {
    switch (shape.kind) {
    case ShapeKind::object:
      return into_table(node, rest, *shape.table);
    case ShapeKind::reference: {
      std::optional<yaml::Node> expanded = expand_reference(node, *shape.table, *shape.catalogue, Site{diagnostics_, path_});
      if (!expanded)
        return;
      node = *expanded;
      into_table(node, rest, *shape.table);
      return shape.table->overlay(node, *expanded);
    }
    case ShapeKind::list:
      return into_list(node, rest, *shape.item);
    case ShapeKind::map:
      return into_map(node, rest, shape);
    case ShapeKind::one_of:
      return into_one_of(node, rest, shape);
    default:
      step(rest);
      return fail("a key below a single value", {});
    }
  }

  void into_list(yaml::Node& node, std::string_view rest, const Shape& item) {
    const std::string part = step(rest);
    if (!node.is_sequence())
      return fail(yaml::described(node), "a list");
    std::vector<std::string> names;
    yaml::Node* chosen = nullptr;
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      const yaml::Node* name = node.items[i].find("name");
      names.push_back(name != nullptr && name->is_scalar() ? name->text : std::to_string(i));
      if (part == names.back() || part == std::to_string(i))
        chosen = &node.items[i];
    }
    if (chosen == nullptr)
      return fail("no such item", join(names), did_you_mean(part, names));
    if (rest.empty())
      *chosen = value_;
    else
      into(*chosen, rest, item);
  }

  void into_map(yaml::Node& node, std::string_view rest, const Shape& shape) {
    const std::string part = step(rest);
    if (!node.is_map())
      return fail(yaml::described(node), "a map");
    const std::vector<std::string>& names = shape.key->names;
    if (std::find(names.begin(), names.end(), part) == names.end())
      return fail(shown(part), join(names), did_you_mean(part, names));
    if (rest.empty()) {
      node.set(part, value_);
      return;
    }
    if (node.find(part) == nullptr)
      node.set(part, empty_map());
    into(*node.find(part), rest, *shape.item);
  }

  void into_one_of(yaml::Node& node, std::string_view rest, const Shape& shape) {
    const std::string part = step(rest);
    const auto found = std::find(shape.names.begin(), shape.names.end(), part);
    if (found == shape.names.end())
      return fail(shown(part), join(shape.names), did_you_mean(part, shape.names));
    if (rest.empty() || node.find(part) == nullptr) {
      const Location location = node.location;
      node = yaml::map({{part, rest.empty() ? value_ : empty_map()}});
      node.location = location;
    }
    if (!rest.empty())
      into_table(*node.find(part), rest, *shape.tables[static_cast<std::size_t>(found - shape.names.begin())]);
  }

  [[nodiscard]] yaml::Node empty_map() const {
    yaml::Node node = yaml::map();
    place_at(node, where_);
    return node;
  }

  /// Takes the next part off `rest` and adds it to the path so far.
  std::string step(std::string_view& rest) {
    const std::size_t dot = std::min(rest.find('.'), rest.size());
    std::string part(rest.substr(0, dot));
    rest.remove_prefix(std::min(dot + 1, rest.size()));
    path_ += fmt::format("{}{}", path_.empty() ? "" : ".", part);
    return part;
  }

  static std::string join(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words)
      text += fmt::format("{}{}", text.empty() ? "" : ", ", word);
    return text;
  }

  void fail(std::string message, std::string allowed, std::string suggestion = {}) {
    diagnostics_.add(where_, path_, std::move(message), std::move(allowed), std::move(suggestion));
  }

  Location where_;
  yaml::Node value_;
  Diagnostics& diagnostics_;
  std::string path_;
};

/// "a.b.c" as "a" and "b.c".
std::pair<std::string_view, std::string_view> first_part(std::string_view path) {
  const std::size_t dot = std::min(path.find('.'), path.size());
  return {path.substr(0, dot), path.substr(std::min(dot + 1, path.size()))};
}

const Shape* shape_below(const Shape& shape, std::string_view path) {
  if (path.empty())
    return &shape;
  const auto [part, rest] = first_part(path);
  switch (shape.kind) {
  case ShapeKind::object:
  case ShapeKind::reference:
    return shape_at(*shape.table, path);
  case ShapeKind::list:
  case ShapeKind::map:
    return shape_below(*shape.item, rest);
  case ShapeKind::one_of: {
    const auto found = std::find(shape.names.begin(), shape.names.end(), part);
    if (found == shape.names.end())
      return nullptr;
    return rest.empty() ? &shape : shape_at(*shape.tables[static_cast<std::size_t>(found - shape.names.begin())], rest);
  }
  default:
    return nullptr;
  }
}

} // namespace

std::optional<yaml::Node> expand_reference(const yaml::Node& node, const TableInfo& table, const Catalogue& catalogue, const Site& site) {
  return expand(node, table, catalogue, site, 0);
}

void set_path(yaml::Node& root, std::string_view assignment, const TableInfo& table, Diagnostics& diagnostics) {
  const Location where{std::make_shared<const std::string>(fmt::format("--set {}", assignment)), 0, 0};
  const std::size_t equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0 || equals + 1 == assignment.size())
    return diagnostics.add(where, {}, "no path and value", "PATH=VALUE", "write 'cluster.nodes=4'");
  Diagnostics of_value;
  yaml::Node value = yaml::parse_yaml(assignment.substr(equals + 1), *where.file, of_value);
  if (!of_value.empty())
    return diagnostics.add(where, std::string(assignment.substr(0, equals)), of_value.in_order().front().message, "one YAML value");
  place_at(value, where);
  set_path(root, assignment.substr(0, equals), value, where, table, diagnostics);
}

void set_path(yaml::Node& root, std::string_view path, const yaml::Node& value, const Location& where, const TableInfo& table,
              Diagnostics& diagnostics) {
  Walk(where, value, diagnostics).into_table(root, path, table);
}

const Shape* shape_at(const TableInfo& table, std::string_view path) {
  const auto [part, rest] = first_part(path);
  const FieldInfo* field = table.find(part);
  return field == nullptr ? nullptr : shape_below(field->shape, rest);
}

} // namespace orrery
