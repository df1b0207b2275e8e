#include "sim/base/yaml.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace orrery::yaml {

namespace {

bool alphanumeric(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 && static_cast<unsigned char>(c) < 0x80; }
bool digit(char c) { return c >= '0' && c <= '9'; }

std::string in_quotes(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      result += fmt::format("\\{}", c);
    else if (c == '\n')
      result += "\\n";
    else if (c == '\t')
      result += "\\t";
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      result += c;
  }
  return result + "\"";
}

std::string written(const std::string& text, bool quoted) { return quoted || !plain_safe(text) ? in_quotes(text) : text; }

/// Scalars, lists of scalars, and what is meant to stand on one line.
bool in_line(const Node& node) {
  if (node.flow)
    return true;
  if (node.is_sequence())
    return std::all_of(node.items.begin(), node.items.end(), [](const Node& item) { return item.is_scalar() || item.is_null(); });
  return !node.is_map() || node.entries.empty();
}

std::string line_of(const Node& node) {
  if (node.is_null())
    return "null";
  if (node.is_scalar())
    return written(node.text, node.quoted);
  if (node.is_map()) {
    std::string text;
    for (const Entry& entry : node.entries)
      text += fmt::format("{} {}: {}", text.empty() ? "" : ",", written(entry.key, false), line_of(entry.value));
    return fmt::format("{{{}{}}}", text, text.empty() ? "" : " ");
  }
  std::string text = "[";
  for (const Node& item : node.items)
    text += fmt::format("{}{}", text.size() > 1 ? ", " : "", line_of(item));
  return text + "]";
}

/// Appends the lines of a map or sequence. The cursor stands at column `indent` of a line.
void write_block(const Node& node, std::size_t indent, std::string& out) {
  const std::string margin(indent, ' ');
  bool first = true;
  const auto begin = [&] {
    if (!first)
      out += margin;
    first = false;
  };
  for (const Entry& entry : node.entries) {
    begin();
    out += fmt::format("{}:", written(entry.key, false));
    if (in_line(entry.value)) {
      out += fmt::format(" {}\n", line_of(entry.value));
    } else {
      out += fmt::format("\n{}  ", margin);
      write_block(entry.value, indent + 2, out);
    }
  }
  for (const Node& item : node.items) {
    begin();
    out += "- ";
    if (in_line(item))
      out += fmt::format("{}\n", line_of(item));
    else
      write_block(item, indent + 2, out);
  }
}

} // namespace

bool plain_safe(std::string_view text) {
  if (text.empty() || text.size() > 1000 || text.back() == ' ')
    return false;
  const bool number = text.size() > 1 && (text[0] == '-' || text[0] == '.') && digit(text[1]);
  if (!number && !alphanumeric(text[0]) && text[0] != '/' && text[0] != '_')
    return false;
  static constexpr std::string_view also = "_/.+%*()=<>^- ";
  if (!std::all_of(text.begin(), text.end(), [](char c) { return alphanumeric(c) || also.find(c) != std::string_view::npos; }))
    return false;
  return text != "null" && text != "Null" && text != "NULL";
}

std::string to_yaml(const Node& node) {
  if (in_line(node))
    return line_of(node) + "\n";
  std::string out;
  write_block(node, 0, out);
  return out;
}

} // namespace orrery::yaml
