#include "workloads/image_tables.hpp"
#include "scenarios/serving/serving_scenario.hpp"

namespace orrery {

const Table<ImageService>& image_table() {
  using I = ImageService;
  static const Table<I> table =
      Table<I>("image", "A network that looks at images or makes them, one size for all.")
          .reference("model", &I::model, image_model_table(), image_model_catalogue(), {.required = true, .help = "the network"})
          .count("size", &I::size, {.min = 1, .max = 1'000'000, .required = true, .help = "pixels of an edge"})
          .flag("guided", &I::guided, {.help = "every step is taken with and without the prompt"})
          .count("patches", &I::patches, {.min = 1, .max = 10'000, .help = "devices that share each image"})
          .flag("late", &I::late, {.help = "what they exchange is of the step before, so that no step but the first waits for it"})
          .check([](const I& image, const Report& report) {
            if (image.late && image.patches == 1)
              report.error("late", "an exchange of one device with itself", "'patches' of 2 or more");
          });
  return table;
}

} // namespace orrery
