#include "sim/base/yaml.hpp"

#include "sim/base/utf8.hpp"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

namespace orrery::yaml {

namespace {

constexpr std::size_t max_bytes = 8u << 20;
constexpr std::size_t max_nodes = 1'000'000;
constexpr std::size_t max_depth = 64;
constexpr std::size_t max_key_bytes = 256;

/// Ends parsing early; its text is already in the diagnostics.
struct Stop {};

/// Builds the tree from yaml-cpp's events, the machinery under YAML::Load. Events rather than YAML::Load itself, because duplicate keys and
/// a second document are lost in its result, and because depth and size are bounded here while yaml-cpp still reads.
class Builder : public YAML::EventHandler {
public:
  Builder(std::shared_ptr<const std::string> file, Diagnostics& diagnostics) : file_(std::move(file)), diagnostics_(diagnostics) {}

  [[nodiscard]] std::optional<Node> take() { return std::move(root_); }
  [[nodiscard]] const Location& document_start() const { return document_start_; }

  void OnDocumentStart(const YAML::Mark& mark) override { document_start_ = place(mark); }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { leaf(make(Kind::null, mark), anchor); }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    Node node = make(Kind::scalar, mark);
    node.quoted = tag == "!";
    if (!node.quoted)
      refuse_tag(tag, node.location);
    node.text = value;
    leaf(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end())
      fail(place(mark), "an alias to a value that is not complete yet", "aliases of values that end before them");
    Node copy = found->second;
    count(size_of(copy), place(mark));
    if (depth_of(copy) + open_.size() > max_depth)
      fail(place(mark), "nested too deeply", fmt::format("at most {} levels", max_depth));
    copy.location = place(mark);
    put(std::move(copy));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open(make(Kind::sequence, mark), tag, anchor);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open(make(Kind::map, mark), tag, anchor);
  }
  void OnMapEnd() override { close(); }

private:
  /// A sequence or map that is not complete yet.
  struct Open {
    Node node;
    YAML::anchor_t anchor = 0;
    bool has_key = false; ///< the key of the next value is known
    std::string key;
    Location key_location;
    bool drop = false;                ///< the next value belongs to a refused key
    std::map<std::string, int> lines; ///< of the keys so far
  };

  [[nodiscard]] Location place(const YAML::Mark& mark) const {
    return mark.is_null() ? Location{file_, 1, 1} : Location{file_, mark.line + 1, mark.column + 1};
  }

  Node make(Kind kind, const YAML::Mark& mark) {
    Node node;
    node.kind = kind;
    node.location = place(mark);
    count(1, node.location);
    return node;
  }

  [[noreturn]] void fail(const Location& where, std::string message, std::string allowed) {
    diagnostics_.add(where, path(), std::move(message), std::move(allowed));
    throw Stop{};
  }

  void count(std::size_t more, const Location& where) {
    nodes_ += more;
    if (nodes_ > max_nodes)
      fail(where, "too many values, aliases expanded", fmt::format("at most {}", max_nodes));
  }

  static std::size_t size_of(const Node& node) {
    std::size_t size = 1;
    for (const Node& item : node.items)
      size += size_of(item);
    for (const Entry& entry : node.entries)
      size += size_of(entry.value);
    return size;
  }

  static std::size_t depth_of(const Node& node) {
    std::size_t depth = 0;
    for (const Node& item : node.items)
      depth = std::max(depth, depth_of(item));
    for (const Entry& entry : node.entries)
      depth = std::max(depth, depth_of(entry.value));
    return depth + 1;
  }

  [[nodiscard]] std::string path() const {
    std::string text;
    for (const Open& level : open_) {
      if (level.node.is_map() && !level.has_key)
        break;
      if (!text.empty())
        text += '.';
      text += level.node.is_map() ? level.key : std::to_string(level.node.items.size());
    }
    return text;
  }

  void refuse_tag(const std::string& tag, const Location& where) {
    static const std::string core = "tag:yaml.org,2002:";
    if (tag != "?" && !tag.empty())
      diagnostics_.add(where, path(), fmt::format("a tag, {}", shown(tag.starts_with(core) ? "!!" + tag.substr(core.size()) : tag)),
                       "values without tags");
  }

  void leaf(Node node, YAML::anchor_t anchor) {
    if (anchor != 0)
      anchors_[anchor] = node;
    put(std::move(node));
  }

  void open(Node node, const std::string& tag, YAML::anchor_t anchor) {
    refuse_tag(tag, node.location);
    if (open_.size() >= max_depth)
      fail(node.location, "nested too deeply", fmt::format("at most {} levels", max_depth));
    open_.push_back(
        Open{.node = std::move(node), .anchor = anchor, .has_key = false, .key = {}, .key_location = {}, .drop = false, .lines = {}});
  }

  void close() {
    Node node = std::move(open_.back().node);
    const YAML::anchor_t anchor = open_.back().anchor;
    open_.pop_back();
    if (anchor != 0)
      anchors_[anchor] = node;
    put(std::move(node));
  }

  void put(Node node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& level = open_.back();
    if (level.node.is_sequence()) {
      level.node.items.push_back(std::move(node));
    } else if (!level.has_key) {
      put_key(level, node);
    } else {
      if (node.is_null())
        node.location = level.key_location; // yaml-cpp places a value that is not there at whatever comes next
      if (!level.drop)
        level.node.entries.push_back(Entry{level.key, level.key_location, std::move(node)});
      level.has_key = false;
    }
  }

  void put_key(Open& level, const Node& node) {
    const std::string above = path();
    level.has_key = true;
    level.key = node.is_scalar() ? node.text : "?";
    level.key_location = node.location;
    level.drop = true;
    if (!node.is_scalar())
      diagnostics_.add(node.location, above, fmt::format("{} as a key", described(node)), "text as a key");
    else if (node.text.size() > max_key_bytes)
      diagnostics_.add(node.location, above, fmt::format("the key {}", shown(node.text)),
                       fmt::format("keys of at most {} bytes", max_key_bytes));
    else if (node.text == "<<" && !node.quoted)
      diagnostics_.add(node.location, above, "a merge key '<<'", "plain keys", "write the merged keys out, or start from 'base: NAME'");
    else if (const auto [first, fresh] = level.lines.emplace(node.text, node.location.line); !fresh)
      diagnostics_.add(node.location, path(), fmt::format("a second value for this key, first given in line {}", first->second),
                       "each key once");
    else
      level.drop = false;
  }

  std::shared_ptr<const std::string> file_;
  Diagnostics& diagnostics_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Node> anchors_;
  std::optional<Node> root_;
  Location document_start_;
  std::size_t nodes_ = 0;
};

/// yaml-cpp guesses other encodings and replaces what it cannot decode, so bytes are checked before it sees them.
bool bytes_are_text(std::string_view text, const std::shared_ptr<const std::string>& file, Diagnostics& diagnostics) {
  int line = 1;
  std::size_t line_start = 0;
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const std::size_t length = utf8_length(text, i);
    const bool control = (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F;
    if (length == 0 || control) {
      const Location where{file, line, static_cast<int>(i - line_start) + 1};
      diagnostics.add(where, {}, fmt::format("{}, byte 0x{:02X}", control ? "a control character" : "not UTF-8", c), "UTF-8 text");
      return false;
    }
    i += length;
    if (c == '\n') {
      ++line;
      line_start = i;
    }
  }
  return true;
}

/// The lines before the first one with content. yaml-cpp ignores directives that it does not know.
bool has_no_directive(std::string_view text, const std::shared_ptr<const std::string>& file, Diagnostics& diagnostics) {
  if (text.starts_with("\xEF\xBB\xBF"))
    text.remove_prefix(3);
  for (int line = 1; !text.empty(); ++line) {
    const std::string_view content = text.substr(0, std::min(text.find('\n'), text.size()));
    if (content.starts_with('%')) {
      diagnostics.add(Location{file, line, 1}, {}, "a directive", "keys and values");
      return false;
    }
    const std::size_t first = content.find_first_not_of(" \t\r");
    if (first != std::string_view::npos && content[first] != '#')
      return true;
    text.remove_prefix(std::min(content.size() + 1, text.size()));
  }
  return true;
}

std::string_view line_of(std::string_view text, int line) {
  for (int i = 0; i < line; ++i)
    text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  return text.substr(0, text.find('\n'));
}

/// yaml-cpp's words for a syntax error, with a hint where the usual cause is known.
void syntax_error(const YAML::Exception& error, std::string_view text, const std::shared_ptr<const std::string>& file,
                  Diagnostics& diagnostics) {
  const Location where = error.mark.is_null() ? Location{file, 1, 1} : Location{file, error.mark.line + 1, error.mark.column + 1};
  const int lines = static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  std::string message = error.msg;
  std::string hint;
  if (message == "illegal document indicator in scalar" || message == "illegal EOF in scalar") {
    message = "a quoted text does not end";
    hint = "add the closing quote";
  } else if (where.line - 1 <= lines) {
    const std::string_view content = line_of(text, where.line - 1);
    const std::string_view margin = content.substr(0, std::min(content.find_first_not_of(" \t"), content.size()));
    if (margin.find('\t') != std::string_view::npos)
      hint = "indent with spaces, not tabs";
    else if (message == "illegal map value")
      hint = "put a value that contains ': ' in quotes, and the keys of a map in one column";
  }
  diagnostics.add(where, {}, fmt::format("not YAML: {}", message), {}, hint);
}

} // namespace

Node parse_yaml(std::string_view text, const std::string& file_name, Diagnostics& diagnostics) {
  const auto file = std::make_shared<const std::string>(file_name);
  Node root;
  root.location = Location{file, 1, 1};
  if (text.size() > max_bytes) {
    diagnostics.add(Location{file, 0, 0}, {}, fmt::format("{} bytes", text.size()), fmt::format("files of at most {} bytes", max_bytes));
    return root;
  }
  if (!bytes_are_text(text, file, diagnostics) || !has_no_directive(text, file, diagnostics))
    return root;
  const std::size_t before = diagnostics.size();
  Builder builder(file, diagnostics);
  try {
    // The end marker makes yaml-cpp see quotes that are still open: at the end of input it may close them itself.
    std::istringstream stream{fmt::format("{}{}...\n", text, text.ends_with('\n') ? "" : "\n")};
    YAML::Parser parser(stream);
    parser.HandleNextDocument(builder);
    if (auto value = builder.take())
      root = std::move(*value);
    // Asked for one document more and never a third: on some input yaml-cpp 0.7 hands out documents without end.
    if (diagnostics.size() == before && parser.HandleNextDocument(builder))
      diagnostics.add(builder.document_start(), {}, "a second document", "one document per file");
  } catch (const Stop&) {
  } catch (const YAML::Exception& error) {
    syntax_error(error, text, file, diagnostics);
  }
  if (root.is_null() && diagnostics.size() == before)
    diagnostics.add(Location{file, 1, 1}, {}, "an empty document", "keys and values");
  return root;
}

Node read_yaml_file(const std::string& path) {
  const auto file = std::make_shared<const std::string>(path);
  Diagnostics diagnostics;
  const auto refuse = [&](const char* message) {
    diagnostics.add(Location{file, 0, 0}, {}, message, "a readable YAML file");
    throw UserError(diagnostics);
  };
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status))
    refuse("no such file");
  if (std::filesystem::is_directory(status))
    refuse("a directory");
  std::ifstream stream(path, std::ios::binary);
  if (!stream)
    refuse("cannot be opened");
  std::string text;
  std::array<char, 16384> part{};
  // A little more than allowed is enough to see that a file is too large, without reading it all.
  while (stream && text.size() <= max_bytes) {
    stream.read(part.data(), part.size());
    text.append(part.data(), static_cast<std::size_t>(stream.gcount()));
  }
  if (stream.bad())
    refuse("cannot be read");
  if (text.size() > max_bytes)
    refuse("more than 8 MiB");
  Node node = parse_yaml(text, path, diagnostics);
  diagnostics.throw_if_any();
  return node;
}

} // namespace orrery::yaml
