// Arguments of a Megatron-LM training command: which there are, how many values they take, and what they have to do with the time of a
// step.
//
// Source: megatron/training/arguments.py of Megatron-LM (core 0.5 to 0.12) and of the 2021 release, from general knowledge.
#pragma once

#include "sim/base/diagnostics.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

enum class ArgumentUse {
  read,    ///< the import turns it into a part of the scenario
  ignored, ///< does not matter for the time or memory of a step
  refused  ///< matters, and nothing in a scenario says it
};

struct ArgumentRow {
  std::string_view name;
  int values = 1; ///< many_values = any number
  ArgumentUse use = ArgumentUse::read;
  std::string_view why = {}; ///< why it is ignored or refused
};

inline constexpr int many_values = -1;

const std::vector<ArgumentRow>& megatron_argument_rows();

/// The arguments that were given, by name. What is asked for and badly written is reported once, by `mistakes`.
class MegatronArguments {
public:
  /// `words` without the launcher. Names in `dropped` are passed over, whatever they mean.
  MegatronArguments(const std::vector<std::string>& words, const std::vector<std::string>& dropped);

  [[nodiscard]] bool has(const std::string& name) const { return given_.contains(name); }
  [[nodiscard]] std::string text(const std::string& name, const std::string& otherwise = {}) const;
  [[nodiscard]] std::vector<std::string> all(const std::string& name) const;
  /// A whole number from `least` to 10^15; `otherwise` where it is not given or no such number.
  double count(const std::string& name, double otherwise, double least = 1);
  double number(const std::string& name, double otherwise);
  /// One of `words`; the first where it is not given or none of them.
  std::string choice(const std::string& name, const std::vector<std::string>& words);

  void refuse(const std::string& name, const std::string& why);

  /// Names that have no influence, by the reason.
  [[nodiscard]] const std::map<std::string, std::vector<std::string>>& ignored() const { return ignored_; }
  Diagnostics mistakes;

private:
  [[nodiscard]] std::string written(const std::string& name) const;

  std::map<std::string, std::vector<std::string>> given_;
  std::map<std::string, std::vector<std::string>> ignored_;
};

} // namespace orrery
