#include "sim/base/diagnostics.hpp"

#include "sim/base/utf8.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>

namespace orrery {

namespace {

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

constexpr int edit = 4; ///< cost of one edit

/// Optimal string alignment distance, in quarter steps: a difference in case counts 1, any other edit 4.
int distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<int>> d(a.size() + 1, std::vector<int>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i)
    d[i][0] = edit * static_cast<int>(i);
  for (std::size_t j = 0; j <= b.size(); ++j)
    d[0][j] = edit * static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same_letter =
          lower(a[i - 1]) == lower(b[j - 1]) || (a[i - 1] == '-' && b[j - 1] == '_') || (a[i - 1] == '_' && b[j - 1] == '-');
      const int substitute = a[i - 1] == b[j - 1] ? 0 : same_letter ? 1 : edit;
      d[i][j] = std::min({d[i - 1][j] + edit, d[i][j - 1] + edit, d[i - 1][j - 1] + substitute});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + edit);
    }
  }
  return d[a.size()][b.size()];
}

} // namespace

namespace {

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

} // namespace

std::string Diagnostic::render() const {
  std::string text = file;
  if (line > 0)
    text += fmt::format("{}{}:{}", text.empty() ? "" : ":", line, column);
  const auto part = [&text](std::string_view separator, std::string_view more) {
    if (!more.empty())
      text += fmt::format("{}{}", text.empty() ? "" : separator, more);
  };
  part(": ", path);
  part(": ", message);
  part("; allowed: ", allowed);
  part("; ", suggestion);
  std::ranges::replace_if(text, [](char c) { return is_control(c) && c != '\n'; }, ' '); // names out of files go to a terminal
  return text;
}

void Diagnostics::add(const Location& where, std::string path, std::string message, std::string allowed, std::string suggestion) {
  add(Diagnostic{.file = std::string(where.file_name()),
                 .line = where.line,
                 .column = where.column,
                 .path = std::move(path),
                 .message = std::move(message),
                 .allowed = std::move(allowed),
                 .suggestion = std::move(suggestion)});
}

void Diagnostics::append(const Diagnostics& other) { all_.insert(all_.end(), other.all_.begin(), other.all_.end()); }

std::vector<Diagnostic> Diagnostics::in_order() const {
  std::map<std::string, std::size_t> first;
  for (const Diagnostic& diagnostic : all_)
    first.emplace(diagnostic.file, first.size());
  std::vector<Diagnostic> sorted = all_;
  std::stable_sort(sorted.begin(), sorted.end(), [&first](const Diagnostic& a, const Diagnostic& b) {
    return std::make_tuple(first.at(a.file), a.line, a.column) < std::make_tuple(first.at(b.file), b.line, b.column);
  });
  return sorted;
}

std::string Diagnostics::render() const {
  std::string text;
  for (const Diagnostic& diagnostic : in_order())
    text += diagnostic.render() + "\n";
  return text;
}

void Diagnostics::throw_if_any() const {
  if (!empty())
    throw UserError(*this);
}

UserError::UserError(Diagnostics diagnostics) : diagnostics_(std::move(diagnostics)), text_(diagnostics_.render()) {
  if (!text_.empty())
    text_.pop_back();
}

UserError::UserError(std::string message) {
  diagnostics_.add(Diagnostic{.message = std::move(message)});
  text_ = diagnostics_.render();
  text_.pop_back();
}

std::string closest(std::string_view name, std::span<const std::string> candidates) {
  constexpr std::size_t longest = 128;
  std::string best;
  int best_distance = 0;
  for (const std::string& candidate : candidates) {
    if (name.size() > longest || candidate.size() > longest)
      continue;
    const auto longer = static_cast<int>(std::max(name.size(), candidate.size()));
    // A third of the letters may differ, and one edit always may in names of two letters or more. The beginning of a name stands for it.
    const int limit = std::max(edit, edit * longer / 3);
    const bool begins = name.size() >= 3 && candidate.starts_with(name);
    const int d = begins ? std::min(limit, distance(name, candidate)) : distance(name, candidate);
    const bool shares_nothing = d >= edit * longer;
    if (d <= limit && !shares_nothing && (best.empty() || d < best_distance)) {
      best = candidate;
      best_distance = d;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view name, std::span<const std::string> candidates) {
  const std::string best = closest(name, candidates);
  return best.empty() ? "" : fmt::format("did you mean '{}'?", best);
}

std::string or_did_you_mean(std::string_view name, std::span<const std::string> candidates) {
  const std::string guess = did_you_mean(name, candidates);
  return guess.empty() ? "" : "; " + guess;
}

std::string shown(std::string_view text) {
  constexpr std::size_t longest = 60;
  const bool cut = text.size() > longest;
  if (cut) {
    std::size_t end = longest - 3;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) // never through the middle of a UTF-8 sequence
      --end;
    text = text.substr(0, end);
  }
  std::string result = "'";
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text, i);
    if (length == 0)
      result += "\uFFFD"; // a file may hold any bytes, an answer is UTF-8
    else
      result += is_control(text[i]) ? " " : text.substr(i, length);
    i += std::max<std::size_t>(length, 1);
  }
  return result + (cut ? "...'" : "'");
}

} // namespace orrery
