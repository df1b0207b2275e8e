#include "scenarios/imports/launch_arithmetic.hpp"

#include <cctype>
#include <charconv>

namespace orrery {

namespace {

class Arithmetic {
public:
  Arithmetic(std::string_view text, const ShellVariables& variables) : text_(text), variables_(variables) {}

  std::optional<long long> value() {
    const std::optional<long long> sum = additive();
    skip();
    return at_ == text_.size() ? sum : std::nullopt;
  }

private:
  static constexpr int deepest = 50;

  void skip() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0)
      ++at_;
  }
  char next() {
    skip();
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  std::optional<long long> additive() {
    std::optional<long long> left = product();
    while (left && (next() == '+' || next() == '-')) {
      const char sign = text_[at_++];
      const std::optional<long long> right = product();
      long long sum = 0;
      if (!right || (sign == '+' ? __builtin_add_overflow(*left, *right, &sum) : __builtin_sub_overflow(*left, *right, &sum)))
        return std::nullopt;
      left = sum;
    }
    return left;
  }

  std::optional<long long> product() {
    std::optional<long long> left = factor();
    while (left && (next() == '*' || next() == '/' || next() == '%')) {
      const char sign = text_[at_++];
      const std::optional<long long> right = factor();
      long long result = 0;
      if (!right || (sign == '*' ? __builtin_mul_overflow(*left, *right, &result) : *right <= 0))
        return std::nullopt;
      left = sign == '*' ? result : sign == '/' ? *left / *right : *left % *right;
    }
    return left;
  }

  std::optional<long long> factor() {
    if (++depth_ > deepest)
      return std::nullopt;
    const char c = next();
    std::optional<long long> result;
    if (c == '(') {
      ++at_;
      result = additive();
      if (next() != ')')
        return std::nullopt;
      ++at_;
    } else {
      const bool dollar = c == '$';
      const bool braced = dollar && at_ + 1 < text_.size() && text_[at_ + 1] == '{';
      at_ += dollar ? (braced ? 2 : 1) : 0;
      const std::size_t begin = at_;
      while (at_ < text_.size() && is_name_part(text_[at_]))
        ++at_;
      const std::string word(text_.substr(begin, at_ - begin));
      if (braced && next() == '}')
        ++at_;
      const auto found = variables_.find(word);
      const std::string number = found == variables_.end() ? word : joined_words(found->second);
      long long parsed = 0;
      const auto [end, problem] = std::from_chars(number.data(), number.data() + number.size(), parsed);
      if (problem == std::errc() && end == number.data() + number.size() && !number.empty())
        result = parsed;
    }
    --depth_;
    return result;
  }

  std::string_view text_;
  const ShellVariables& variables_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

} // namespace

bool is_name_start(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_'; }

bool is_name_part(char c) { return is_name_start(c) || std::isdigit(static_cast<unsigned char>(c)) != 0; }

std::string joined_words(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words)
    text += (text.empty() ? "" : " ") + word;
  return text;
}

std::optional<long long> shell_arithmetic(std::string_view text, const ShellVariables& variables) {
  return Arithmetic(text, variables).value();
}

} // namespace orrery
