// Readers of a config.json by its model type.
#pragma once

#include "workloads/config_keys.hpp"

#include <array>
#include <span>

namespace orrery {

struct Architecture {
  const char* model_type;
  void (*read)(const ConfigKeys&, TransformerModel&);
  // What files of this type may say besides a dense transformer.
  bool experts = false;
  bool latent = false;
  bool recurrent = false;
  bool layer_types = false; ///< layers of several kinds of attention, in an order that the reader checks
  bool quantised = false;   ///< published in the few bits it was trained in
};

std::span<const Architecture> dense_architectures();
std::span<const Architecture> mixed_architectures(); ///< experts, latent attention, windows, recurrent layers

/// What Llama and its kin have in common: sizes, grouped heads, gated networks, root-mean-square norms.
void read_llama_config(const ConfigKeys& keys, TransformerModel& model);

} // namespace orrery
