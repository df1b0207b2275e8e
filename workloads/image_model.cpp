#include "workloads/image_model.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

namespace {

/// Tokens, or cells of the first level, along an edge of `size` pixels.
int cells_along(const ImageModel& model, int size) { return size / model.pixels; }

constexpr double taps = 9; // of a convolution of 3 x 3

/// One transformer block.
struct BlockSize {
  double tokens = 0; ///< of an image
  double width = 0;
  double heads = 1;
  double ffn = 0;
  double gates = 1; ///< matrices of which the activation function takes the outputs
};

class PassBuilder {
public:
  PassBuilder(const ImageModel& model, const ImageBatch& batch) : model_(model), batch_(batch), element_(element_bytes(batch.precision)) {}

  std::vector<ImagePart> build() {
    if (model_.unet())
      unet();
    else
      transformer();
    return std::move(parts_);
  }

private:
  using List = std::vector<Operator>;

  [[nodiscard]] double rows(double tokens) const { return batch_.images * tokens / batch_.patches; }

  void product(List& list, const char* name, double m, double n, double k) const {
    list.push_back({.name = name, .op_class = OpClass::gemm, .precision = batch_.precision, .shape = Matmul{.m = m, .n = n, .k = k}});
  }
  void stream(List& list, const char* name, OpClass op_class, double read, double written) const {
    list.push_back({.name = name,
                    .op_class = op_class,
                    .precision = batch_.precision,
                    .shape = Streaming{.read = Bytes{read * element_}, .written = Bytes{written * element_}, .flops = Flops{read}}});
  }
  void attention(List& list, const char* name, const BlockSize& block, double keys) const {
    list.push_back({.name = name,
                    .op_class = OpClass::attention,
                    .precision = batch_.precision,
                    .shape = FusedAttention{.batch = batch_.images,
                                            .heads = block.heads,
                                            .kv_heads = block.heads,
                                            .head_dim = block.width / block.heads,
                                            .queries = block.tokens / batch_.patches,
                                            .keys = keys,
                                            .causal = false}});
  }
  /// `elements` over all devices that share an image.
  void exchange(List& list, const char* name, double elements) const {
    if (batch_.patches > 1)
      list.push_back({.name = name,
                      .op_class = OpClass::communication,
                      .precision = batch_.precision,
                      .shape = Collective{.kind = CollectiveKind::all_gather, .bytes = Bytes{elements * element_}}});
  }

  void add(std::string name, List list, int count = 1) {
    const auto found = std::ranges::find(parts_, name, &ImagePart::name);
    if (found != parts_.end())
      found->count += count;
    else
      parts_.push_back({std::move(name), count, std::move(list)});
  }

  [[nodiscard]] List block(const BlockSize& size) const {
    List list;
    const double own = rows(size.tokens);
    const double wide = own * size.width;
    if (model_.modulated)
      product(list, "modulation", batch_.images, 6 * size.width, size.width);
    stream(list, "norm", OpClass::normalization, wide, wide);
    product(list, "qkv", own, 3 * size.width, size.width);
    exchange(list, "gather_keys", batch_.images * size.tokens * 2 * size.width);
    attention(list, "attention", size, size.tokens);
    product(list, "projection", own, size.width, size.width);
    stream(list, "residual", OpClass::elementwise, 2 * wide, wide);
    if (model_.text_tokens > 0) {
      stream(list, "text_norm", OpClass::normalization, wide, wide);
      product(list, "text_queries", own, size.width, size.width);
      product(list, "text_keys", batch_.images * model_.text_tokens, 2 * size.width, model_.text_width);
      attention(list, "text_attention", size, model_.text_tokens);
      product(list, "text_projection", own, size.width, size.width);
      stream(list, "text_residual", OpClass::elementwise, 2 * wide, wide);
    }
    stream(list, "ffn_norm", OpClass::normalization, wide, wide);
    product(list, "ffn_up", own, size.gates * size.ffn, size.width);
    stream(list, "activation", OpClass::elementwise, own * size.gates * size.ffn, own * size.ffn);
    product(list, "ffn_down", own, size.width, size.ffn);
    stream(list, "ffn_residual", OpClass::elementwise, 2 * wide, wide);
    return list;
  }

  void transformer() {
    const double edge = cells_along(model_, batch_.size);
    const double tokens = edge * edge + model_.class_tokens;
    List entry;
    product(entry, "patches", rows(edge * edge), model_.hidden, model_.inputs);
    add("entry", std::move(entry));
    add("block",
        block({.tokens = tokens,
               .width = static_cast<double>(model_.hidden),
               .heads = static_cast<double>(model_.heads),
               .ffn = static_cast<double>(model_.ffn_hidden)}),
        model_.layers);
  }

  /// A convolution over a square of so many cells.
  void convolution(List& list, const char* name, double edge, double in, double out) const {
    exchange(list, "edges", batch_.images * batch_.patches * 2 * edge * in);
    product(list, name, rows(edge * edge), out, taps * in);
  }

  void residual(double edge, int in, int out) {
    const double cells = rows(edge * edge);
    List list;
    stream(list, "norm", OpClass::normalization, cells * in, cells * in);
    convolution(list, "convolution", edge, in, out);
    stream(list, "second_norm", OpClass::normalization, cells * out, cells * out);
    convolution(list, "second_convolution", edge, out, out);
    if (in != out)
      product(list, "skip", cells, out, in);
    stream(list, "residual", OpClass::elementwise, 2 * cells * out, cells * out);
    add(fmt::format("residual {} to {} at {}", in, out, edge), std::move(list));
  }

  void transformers(double edge, const UnetLevel& level) {
    if (level.transformers == 0)
      return;
    const double width = level.channels;
    List ends;
    stream(ends, "norm", OpClass::normalization, rows(edge * edge) * width, rows(edge * edge) * width);
    product(ends, "projection_in", rows(edge * edge), width, width);
    product(ends, "projection_out", rows(edge * edge), width, width);
    add(fmt::format("ends of transformers of {} at {}", level.channels, edge), std::move(ends));
    add(fmt::format("transformer of {} at {}", level.channels, edge),
        block({.tokens = edge * edge,
               .width = width,
               .heads = model_.heads > 0 ? static_cast<double>(model_.heads) : width / model_.head_dim,
               .ffn = 4 * width,
               .gates = 2}),
        level.transformers);
  }

  void resample(const char* name, double edge, int channels) {
    List list;
    convolution(list, name, edge, channels, channels);
    add(fmt::format("{} of {} at {}", name, channels, edge), std::move(list));
  }

  void unet() {
    double edge = cells_along(model_, batch_.size);
    int channels = model_.levels.front().channels;
    std::vector<int> skips{channels};
    for (std::size_t l = 0; l < model_.levels.size(); ++l) {
      const UnetLevel& level = model_.levels[l];
      for (int i = 0; i < level.residuals; ++i) {
        residual(edge, channels, level.channels);
        transformers(edge, level);
        skips.push_back(channels = level.channels);
      }
      if (l + 1 == model_.levels.size())
        break;
      edge /= 2;
      resample("downsampling", edge, channels);
      skips.push_back(channels);
    }
    const UnetLevel& deepest = model_.levels.back();
    residual(edge, channels, channels);
    // The middle attends as the deepest level that attends does.
    const auto attends =
        std::ranges::find_if(model_.levels.rbegin(), model_.levels.rend(), [](const UnetLevel& l) { return l.transformers > 0; });
    if (attends != model_.levels.rend())
      transformers(edge, {.channels = deepest.channels, .transformers = attends->transformers});
    residual(edge, channels, channels);
    for (std::size_t l = model_.levels.size(); l-- > 0;) {
      const UnetLevel& level = model_.levels[l];
      for (int i = 0; i <= level.residuals; ++i) {
        residual(edge, channels + skips.back(), level.channels);
        transformers(edge, level);
        skips.pop_back();
        channels = level.channels;
      }
      if (l == 0)
        break;
      edge *= 2;
      resample("upsampling", edge, channels);
    }
  }

  const ImageModel& model_;
  const ImageBatch& batch_;
  double element_;
  std::vector<ImagePart> parts_;
};

} // namespace

std::vector<ImagePart> image_pass(const ImageModel& model, const ImageBatch& batch) { return PassBuilder(model, batch).build(); }

int image_rows(const ImageModel& model, int size) {
  const int levels = static_cast<int>(model.levels.size());
  return cells_along(model, size) >> std::max(0, levels - 1);
}

Bytes image_activations(const ImageModel& model, const ImageBatch& batch, bool kept) {
  Bytes widest;
  Bytes exchanged;
  for (const ImagePart& part : image_pass(model, batch))
    for (const Operator& op : part.operators) {
      if (const auto* product = std::get_if<Matmul>(&op.shape))
        widest = std::max(widest, Bytes{product->m * (product->n + product->k) * element_bytes(batch.precision)});
      if (const auto* collective = std::get_if<Collective>(&op.shape))
        exchanged += part.count * collective->bytes;
    }
  Bytes skips;
  double edge = cells_along(model, batch.size);
  for (const UnetLevel& level : model.levels) {
    skips += Bytes{batch.images / batch.patches * edge * edge * (level.residuals + 1) * level.channels * element_bytes(batch.precision)};
    edge /= 2;
  }
  return widest + skips + (kept ? exchanged : Bytes{});
}

} // namespace orrery
