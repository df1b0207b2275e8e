#include "sim/base/yaml.hpp"

#include <algorithm>

namespace orrery::yaml {

const Node* Node::find(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.key == key)
      return &entry.value;
  }
  return nullptr;
}

Node* Node::find(std::string_view key) { return const_cast<Node*>(std::as_const(*this).find(key)); }

void Node::set(std::string_view key, Node value) {
  if (Node* present = find(key)) {
    *present = std::move(value);
  } else {
    const Location where = value.location;
    entries.push_back(Entry{std::string(key), where, std::move(value)});
  }
}

bool operator==(const Node& a, const Node& b) {
  const auto same_entry = [](const Entry& x, const Entry& y) { return x.key == y.key && x.value == y.value; };
  return a.kind == b.kind && a.text == b.text && a.quoted == b.quoted && a.items == b.items &&
         std::equal(a.entries.begin(), a.entries.end(), b.entries.begin(), b.entries.end(), same_entry);
}

Node scalar(std::string text) {
  Node node;
  node.kind = Kind::scalar;
  node.quoted = !plain_safe(text);
  node.text = std::move(text);
  return node;
}

Node sequence(std::vector<Node> items) {
  Node node;
  node.kind = Kind::sequence;
  node.items = std::move(items);
  return node;
}

Node map(std::vector<std::pair<std::string, Node>> entries) {
  Node node;
  node.kind = Kind::map;
  for (auto& [key, value] : entries)
    node.entries.push_back(Entry{std::move(key), {}, std::move(value)});
  return node;
}

Node on_one_line(Node node) {
  node.flow = true;
  return node;
}

std::string described(const Node& node) {
  switch (node.kind) {
  case Kind::null:
    return "nothing";
  case Kind::scalar:
    return shown(node.text);
  case Kind::sequence:
    return "a list";
  case Kind::map:
    return "a map";
  }
  return {};
}

} // namespace orrery::yaml
