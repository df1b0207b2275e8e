#include "scenarios/imports/launch_script.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace orrery {

namespace {

using Words = std::vector<std::string>;

class Script {
public:
  Script(std::string_view text, std::string_view option, LaunchCommand& found) : text_(text), option_(option), found_(found) {}

  void read() {
    while (at_ < text_.size())
      statement();
  }

private:
  /// A word under construction: an unquoted expansion may end it and begin others.
  struct Fields {
    Words words;
    std::string current;
    bool open = false;

    void text(std::string_view piece) {
      current += piece;
      open = true;
    }
    void close() {
      if (open)
        words.push_back(std::move(current));
      current.clear();
      open = false;
    }
    /// Elements of an array keep apart; of an unquoted expansion also what white space parts.
    void values(const Words& values, bool quoted) {
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (i > 0)
          close();
        if (quoted) {
          text(values[i]);
          continue;
        }
        for (const char c : values[i]) {
          if (std::isspace(static_cast<unsigned char>(c)) != 0)
            close();
          else
            text(std::string_view(&c, 1));
        }
      }
    }
  };

  [[nodiscard]] char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  [[nodiscard]] bool ends_word(char c) const {
    return c == '\0' || std::isspace(static_cast<unsigned char>(c)) != 0 || c == ';' || c == '&' || c == '|' || c == '(' || c == ')';
  }

  void skip_blanks() {
    for (;;) {
      if (peek() == '\\' && (peek(1) == '\n' || (peek(1) == '\r' && peek(2) == '\n')))
        at_ += peek(1) == '\n' ? 2 : 3;
      else if (peek() == ' ' || peek() == '\t' || peek() == '\r')
        ++at_;
      else
        break;
    }
    if (peek() == '#')
      while (at_ < text_.size() && peek() != '\n')
        ++at_;
  }

  /// Assignments in front, then the words of a command up to the end of the line or a separator.
  void statement() {
    Words words;
    bool exporting = true; // assignments may still come
    for (;;) {
      skip_blanks();
      const char c = peek();
      if (c == '\0' || c == '\n' || c == ';' || c == '&' || c == '|' || c == '(' || c == ')') {
        ++at_;
        break;
      }
      if (redirect())
        continue;
      if (exporting && assignment())
        continue;
      const std::size_t before = at_;
      Fields fields;
      word(fields);
      if (at_ == before)
        ++at_;
      if (fields.words == Words{"export"} && words.empty())
        continue;
      if (words.empty() && !fields.words.empty())
        note_control(fields.words.front());
      exporting = false;
      words.insert(words.end(), fields.words.begin(), fields.words.end());
    }
    keep(words);
  }

  void note_control(const std::string& word) {
    if (word != "if" && word != "for" && word != "while" && word != "case" && word != "elif" && word != "else")
      return;
    const auto line = 1 + std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(std::min(at_, text_.size())), '\n');
    found_.notes.push_back(fmt::format("line {}: '{}' is not evaluated, what follows is taken as it stands", line, word));
  }

  void keep(const Words& words) {
    if (std::ranges::find(words, option_) != words.end() ||
        std::ranges::any_of(words, [&](const std::string& word) { return word.starts_with(option_ + "="); })) {
      found_.words = words;
      found_.variables = variables_;
      return;
    }
    // A command handed to another shell as one word.
    for (const std::string& word : words) {
      if (word.find(option_ + " ") == std::string::npos || word.size() >= text_.size())
        continue;
      Script inner(word, option_, found_);
      inner.variables_ = variables_;
      inner.read();
    }
  }

  bool redirect() {
    std::size_t ahead = 0;
    while (std::isdigit(static_cast<unsigned char>(peek(ahead))) != 0)
      ++ahead;
    if (peek(ahead) != '>' && peek(ahead) != '<')
      return false;
    at_ += ahead;
    while (peek() == '>' || peek() == '<' || peek() == '&')
      ++at_;
    skip_blanks();
    Fields target;
    word(target);
    return true;
  }

  bool assignment() {
    std::size_t end = at_;
    if (!is_name_start(peek()))
      return false;
    while (end < text_.size() && is_name_part(text_[end]))
      ++end;
    const bool append = end + 1 < text_.size() && text_[end] == '+' && text_[end + 1] == '=';
    if (!append && (end >= text_.size() || text_[end] != '='))
      return false;
    const std::string name(text_.substr(at_, end - at_));
    at_ = end + (append ? 2 : 1);
    Words value;
    if (peek() == '(') {
      value = array();
    } else {
      Fields fields;
      word(fields, true);
      value = {joined_words(fields.words)};
    }
    Words& variable = variables_[name];
    if (!append)
      variable = value;
    else if (variable.size() == 1 && value.size() == 1)
      variable.front() += value.front();
    else
      variable.insert(variable.end(), value.begin(), value.end());
    return true;
  }

  Words array() {
    ++at_;
    Words words;
    while (peek() != ')' && peek() != '\0') {
      skip_blanks();
      if (peek() == '\n') {
        ++at_;
        continue;
      }
      if (peek() == ')' || peek() == '\0')
        break;
      const std::size_t before = at_;
      Fields fields;
      word(fields);
      if (at_ == before)
        ++at_;
      words.insert(words.end(), fields.words.begin(), fields.words.end());
    }
    at_ += peek() == ')' ? 1 : 0;
    return words;
  }

  /// One word. In an assignment white space of an expansion does not part it.
  void word(Fields& fields, bool whole = false) {
    while (!ends_word(peek()) && peek() != '<' && peek() != '>') {
      const char c = peek();
      if (c == '\\') {
        ++at_;
        if (peek() == '\n')
          ++at_;
        else if (peek() != '\0')
          fields.text(text_.substr(at_++, 1));
      } else if (c == '\'') {
        const std::size_t end = std::min(text_.find('\'', at_ + 1), text_.size());
        fields.text(text_.substr(at_ + 1, end - at_ - 1));
        at_ = std::min(end + 1, text_.size());
      } else if (c == '"') {
        quoted(fields);
      } else if (c == '$') {
        expansion(fields, whole);
      } else if (c == '`') {
        const std::size_t end = std::min(text_.find('`', at_ + 1), text_.size() - 1);
        fields.text(text_.substr(at_, end - at_ + 1));
        at_ = end + 1;
      } else {
        fields.text(text_.substr(at_++, 1));
      }
    }
    fields.close();
  }

  void quoted(Fields& fields) {
    ++at_;
    fields.text("");
    while (peek() != '"' && peek() != '\0') {
      if (peek() == '\\' && peek(1) == '\n') {
        at_ += 2;
      } else if (peek() == '\\' && (peek(1) == '"' || peek(1) == '\\' || peek(1) == '$')) {
        fields.text(text_.substr(at_ + 1, 1));
        at_ += 2;
      } else if (peek() == '$') {
        expansion(fields, true);
      } else {
        fields.text(text_.substr(at_++, 1));
      }
    }
    at_ += peek() == '"' ? 1 : 0;
  }

  /// The place behind the bracket that closes the one at `open`.
  [[nodiscard]] std::size_t behind(std::size_t open, char opening, char closing) const {
    int depth = 0;
    for (std::size_t i = open; i < text_.size(); ++i) {
      depth += text_[i] == opening ? 1 : 0;
      if (text_[i] == closing && --depth == 0)
        return i + 1;
    }
    return text_.size();
  }

  void expansion(Fields& fields, bool quoted) {
    const std::size_t begin = at_;
    std::string name;
    std::string otherwise;
    bool has_default = false;
    if (peek(1) == '(') {
      const bool arithmetic = peek(2) == '(';
      at_ = behind(begin + 1, '(', ')');
      const std::string_view whole = text_.substr(begin, at_ - begin);
      if (arithmetic && whole.ends_with("))"))
        if (const auto value = shell_arithmetic(whole.substr(3, whole.size() - 5), variables_))
          return fields.text(std::to_string(*value));
      return fields.text(whole);
    }
    if (peek(1) == '{') {
      at_ = behind(begin + 1, '{', '}');
      std::string_view inside = text_.substr(begin + 2, at_ - begin - (text_[at_ - 1] == '}' ? 3 : 2));
      std::size_t end = 0;
      while (end < inside.size() && is_name_part(inside[end]))
        ++end;
      name = inside.substr(0, end);
      inside.remove_prefix(end);
      has_default = inside.starts_with(":-") || inside.starts_with("-");
      if (has_default)
        otherwise = inside.substr(inside.front() == ':' ? 2 : 1);
      else if (!inside.empty() && inside != "[@]" && inside != "[*]")
        return fields.text(text_.substr(begin, at_ - begin));
    } else {
      ++at_;
      while (is_name_part(peek()))
        name += text_[at_++];
      if (name.empty() && !ends_word(peek()) && peek() != '"')
        ++at_; // $1 is a name of digits; $@ and its like are none
    }
    const auto found = variables_.find(name);
    if (found != variables_.end())
      return fields.values(found->second, quoted);
    if (has_default)
      return fields.values({otherwise}, quoted);
    fields.text(text_.substr(begin, at_ - begin));
  }

  std::string_view text_;
  std::string option_;
  LaunchCommand& found_;
  ShellVariables variables_;
  std::size_t at_ = 0;
};

} // namespace

LaunchCommand launch_command(std::string_view text, std::string_view option) {
  LaunchCommand found;
  Script(text, std::string(option), found).read();
  return found;
}

} // namespace orrery
