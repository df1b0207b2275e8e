// Training recipes that multiply in fewer bits than the model is kept in.
//
// What:    which precision the products of linear layers run in, and what has to be computed besides: casts with their scales, the maxima
//          that scales come from, transposed copies, rotations.
// Source:  Transformer Engine and torchao documentation (tensor-wise, row-wise, block-wise FP8), OCP Microscaling formats 1.0 (MXFP8,
//          MXFP4), NVIDIA "Pretraining Large Language Models with NVFP4" (arXiv 2509.25149), DeepSeek-V3 (arXiv 2412.19437).
// Valid:   the linear layers of the transformer layers; LM head, attention and router stay in the model's precision, as those sources do.
#pragma once

#include "hardware/description.hpp" // Precision

namespace orrery {

enum class Recipe {
  none,
  fp8_delayed, ///< one scale per tensor, from the maxima of earlier steps
  fp8_tensor,  ///< one scale per tensor, from its own maximum: it is read once more
  fp8_row,     ///< one scale per row of either operand
  fp8_block,   ///< scales of 1 x 128 activations and 128 x 128 weights (DeepSeek-V3)
  mxfp8,       ///< one power of two for each 32 elements
  mxfp4,       ///< the same with four bits; stochastic rounding and a Hadamard rotation of the gradient products
  nvfp4,       ///< FP8 scale for each 16 elements; the same besides
  int8         ///< one scale per row, integer products
};

/// What a recipe costs besides the products.
struct RecipeTraits {
  Precision operand = Precision::fp8;
  double scale_bytes = 0;      ///< per element, of the scales that go with a tensor
  bool reads_twice = false;    ///< the maximum needs a pass of its own
  bool scales_by_axis = false; ///< what is multiplied along its rows and along its columns needs scales of both
  bool gathers_wide = false;   ///< tensor-parallel ranks gather in the model's precision, and each casts the whole
  bool rotates = false;        ///< operands of the weight gradient pass a Hadamard transform
};

constexpr RecipeTraits recipe_traits(Recipe recipe) {
  switch (recipe) {
  case Recipe::none:
  case Recipe::fp8_delayed:
    return {};
  case Recipe::fp8_tensor:
    return {.reads_twice = true};
  case Recipe::fp8_row: // torchtitan: "for rowwise recipes all-gather happens in high precision" (parallelize_llama.py)
    return {.reads_twice = true, .scales_by_axis = true, .gathers_wide = true};
  case Recipe::fp8_block:
    return {.scale_bytes = 4.0 / 128};
  case Recipe::mxfp8:
    return {.scale_bytes = 1.0 / 32};
  case Recipe::mxfp4:
    return {.operand = Precision::fp4, .scale_bytes = 1.0 / 32, .rotates = true};
  case Recipe::nvfp4:
    return {.operand = Precision::fp4, .scale_bytes = 1.0 / 16, .reads_twice = true, .rotates = true};
  case Recipe::int8:
    return {.operand = Precision::int8, .reads_twice = true};
  }
  return {};
}

} // namespace orrery
