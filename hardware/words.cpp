#include "hardware/words.hpp"

namespace orrery {

const Choices<Precision>& precision_words() {
  static const Choices<Precision> words = {{"fp64", Precision::fp64}, {"fp32", Precision::fp32}, {"tf32", Precision::tf32},
                                           {"bf16", Precision::bf16}, {"fp16", Precision::fp16}, {"fp8", Precision::fp8},
                                           {"int8", Precision::int8}, {"fp4", Precision::fp4}};
  return words;
}

const Table<Provenance>& provenance_table() {
  static const Choices<SourceKind> kinds = {{"datasheet", SourceKind::datasheet},
                                            {"paper", SourceKind::paper},
                                            {"measured", SourceKind::measured},
                                            {"derived", SourceKind::derived},
                                            {"assumed", SourceKind::assumed}};
  static const Table<Provenance> table =
      Table<Provenance>("source", "Where a figure comes from.")
          .text("figure", &Provenance::figure,
                {.required = true, .help = "dotted path inside the description; * = all that no other entry names"})
          .choice("kind", &Provenance::kind, kinds, {.required = true, .help = "how the figure is known"})
          .text("reference", &Provenance::reference, {.required = true, .help = "document and place in it, formula, or why it is assumed"});
  return table;
}

} // namespace orrery
