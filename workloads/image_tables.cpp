#include "workloads/image_tables.hpp"

#include "hardware/provenance.hpp"
#include "hardware/words.hpp"
#include "sim/base/catalogue.hpp"

#include <fmt/format.h>

namespace orrery {

namespace {

const Table<UnetLevel>& level_table() {
  using L = UnetLevel;
  static const Table<L> table =
      Table<L>("unet_level", "A level of a U-Net; each halves the edges of the one before.")
          .count("channels", &L::channels, {.min = 1, .max = 1'000'000, .required = true, .help = "of its blocks"})
          .count("residuals", &L::residuals, {.min = 1, .max = 1000, .help = "residual blocks on the way down; one more on the way up"})
          .count("transformers", &L::transformers, {.max = 1000, .help = "transformer blocks behind each of them"});
  return table;
}

void check_image_model(const ImageModel& model, const Report& report) {
  if (model.unet()) {
    if (model.layers > 0 || model.hidden > 0 || model.ffn_hidden > 0 || model.inputs > 0 || model.class_tokens > 0 || model.modulated)
      report.error("levels", "beside a transformer's sizes", "one of them");
    for (std::size_t i = 0; i < model.levels.size(); ++i)
      if (const int heads = model.heads; heads > 0 && model.levels[i].channels % heads != 0)
        report.error(fmt::format("levels.{}.channels", i), fmt::format("{} for {} heads", model.levels[i].channels, heads),
                     "a multiple of heads");
  } else {
    for (const auto& [key, value] : {std::pair{"layers", model.layers}, std::pair{"hidden", model.hidden}, std::pair{"heads", model.heads},
                                     std::pair{"ffn_hidden", model.ffn_hidden}, std::pair{"inputs", model.inputs}})
      if (value == 0)
        report.error(key, "missing", "a transformer's size, or 'levels' of a U-Net");
    if (model.heads > 0 && model.hidden % model.heads != 0)
      report.error("heads", fmt::format("{} of width {}", model.heads, model.hidden), "a divisor of hidden");
  }
  if ((model.text_tokens > 0) != (model.text_width > 0))
    report.error("text_width", "without the other", "both 'text_tokens' and 'text_width'");
  check_sources(image_model_table(), image_model_table().write(model), model.sources, report);
}

} // namespace

const Table<ImageModel>& image_model_table() {
  using M = ImageModel;
  constexpr int widest = 10'000'000;
  static const Table<M> table =
      Table<M>("image_model", "A network over images: a vision or diffusion transformer, or with 'levels' a U-Net.")
          .text("name", &M::name, {.required = true, .help = "name in reports"})
          .number("parameters", &M::parameters, {.above = 0, .max = 1e15, .required = true, .help = "of all its layers"})
          .count("pixels", &M::pixels,
                 {.min = 1, .max = widest, .required = true, .help = "edge of what a token, or a cell of the first level, stands for"})
          .count("layers", &M::layers, {.max = 10'000, .help = "transformer blocks"})
          .count("hidden", &M::hidden, {.max = widest, .help = "width of the residual stream"})
          .count("heads", &M::heads, {.max = widest, .help = "of a block; of a U-Net 0 = channels / head_dim"})
          .count("ffn_hidden", &M::ffn_hidden, {.max = widest, .help = "inner width of the feed-forward network"})
          .count("inputs", &M::inputs, {.max = widest, .help = "values of a token before they are projected"})
          .count("class_tokens", &M::class_tokens, {.max = 10'000, .help = "beside those of the image"})
          .flag("modulated", &M::modulated, {.help = "scales and shifts of every block come from the time step (adaLN)"})
          .list("levels", &M::levels, level_table(), {.help = "of a U-Net, from the finest on"})
          .count("head_dim", &M::head_dim, {.min = 1, .max = widest, .help = "of a U-Net: width of a head"})
          .count("text_tokens", &M::text_tokens, {.max = widest, .help = "that blocks attend to beside the image"})
          .count("text_width", &M::text_width, {.max = widest, .help = "of them"})
          .list("sources", &M::sources, provenance_table(), {.help = "where the figures come from"})
          .overlaid(override_sources)
          .check(check_image_model);
  return table;
}

const Catalogue& image_model_catalogue() {
  static const Catalogue catalogue = folder_catalogue("image model", "workloads/catalogue/image_models");
  return catalogue;
}

} // namespace orrery
