// Objects of request traces in JSON: flat ones with counts, and conversations with their text.
#include "sim/base/diagnostics.hpp"
#include "workloads/requests/request_formats.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

using Json = nlohmann::json;

/// Takes the numbers of the wanted keys at the top of an object while it is parsed: a line may hold thousands of identities.
class ObjectScan : public nlohmann::json_sax<Json> {
public:
  explicit ObjectScan(const RequestFormat& format) : format_(format) {}

  void begin(TraceRecord& record) {
    record_ = &record;
    depth_ = 0;
    key_ = Key::other;
    found_ = 0;
    object_ = false;
    problem_.clear();
  }
  [[nodiscard]] std::string problem() const {
    if (!problem_.empty() || !object_)
      return problem_.empty() ? "not a JSON object" : problem_;
    for (const auto& [bit, name] : {std::pair(1U, &format_.time), std::pair(2U, &format_.input), std::pair(4U, &format_.output)})
      if ((found_ & bit) == 0 && !name->empty())
        return fmt::format("no '{}'", *name);
    return {};
  }

  bool number_integer(number_integer_t value) override { return number(static_cast<double>(value), static_cast<std::uint64_t>(value)); }
  bool number_unsigned(number_unsigned_t value) override { return number(static_cast<double>(value), value); }
  bool number_float(number_float_t value, const string_t& text) override { return key_ == Key::blocks ? other(text) : number(value, 0); }
  bool null() override { return other("null"); }
  bool boolean(bool value) override { return other(value ? "true" : "false"); }
  bool string(string_t& value) override { return other(shown(value)); }
  bool binary(binary_t& /*value*/) override { return true; }
  bool start_object(std::size_t /*size*/) override {
    object_ = object_ || depth_ == 0;
    return ++depth_ == 1 || other("an object");
  }
  bool end_object() override { return --depth_ >= 0; }
  bool start_array(std::size_t /*size*/) override {
    ++depth_;
    return depth_ > 1 && ((key_ == Key::blocks && depth_ == 2) || other("a list"));
  }
  bool end_array() override { return --depth_ >= 0; }
  bool key(string_t& name) override {
    if (depth_ == 1)
      key_ = name == format_.time     ? Key::time
             : name == format_.input  ? Key::input
             : name == format_.output ? Key::output
             : name == format_.blocks ? Key::blocks
                                      : Key::other;
    return true;
  }
  bool parse_error(std::size_t position, const std::string& /*token*/, const nlohmann::detail::exception& /*error*/) override {
    if (problem_.empty())
      problem_ = fmt::format("not a JSON object, at character {}", position);
    return false;
  }

private:
  enum class Key { other, time, input, output, blocks };

  bool number(double value, std::uint64_t identity) {
    if (key_ == Key::blocks)
      record_->blocks.push_back(identity);
    if (depth_ != 1)
      return true;
    if (key_ == Key::time)
      record_->time = value * format_.time_unit;
    else if (key_ == Key::input)
      record_->input = value;
    else if (key_ == Key::output)
      record_->output = value;
    found_ |= key_ == Key::time ? 1U : key_ == Key::input ? 2U : key_ == Key::output ? 4U : 0U;
    return true;
  }

  /// A value that is no number: a mistake where a number is due.
  bool other(const std::string& value) {
    if (key_ == Key::other || !problem_.empty())
      return true;
    const std::string& name = key_ == Key::time     ? format_.time
                              : key_ == Key::input  ? format_.input
                              : key_ == Key::output ? format_.output
                                                    : format_.blocks;
    problem_ = fmt::format("{} {}: not a number", name, value);
    return true;
  }

  const RequestFormat& format_;
  TraceRecord* record_ = nullptr;
  int depth_ = 0;
  Key key_ = Key::other;
  unsigned found_ = 0;
  bool object_ = false; ///< the text is one
  std::string problem_;
};

/// Identities of blocks out of those of their tokens: equal where all tokens up to their end are. Only full blocks can be shared.
void hash_tokens(std::vector<std::uint64_t>& tokens, int block_tokens) {
  std::uint64_t hash = 0xCBF29CE484222325u; // FNV-1a over the tokens so far
  std::size_t blocks = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    hash = (hash ^ tokens[i]) * 0x100000001B3u;
    hash ^= hash >> 32;
    if ((i + 1) % static_cast<std::size_t>(block_tokens) == 0)
      tokens[blocks++] = hash;
  }
  tokens.resize(blocks);
}

class JsonParser : public RecordParser {
public:
  explicit JsonParser(const RequestFormat& format) : format_(format), scan_(format) {}

  std::string parse(std::string_view text, std::vector<TraceRecord>& records) override {
    TraceRecord& record = records.emplace_back();
    scan_.begin(record);
    Json::sax_parse(text, &scan_);
    if (std::string problem = scan_.problem(); !problem.empty())
      return problem;
    if (format_.tokens)
      hash_tokens(record.blocks, format_.block_tokens);
    return {};
  }

private:
  const RequestFormat& format_;
  ObjectScan scan_;
};

/// Characters, not bytes, of a UTF-8 text.
double characters(const std::string& text) {
  return static_cast<double>(std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

const Json* find_any(const Json& object, std::initializer_list<const char*> keys) {
  for (const char* key : keys)
    if (const auto found = object.find(key); found != object.end())
      return &*found;
  return nullptr;
}

class ConversationParser : public RecordParser {
public:
  explicit ConversationParser(double characters_per_token) : characters_per_token_(characters_per_token) {}

  std::string parse(std::string_view text, std::vector<TraceRecord>& records) override {
    const Json item = Json::parse(text, nullptr, false);
    if (!item.is_object())
      return "not a JSON object";
    const Json* turns = find_any(item, {"conversations", "conversation", "messages"});
    if (turns == nullptr || !turns->is_array())
      return "no list 'conversations'";
    double context = 0; // characters so far
    double asked = 0;   // of them since the last answer
    for (const Json& turn : *turns) {
      const Json* who = turn.is_object() ? find_any(turn, {"from", "role"}) : nullptr;
      const Json* said = turn.is_object() ? find_any(turn, {"value", "content"}) : nullptr;
      if (who == nullptr || said == nullptr || !who->is_string() || !said->is_string())
        return "a turn without 'from' and 'value'";
      const double length = characters(said->get_ref<const std::string&>());
      const std::string& speaker = who->get_ref<const std::string&>();
      const bool answer = speaker == "gpt" || speaker == "assistant" || speaker == "chatgpt" || speaker == "bing" || speaker == "bard";
      if (answer && asked > 0 && length > 0)
        records.push_back({.input = tokens(context), .output = tokens(length), .follows = !records.empty()});
      asked = answer ? 0 : asked + length;
      context += length;
    }
    return records.empty() ? "no answer to a prompt in it" : "";
  }

private:
  [[nodiscard]] double tokens(double length) const { return std::max(1.0, std::round(length / characters_per_token_)); }

  double characters_per_token_;
};

} // namespace

std::vector<std::string> json_keys(std::string_view text) {
  const Json object = Json::parse(text, nullptr, false);
  std::vector<std::string> keys;
  if (object.is_object())
    for (const auto& [key, value] : object.items())
      keys.push_back(key);
  return keys;
}

std::unique_ptr<RecordParser> json_parser(const RequestFormat& format) { return std::make_unique<JsonParser>(format); }

std::unique_ptr<RecordParser> conversation_parser(double characters_per_token) {
  return std::make_unique<ConversationParser>(characters_per_token);
}

} // namespace orrery
