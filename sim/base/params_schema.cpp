// Help and JSON Schema out of a table.
#include "sim/base/params_shape.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

using nlohmann::json;

/// Writes shapes as schemas and collects the tables that they mention.
class SchemaWriter {
public:
  json of(const Shape& shape) {
    switch (shape.kind) {
    case ShapeKind::count: {
      json schema = bounded(shape, "number");
      schema["multipleOf"] = 1; // not "integer": 300e9 is a count too
      return schema;
    }
    case ShapeKind::number:
      return bounded(shape, "number");
    case ShapeKind::quantity:
      return {{"type", "string"}, {"pattern", quantity_pattern(shape)}, {"description", allowed_text(shape)}};
    case ShapeKind::flag:
      return {{"type", "boolean"}};
    case ShapeKind::choice:
      return {{"enum", shape.names}};
    case ShapeKind::text:
      return {{"type", json::array({"string", "number", "boolean"})}}; // `name: 70` is text here, a number to other YAML readers
    case ShapeKind::list:
      return {{"type", "array"}, {"items", of(*shape.item)}};
    case ShapeKind::map:
      if (!shape.key)
        return {{"type", "object"}, {"additionalProperties", of(*shape.item)}};
      return {{"type", "object"}, {"propertyNames", of(*shape.key)}, {"additionalProperties", of(*shape.item)}};
    case ShapeKind::object:
      return {{"$ref", define(*shape.table, false)}};
    case ShapeKind::one_of: {
      json properties = json::object();
      for (std::size_t i = 0; i < shape.names.size(); ++i)
        properties[shape.names[i]] = {{"$ref", define(*shape.tables[i], false)}};
      return {{"type", "object"}, {"properties", properties}, {"additionalProperties", false}, {"minProperties", 1}, {"maxProperties", 1}};
    }
    case ShapeKind::reference:
      return {{"anyOf", json::array({{{"type", "string"},
                                      {"description", "name of " + with_article(shape.catalogue->kind)},
                                      {"examples", shape.catalogue->names()}},
                                     {{"$ref", define(*shape.table, true)}}})}};
    case ShapeKind::any:
      return json::object();
    }
    return {};
  }

  json object(const TableInfo& table, bool inline_reference) {
    json properties = json::object();
    json required = json::array();
    for (const FieldInfo& field : table.fields()) {
      json schema = of(field.shape);
      if (!field.help.empty())
        schema["description"] = field.help + (field.shape.kind == ShapeKind::quantity ? "; " + allowed_text(field.shape) : "");
      if (!field.default_value.is_null())
        schema["default"] = value(field.default_value, field.shape);
      properties[field.key] = std::move(schema);
      if (field.required)
        required.push_back(field.key);
    }
    json schema = {{"type", "object"}, {"description", table.summary()}, {"additionalProperties", false}};
    if (inline_reference)
      properties["base"] = {{"type", "string"}, {"description", "catalogue entry to start from; the other keys replace its values"}};
    // What a base brings need not be given again.
    if (inline_reference && !required.empty())
      schema["anyOf"] = json::array({{{"required", json::array({"base"})}}, {{"required", required}}});
    else if (!required.empty())
      schema["required"] = required;
    schema["properties"] = std::move(properties);
    return schema;
  }

  [[nodiscard]] const json& definitions() const { return definitions_; }

private:
  std::string define(const TableInfo& table, bool inline_reference) {
    const std::string name = table.name() + (inline_reference ? "_reference" : "");
    if (!definitions_.contains(name)) {
      definitions_[name] = nullptr; // taken, before its fields are walked
      json definition = object(table, inline_reference);
      definitions_[name] = std::move(definition);
    }
    return "#/$defs/" + name;
  }

  static json bounded(const Shape& shape, const char* type) {
    json schema = {{"type", type}};
    if (shape.above)
      schema["exclusiveMinimum"] = *shape.above;
    else if (shape.min && std::isfinite(*shape.min))
      schema["minimum"] = *shape.min;
    if (shape.max)
      schema["maximum"] = *shape.max;
    return schema;
  }

  static std::string quantity_pattern(const Shape& shape) {
    std::string alternatives;
    for (const std::string& name : unit_names(shape.dimension))
      alternatives += fmt::format("{}{}", alternatives.empty() ? "" : "|", name);
    const bool negative = !shape.above && shape.min && *shape.min < 0;
    return fmt::format("^ *{}(?:[0-9]+\\.?[0-9]*|\\.[0-9]+)(?:[eE][+-]?[0-9]+)? *(?:{}) *$", negative ? "-?" : "", alternatives);
  }

  /// A default as JSON. Numbers and flags become JSON's own.
  static json value(const yaml::Node& node, const Shape& shape) {
    QuantityError error;
    switch (shape.kind) {
    case ShapeKind::count:
    case ShapeKind::number:
      return parse_number(node.text, error);
    case ShapeKind::flag:
      return node.text == "true";
    case ShapeKind::list: {
      json list = json::array();
      for (const yaml::Node& item : node.items)
        list.push_back(value(item, *shape.item));
      return list;
    }
    case ShapeKind::map: {
      json map = json::object();
      for (const yaml::Entry& entry : node.entries)
        map[entry.key] = value(entry.value, *shape.item);
      return map;
    }
    case ShapeKind::one_of: {
      const yaml::Entry& entry = node.entries.front();
      const auto index = std::find(shape.names.begin(), shape.names.end(), entry.key) - shape.names.begin();
      return {{entry.key, value(entry.value, Shape{.kind = ShapeKind::object, .table = shape.tables[static_cast<std::size_t>(index)]})}};
    }
    case ShapeKind::object:
    case ShapeKind::reference: {
      json map = json::object();
      for (const yaml::Entry& entry : node.entries)
        map[entry.key] = value(entry.value, shape.table->find(entry.key)->shape);
      return map;
    }
    case ShapeKind::quantity:
    case ShapeKind::choice:
    case ShapeKind::text:
    case ShapeKind::any:
      return node.text;
    }
    return {};
  }

  json definitions_ = json::object();
};

std::string value_text(yaml::Node node) {
  node.flow = true;
  std::string text = yaml::to_yaml(node);
  while (!text.empty() && text.back() == '\n')
    text.pop_back();
  return text == "\"\"" ? "" : text;
}

void add_rows(const TableInfo& table, const std::string& above, std::vector<HelpRow>& rows);

/// The rows of the tables below a value.
void add_rows_below(const Shape& shape, const std::string& path, std::vector<HelpRow>& rows) {
  if (shape.kind == ShapeKind::object)
    add_rows(*shape.table, path, rows);
  if (shape.kind == ShapeKind::list || shape.kind == ShapeKind::map)
    add_rows_below(*shape.item, path + ".*", rows);
  for (std::size_t i = 0; i < shape.tables.size(); ++i)
    add_rows(*shape.tables[i], fmt::format("{}.{}", path, shape.names[i]), rows);
}

/// As in messages, without the keys of objects, which have rows of their own.
std::string accepts(const Shape& shape) {
  if (shape.kind == ShapeKind::object)
    return "a map";
  if (shape.kind == ShapeKind::reference)
    return fmt::format("the name of {}, or a map", with_article(shape.catalogue->kind));
  if (shape.kind == ShapeKind::list && shape.item->kind == ShapeKind::object)
    return "a list of maps";
  return allowed_text(shape);
}

void add_rows(const TableInfo& table, const std::string& above, std::vector<HelpRow>& rows) {
  for (const FieldInfo& field : table.fields()) {
    const std::string path = above.empty() ? field.key : fmt::format("{}.{}", above, field.key);
    rows.push_back(HelpRow{.path = path,
                           .accepts = accepts(field.shape),
                           .standard = field.required                  ? "required"
                                       : field.default_value.is_null() ? ""
                                                                       : value_text(field.default_value),
                           .help = field.help});
    add_rows_below(field.shape, path, rows);
  }
}

} // namespace

nlohmann::json TableInfo::schema() const {
  SchemaWriter writer;
  json schema = writer.object(*this, false);
  schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
  schema["title"] = name_;
  if (!writer.definitions().empty())
    schema["$defs"] = writer.definitions();
  return schema;
}

std::vector<HelpRow> help_rows(const TableInfo& table) {
  std::vector<HelpRow> rows;
  add_rows(table, {}, rows);
  return rows;
}

} // namespace orrery
