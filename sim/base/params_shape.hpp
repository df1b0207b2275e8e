// The untyped half of parameter tables: what a key accepts, as data. Help, JSON Schema and override paths are made from it.
#pragma once

#include "sim/base/diagnostics.hpp"
#include "sim/base/quantity_text.hpp"
#include "sim/base/yaml.hpp"

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace orrery {

class TableInfo;

/// Where the names of a reference lead.
struct Catalogue {
  std::string kind; ///< "device", for messages
  /// The description under a name; nothing where there is none. It gets the whole scalar, for names that are paths relative to its file.
  std::function<std::optional<yaml::Node>(const yaml::Node& name, Diagnostics&)> find;
  std::function<std::vector<std::string>()> names;
};

enum class ShapeKind { count, number, quantity, flag, choice, text, list, map, object, reference, one_of, any };

/// What a key accepts.
struct Shape {
  ShapeKind kind = ShapeKind::text;
  std::optional<double> min = {};   ///< of counts, numbers and (in SI) quantities
  std::optional<double> above = {}; ///< exclusive minimum
  std::optional<double> max = {};
  Dimension dimension = {};                  ///< of a quantity
  std::string unit_hint = {};                ///< unit to suggest for a bare number
  std::vector<std::string> names = {};       ///< of a choice
  std::shared_ptr<const Shape> item = {};    ///< of a list or a map
  std::shared_ptr<const Shape> key = {};     ///< of a map: a choice; null = any text
  const TableInfo* table = nullptr;          ///< of an object or a reference
  std::vector<const TableInfo*> tables = {}; ///< of alternatives
  const Catalogue* catalogue = nullptr;      ///< of a reference
};

/// One key of a table.
struct FieldInfo {
  std::string key;
  Shape shape;
  std::string help;
  bool required = false;
  bool optional = false;    ///< may be absent, and then has no value
  yaml::Node default_value; ///< null where there is none
};

/// A table without its type.
class TableInfo {
public:
  TableInfo(std::string name, std::string summary) : name_(std::move(name)), summary_(std::move(summary)) {}

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& summary() const { return summary_; }
  [[nodiscard]] const std::vector<FieldInfo>& fields() const { return fields_; }
  [[nodiscard]] const FieldInfo* find(std::string_view key) const;
  [[nodiscard]] std::vector<std::string> keys() const;
  /// JSON Schema 2020-12 of a document that this table reads.
  [[nodiscard]] nlohmann::json schema() const;
  /// Tells an entry of a catalogue that values were laid over it: `before` is what it was.
  void overlay(yaml::Node& entry, const yaml::Node& before) const {
    if (overlaid_)
      overlaid_(*this, entry, before);
  }

protected:
  std::vector<FieldInfo> fields_;
  std::function<void(const TableInfo&, yaml::Node& entry, const yaml::Node& before)> overlaid_;

private:
  std::string name_;
  std::string summary_;
};

/// Where a value is being read.
struct Site {
  Diagnostics& diagnostics;
  std::string path;

  [[nodiscard]] Site below(std::string_view key) const {
    return Site{diagnostics, path.empty() ? std::string(key) : path + "." + std::string(key)};
  }
  void error(const yaml::Node& node, std::string message, std::string allowed = {}, std::string suggestion = {}) const {
    diagnostics.add(node.location, path, std::move(message), std::move(allowed), std::move(suggestion));
  }
};

/// "a device", "an engine".
std::string with_article(std::string_view noun);

/// What a shape accepts, in words: "a whole number from 1 to 64", "a power of at least 0 W (W, kW, MW, ...)".
std::string allowed_text(const Shape& shape);

// Readers of leaf values. They report what is wrong and return nothing.
std::optional<double> read_count(const yaml::Node& node, const Shape& shape, const Site& site);
std::optional<double> read_number(const yaml::Node& node, const Shape& shape, const Site& site);
std::optional<double> read_quantity(const yaml::Node& node, const Shape& shape, const Site& site);
std::optional<bool> read_flag(const yaml::Node& node, const Shape& shape, const Site& site);
std::optional<std::size_t> read_choice(const yaml::Node& node, const Shape& shape, const Site& site);
/// Which of the alternatives a map of one key holds.
std::optional<std::size_t> read_alternative(const yaml::Node& node, const Shape& shape, const Site& site);
std::optional<std::string> read_text(const yaml::Node& node, const Shape& shape, const Site& site);

/// Reports keys that the table does not know, and required keys that are not there. False where `node` is no map at all.
bool check_keys(const yaml::Node& node, const TableInfo& table, const Site& site);

/// The map that a reference stands for: a name looked up in the catalogue, or an inline map laid over its `base`. Nothing after a mistake.
std::optional<yaml::Node> expand_reference(const yaml::Node& node, const TableInfo& table, const Catalogue& catalogue, const Site& site);

/// Applies "cluster.node.devices=4" to a document of `table` before it is read. List items go by index or by their `name`; a reference on
/// the way is expanded.
void set_path(yaml::Node& root, std::string_view assignment, const TableInfo& table, Diagnostics& diagnostics);

/// The same with the value as a node. `where` is the place of the path; the value keeps its own.
void set_path(yaml::Node& root, std::string_view path, const yaml::Node& value, const Location& where, const TableInfo& table,
              Diagnostics& diagnostics);

/// What a path leads to, as far as the tables alone say; null where they know no such path.
const Shape* shape_at(const TableInfo& table, std::string_view path);

/// A row of `explain`.
struct HelpRow {
  std::string path;
  std::string accepts;
  std::string standard; ///< default, "required", or empty where it may be left out
  std::string help;
};

/// All keys of a table, those of nested objects and lists under dotted paths ("units.*.peak"). References are not followed.
std::vector<HelpRow> help_rows(const TableInfo& table);

} // namespace orrery
