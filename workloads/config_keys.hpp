// Keys of a config.json: sizes within the bounds of the model table, aliases, and refusals at the place of the key.
#pragma once

#include "sim/base/params.hpp"
#include "workloads/model.hpp"

#include <optional>
#include <string>
#include <vector>

namespace orrery {

class ConfigKeys {
public:
  ConfigKeys(const yaml::Node& root, Diagnostics& diagnostics) : root_(root), diagnostics_(diagnostics) {}

  using Aliases = std::vector<const char*>;

  /// `model_type`, or nothing where it is missing or no text.
  [[nodiscard]] std::optional<std::string> model_type(const std::vector<std::string>& allowed) const;

  /// A size that has to be given under one of its names, bounded as `parameter` of the model table (less `room`). 0 after a mistake.
  [[nodiscard]] int size(const Aliases& names, const char* parameter, int room = 0) const;
  /// The same, with a value for a key that is missing or null.
  [[nodiscard]] int size_or(const Aliases& names, const char* parameter, double otherwise) const;
  /// A count that may be 0, which is also what a key that is null stands for.
  [[nodiscard]] int count(const char* name, int otherwise) const;
  [[nodiscard]] std::string text(const char* name) const; ///< that has to be given
  /// Of how many layers the last attends to all tokens, by a list of their kinds; `otherwise` without one. 0 = none does.
  [[nodiscard]] int full_attention_every(const char* name, int otherwise) const;
  [[nodiscard]] bool flag(const char* name, bool otherwise) const;
  /// Tokens that attention reaches back; 0 where that is all of the positions that the model is meant for.
  [[nodiscard]] int window(const char* name) const;

  struct SizeNames {
    Aliases layers = {"num_hidden_layers"};
    Aliases hidden = {"hidden_size"};
    Aliases heads = {"num_attention_heads"};
  };
  /// Layers, hidden size, heads and vocabulary; as many key/value heads as heads; the head width where it is given.
  void sizes(TransformerModel& model, const SizeNames& names) const;
  /// Fills in the head width where it was not given, and checks that heads divide what they must.
  void check_heads(TransformerModel& model) const;

  void refuse(const char* name, std::string found, std::string allowed, std::string suggestion = {}) const;
  // Refusals of what a dense decoder-only transformer has not.
  void refuse_true(const char* name, const char* what) const;
  void refuse_above(const char* name, double limit, const char* what) const;
  void refuse_map(const char* name, const char* what) const;
  void refuse_filled(const char* name, const char* what) const; ///< a list with items
  void refuse_given(const char* name, const char* what) const;
  void refuse_other_layers(const char* name, const char* only) const;

private:
  /// The first of the names that is given and not null.
  [[nodiscard]] const yaml::Node* given(const Aliases& names, std::string& name) const;

  const yaml::Node& root_;
  Diagnostics& diagnostics_;
};

} // namespace orrery
