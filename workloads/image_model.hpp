// Networks over images: vision transformers, diffusion transformers, U-Nets.
//
// What:    operators of one pass over a batch of images on one of the devices that share each image. Rows of an image are dealt to them
//          (patch parallelism); every device holds all weights.
// Formula: an image of s pixels has (s / pixels)^2 tokens, or cells of the U-Net's first level; every further level halves both edges.
//          Transformer block: products and full attention; queries are a device's own, keys and values of all tokens are gathered. Text, if
//          any, is attended to in between and is on every device. Convolutions of 3 x 3: products of nine times the channels; a device
//          needs the row beyond either edge of its patch.
// Source:  ViT (arXiv 2010.11929), DiT (2212.09748), SDXL (2307.01952); patches: DistriFusion (2402.19481), PCPP (2412.02962).
// Units:   elements; bytes.
// Valid:   square images; half precision. Samplers, text encoders, decoders and classification heads are left out.
// Error:   multiply-adds of ViT-L/16, DiT-XL/2 and Stable Diffusion 1.5 against the published ones: tests/closed_form/image_test.cpp.
#pragma once

#include "hardware/description.hpp"
#include "workloads/graph.hpp"

#include <string>
#include <vector>

namespace orrery {

/// Of a U-Net, from the finest on.
struct UnetLevel {
  int channels = 0;
  int residuals = 2;    ///< blocks on the way down; one more on the way up
  int transformers = 0; ///< blocks behind each of them
};

struct ImageModel {
  std::string name;
  double parameters = 0;
  int pixels = 16; ///< edge of what a token, or a cell of a U-Net's first level, stands for
  // A transformer; all but `heads` 0 of a U-Net.
  int layers = 0;
  int hidden = 0;
  int heads = 0; ///< of a U-Net: of every transformer block; 0 = channels / head_dim
  int ffn_hidden = 0;
  int inputs = 0;         ///< values of a token before they are projected to `hidden`
  int class_tokens = 0;   ///< beside those of the image
  bool modulated = false; ///< scales and shifts of every block are products of the time step's embedding (adaLN)
  // A U-Net.
  std::vector<UnetLevel> levels;
  int head_dim = 64;
  int text_tokens = 0; ///< that blocks attend to between attention and feed-forward network; 0 = none
  int text_width = 0;
  std::vector<Provenance> sources;

  [[nodiscard]] bool unet() const { return !levels.empty(); }
};

struct ImageBatch {
  int size = 1024; ///< pixels of an edge
  double images = 1;
  int patches = 1; ///< devices that share each
  Precision precision = Precision::bf16;
};

/// Operators that repeat as a unit.
struct ImagePart {
  std::string name;
  int count = 1;
  std::vector<Operator> operators;
};

/// Exchanges are collectives over Group::tensor.
std::vector<ImagePart> image_pass(const ImageModel& model, const ImageBatch& batch);

/// Rows of tokens or cells at the coarsest level: no more devices can share an image.
int image_rows(const ImageModel& model, int size);

/// The most that is live at once on a device: skips of a U-Net, operands and result of the widest product, and the patches of the pass
/// before where they are `kept` for a late exchange.
Bytes image_activations(const ImageModel& model, const ImageBatch& batch, bool kept);

} // namespace orrery
