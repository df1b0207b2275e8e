// Time and energy of one pass of a network over images, on a replica whose devices share each image.
//
// What:    an IterationModel: every sequence of an iteration is an image (or the two of a guided one), every iteration a pass over all of
//          them. What a sequence did before costs nothing: there is no KV cache.
// Formula: computing = sum of the operators of workloads/image_model.hpp on one device, launches where no captured graph covers them.
//          Exchanges of patches in line: computing + exchanges. A step late (activations of the pass before, which change little between
//          denoising steps): of the shorter of both overlap_gain is hidden; a pass with images that begin waits for them.
// Source:  DistriFusion (arXiv 2402.19481), PCPP (2412.02962); kernels and collectives as everywhere.
// Units:   SI.
// Valid:   all images of one size. Steps that run in line to warm up, beyond the first, are left out.
// Error:   not checked against measurements. Convolutions cost what products of their size cost; host time other than launches is none.
#pragma once

#include "models/collective_cost.hpp"
#include "models/device_power.hpp"
#include "models/iteration_cost.hpp"
#include "models/kernel_cost.hpp"
#include "models/serving_memory.hpp"
#include "workloads/image_model.hpp"
#include "workloads/transformer.hpp"

#include <map>
#include <optional>
#include <span>
#include <utility>

namespace orrery {

/// How a replica makes images.
struct ImageService {
  ImageModel model;
  int size = 1024;     ///< pixels of an edge
  bool guided = false; ///< each step is taken with and without the prompt
  int patches = 1;     ///< devices that share each image
  bool late = false;   ///< what they exchange is of the step before

  [[nodiscard]] ImageBatch batch(double sequences, Precision precision) const {
    return {.size = size, .images = (guided ? 2 : 1) * sequences, .patches = patches, .precision = precision};
  }
};

class ImageReplica final : public IterationModel {
public:
  ImageReplica(const Cluster& cluster, ImageService service, Precision precision, const SoftwareProfile& software,
               const Calibration& calibration, std::optional<Watts> device_cap = std::nullopt);

  /// Prompts are images that begin.
  IterationCost cost(std::span<const PrefillChunk> prompts, int decodes, double context) override;
  const DecodeCurve& decode(int sequences) override;

  /// Operators of a pass over so many, with their costs and how often they run.
  struct Part {
    ImagePart part;
    std::vector<OpCost> costs;
  };
  [[nodiscard]] std::vector<Part> parts(int sequences) const;

  [[nodiscard]] const ImageService& service() const { return service_; }

private:
  [[nodiscard]] IterationCost pass(int sequences, bool late) const;
  const IterationCost& known_pass(int sequences, bool late);

  ImageService service_;
  Precision precision_;
  SoftwareProfile software_;
  KernelModel kernels_;
  CollectiveModel collectives_;
  DevicePower power_;
  GroupPlacement placement_;
  std::map<std::pair<int, bool>, IterationCost> passes_; ///< by sequences and late
  std::map<int, DecodeCurve> curves_;
};

/// Of a device with all weights, and so many sequences at once; room is negative where they do not fit. One block for each sequence.
ServingMemory image_memory(const ImageService& service, Precision precision, int sequences, const Device& device,
                           const SoftwareProfile& software);

/// What keeps an image from being shared so.
std::vector<Violation> check_patches(const ImageService& service);

} // namespace orrery
