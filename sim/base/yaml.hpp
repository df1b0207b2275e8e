// A strict reader of one YAML document into plain values that know their place in the file, and a writer that it reads back.
//
// Stricter than YAML: no duplicate keys, merge keys, tags, several documents, non-scalar keys; bounded in size, depth and number of nodes.
// Scalars stay text: what a `no` or a `012` means is decided by the parameter that reads it (sim/base/params.hpp).
#pragma once

#include "sim/base/diagnostics.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace orrery::yaml {

enum class Kind { null, scalar, sequence, map };

struct Entry;

struct Node {
  Kind kind = Kind::null;
  std::string text;           ///< of a scalar
  bool quoted = false;        ///< the scalar was written in quotes or as a block
  std::vector<Node> items;    ///< of a sequence
  std::vector<Entry> entries; ///< of a map, in file order
  Location location;
  bool flow = false; ///< the writer puts it and all below it on one line

  [[nodiscard]] bool is_null() const { return kind == Kind::null; }
  [[nodiscard]] bool is_scalar() const { return kind == Kind::scalar; }
  [[nodiscard]] bool is_sequence() const { return kind == Kind::sequence; }
  [[nodiscard]] bool is_map() const { return kind == Kind::map; }
  /// The value of a key of a map; null where there is none.
  [[nodiscard]] const Node* find(std::string_view key) const;
  [[nodiscard]] Node* find(std::string_view key);
  /// Sets a key of a map: replaces its value in place or appends it.
  void set(std::string_view key, Node value);

  /// Same content; places do not count.
  friend bool operator==(const Node& a, const Node& b);
};

struct Entry {
  std::string key;
  Location location; ///< of the key
  Node value;
};

/// A scalar, marked as quoted where its text cannot stand plainly.
Node scalar(std::string text);
Node sequence(std::vector<Node> items = {});
Node map(std::vector<std::pair<std::string, Node>> entries = {});
/// The same node, to be written on one line.
Node on_one_line(Node node);

/// Short words for messages: "nothing", "'text'", "a list", "a map".
std::string described(const Node& node);

/// Reads one document. Mistakes go to `diagnostics`; then the result is null or partial.
Node parse_yaml(std::string_view text, const std::string& file_name, Diagnostics& diagnostics);

/// Reads a file; throws UserError with all that is wrong with it.
Node read_yaml_file(const std::string& path);

/// Block style but for what stands on one line, one trailing newline. parse_yaml reads it back to an equal node.
std::string to_yaml(const Node& node);

/// Whether `text` can stand without quotes and still be read as the same scalar.
bool plain_safe(std::string_view text);

} // namespace orrery::yaml
