#include "scenarios/imports/megatron_arguments.hpp"

#include "sim/base/quantity_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

const ArgumentRow* row_of(std::string_view name) {
  const std::vector<ArgumentRow>& rows = megatron_argument_rows();
  const auto found = std::ranges::find(rows, name, &ArgumentRow::name);
  return found == rows.end() ? nullptr : &*found;
}

std::string suggestion_for(const std::string& name) {
  std::vector<std::string> names;
  for (const ArgumentRow& row : megatron_argument_rows())
    names.emplace_back(row.name);
  const std::string guess = did_you_mean(name, names);
  return guess.empty() ? fmt::format("'--ignore {}' leaves it out", name) : guess;
}

bool is_argument(const std::string& word) { return word.size() > 2 && word.starts_with("--"); }

} // namespace

MegatronArguments::MegatronArguments(const std::vector<std::string>& words, const std::vector<std::string>& dropped) {
  for (std::size_t i = 0; i < words.size();) {
    const std::size_t equals = is_argument(words[i]) ? words[i].find('=') : std::string::npos;
    const std::string name = words[i].substr(0, equals);
    std::vector<std::string> values;
    if (equals != std::string::npos)
      values.push_back(words[i].substr(equals + 1));
    for (++i; i < words.size() && !is_argument(words[i]); ++i)
      values.push_back(words[i]);
    const ArgumentRow* row = row_of(name);
    const std::string whole = fmt::format("{}{}{}", name, values.empty() ? "" : " ", fmt::join(values, " "));
    if (std::ranges::find(dropped, name) != dropped.end()) {
      ignored_["left out as you asked"].push_back(name);
      continue;
    }
    if (!is_argument(name) || row == nullptr) {
      mistakes.add(
          {.path = name,
           .message = is_argument(name) ? "not an argument of Megatron-LM that this import knows" : "a word that belongs to no argument",
           .suggestion = suggestion_for(name)});
      continue;
    }
    if (row->values == 0 && !values.empty() && row->use != ArgumentUse::ignored)
      mistakes.add({.path = name, .message = "followed by " + shown(values.front()), .allowed = "no value"});
    else if (row->values == 1 && values.size() != 1 && row->use != ArgumentUse::ignored)
      mistakes.add({.path = name, .message = fmt::format("{} values", values.size()), .allowed = "one value"});
    else if (row->use == ArgumentUse::refused)
      mistakes.add({.path = whole,
                    .message = fmt::format("{}, and nothing in a scenario says it", row->why),
                    .suggestion = fmt::format("'--ignore {}' leaves it out", name)});
    else if (row->use == ArgumentUse::ignored)
      ignored_[std::string(row->why)].push_back(name);
    else
      given_[name] = values;
  }
}

std::string MegatronArguments::text(const std::string& name, const std::string& otherwise) const {
  const auto found = given_.find(name);
  return found == given_.end() || found->second.empty() ? otherwise : found->second.front();
}

std::vector<std::string> MegatronArguments::all(const std::string& name) const {
  const auto found = given_.find(name);
  return found == given_.end() ? std::vector<std::string>{} : found->second;
}

double MegatronArguments::number(const std::string& name, double otherwise) {
  if (!has(name))
    return otherwise;
  QuantityError error;
  const double value = parse_number(text(name), error);
  if (error.message.empty())
    return value;
  const bool variable = text(name).starts_with("$");
  mistakes.add({.path = name,
                .message = shown(text(name)),
                .allowed = "a number",
                .suggestion = variable ? "the text does not set this variable" : ""});
  return otherwise;
}

double MegatronArguments::count(const std::string& name, double otherwise, double least) {
  const std::size_t before = mistakes.size();
  const double value = number(name, otherwise);
  if (mistakes.size() != before || !has(name))
    return otherwise;
  constexpr double most = 1e15;
  if (value == std::floor(value) && value >= least && value <= most)
    return value;
  mistakes.add({.path = name, .message = shown(text(name)), .allowed = fmt::format("a whole number of at least {}", exact_number(least))});
  return otherwise;
}

std::string MegatronArguments::choice(const std::string& name, const std::vector<std::string>& words) {
  if (!has(name))
    return words.front();
  if (std::ranges::find(words, text(name)) != words.end())
    return text(name);
  mistakes.add({.path = name,
                .message = shown(text(name)) + ", which nothing in a scenario says",
                .allowed = fmt::format("{}", fmt::join(words, ", ")),
                .suggestion = did_you_mean(text(name), words)});
  return words.front();
}

void MegatronArguments::refuse(const std::string& name, const std::string& why) {
  mistakes.add({.path = written(name), .message = why, .suggestion = fmt::format("'--ignore {}' leaves it out", name)});
}

std::string MegatronArguments::written(const std::string& name) const {
  return fmt::format("{}{}{}", name, all(name).empty() ? "" : " ", fmt::join(all(name), " "));
}

} // namespace orrery
