// Networks over images: multiply-adds as published, patches share the work, exchanges a step late hide behind it.
#include "hardware/catalogue.hpp"
#include "hardware/tables.hpp"
#include "models/image_cost.hpp"
#include "scenarios/data_files.hpp"
#include "tests/support/yaml_text.hpp"
#include "tests/unit/hardware/clusters.hpp"
#include "workloads/image_tables.hpp"
#include "workloads/step_flops.hpp"

#include <catch2/catch.hpp>

namespace orrery::image_test {

namespace {

ImageModel image_model(const char* name) { return from_catalogue(name, image_model_table(), image_model_catalogue()); }

/// Of the operators that `counts` takes, for one device.
template <class Counts> double multiply_adds(const ImageModel& model, const ImageBatch& batch, Counts counts) {
  double sum = 0;
  for (const ImagePart& part : image_pass(model, batch))
    for (const Operator& op : part.operators)
      if (counts(op))
        sum += part.count * operator_flops(op).executed.si() / 2;
  return sum;
}

double multiply_adds(const ImageModel& model, const ImageBatch& batch) {
  return multiply_adds(model, batch, [](const Operator&) { return true; });
}

Cluster dgx_h100() {
  Cluster cluster = testing::rail_cluster(1);
  cluster.node = load_node("dgx-h100");
  return cluster;
}

SoftwareProfile vllm() { return load_software("vllm-v1-2025"); }

} // namespace

TEST_CASE("multiply-adds of a pass are those that papers state", "[closed_form][images]") {
  // Dosovitskiy et al.: 61.6 G (as torchvision lists ViT-L/16). Peebles and Xie, table 4 and section 5: 118.64 and 524.60 G. Kim et al.
  // (arXiv 2305.15798), table 1: 339 G, whose counter leaves out the products inside attention.
  CHECK(multiply_adds(image_model("vit-l-16"), {.size = 224}) == Approx(61.6e9).epsilon(0.01));
  CHECK(multiply_adds(image_model("dit-xl-2"), {.size = 256}) == Approx(118.64e9).epsilon(0.01));
  CHECK(multiply_adds(image_model("dit-xl-2"), {.size = 512}) == Approx(524.60e9).epsilon(0.01));
  const auto matrices = [](const Operator& op) { return op.op_class == OpClass::gemm; };
  CHECK(multiply_adds(image_model("sd-v1.5"), {.size = 512}, matrices) == Approx(339e9).epsilon(0.01));
}

TEST_CASE("the U-Net of SDXL has its 70 transformer and 17 residual blocks", "[closed_form][images]") {
  int transformers = 0;
  int residuals = 0;
  for (const ImagePart& part : image_pass(image_model("sdxl"), {.size = 1024})) {
    transformers += part.name.starts_with("transformer") ? part.count : 0;
    residuals += part.name.starts_with("residual") ? part.count : 0;
  }
  CHECK(transformers == 70);
  CHECK(residuals == 17);
}

TEST_CASE("patches share the work of a pass but for what every device computes of the text", "[closed_form][images]") {
  for (const char* name : {"sdxl", "dit-xl-2"}) {
    const ImageModel model = image_model(name);
    const double whole = multiply_adds(model, {.size = 1024, .images = 2});
    const double everywhere = multiply_adds(model, {.size = 1024, .images = 2},
                                            [](const Operator& op) { return op.name == "text_keys" || op.name == "modulation"; });
    for (const int patches : {2, 4, 8}) {
      const double shared = patches * multiply_adds(model, {.size = 1024, .images = 2, .patches = patches});
      CHECK(shared == Approx(whole + (patches - 1) * everywhere));
    }
    // Keys and values of every token, rows at the edges: the more devices, the more rows.
    double keys = 0;
    for (const ImagePart& part : image_pass(model, {.size = 1024, .images = 2, .patches = 4}))
      for (const Operator& op : part.operators)
        if (const auto* gather = std::get_if<Collective>(&op.shape); gather != nullptr && op.name == "gather_keys")
          keys += part.count * gather->bytes.si();
    const double expected =
        model.unet() ? 2.0 * 2 * 2 * (10 * 64 * 64 * 640.0 + 60 * 32 * 32 * 1280.0) : 2.0 * 2 * 2 * 28 * 64 * 64 * 1152.0;
    CHECK(keys == Approx(expected));
  }
}

TEST_CASE("a pass on patches is faster, at most so many times, and faster still when its exchange is late", "[closed_form][images]") {
  const Cluster cluster = dgx_h100();
  for (const char* name : {"sdxl", "dit-xl-2"}) {
    ImageService service{.model = image_model(name), .size = 2048, .guided = true};
    const auto pass = [&](bool begins) {
      ImageReplica replica(cluster, service, Precision::bf16, vllm(), load_calibration());
      const PrefillChunk first{.tokens = 1};
      return begins ? replica.cost({&first, 1}, 0, 0) : replica.cost({}, 1, 0);
    };
    const IterationCost alone = pass(false);
    for (const int patches : {2, 4, 8}) {
      CAPTURE(name, patches);
      service.patches = patches;
      service.late = false;
      const IterationCost in_line = pass(false);
      service.late = true;
      const IterationCost late = pass(false);
      CHECK(in_line.latency < alone.latency);
      CHECK(late.latency < in_line.latency);
      CHECK(patches * late.latency > 0.98 * alone.latency);
      CHECK(pass(true).latency == in_line.latency);
      CHECK(late.flops.si() == Approx(in_line.flops.si()));
      CHECK(late.energy < in_line.energy);
    }
  }
}

TEST_CASE("images beside each other cost at most what they cost one after the other", "[closed_form][images]") {
  ImageReplica replica(dgx_h100(), {.model = image_model("vit-b-16"), .size = 224}, Precision::bf16, vllm(), load_calibration());
  Seconds before;
  for (const int images : {1, 2, 8, 32, 128}) {
    const IterationCost cost = replica.cost({}, images, 0);
    CHECK(cost.latency > before);
    CHECK(cost.latency <= images * replica.cost({}, 1, 0).latency);
    CHECK(replica.decode(images).sum(1, 10).latency.si() == Approx(10 * cost.latency.si()).epsilon(1e-12));
    before = cost.latency;
  }
}

} // namespace orrery::image_test
