#include "tools/reports/cost_names.hpp"

#include "hardware/words.hpp"
#include "tools/reports/json_object.hpp"
#include "workloads/tables.hpp"

namespace orrery {

std::string op_class_word(OpClass op_class) {
  static const Words<OpClass> words = {{OpClass::gemm, "matmul"},
                                       {OpClass::attention, "attention"},
                                       {OpClass::softmax, "softmax"},
                                       {OpClass::normalization, "normalization"},
                                       {OpClass::elementwise, "elementwise"},
                                       {OpClass::embedding, "embedding"},
                                       {OpClass::head, "LM head"},
                                       {OpClass::loss, "loss"},
                                       {OpClass::optimizer, "optimizer"},
                                       {OpClass::cast, "cast"},
                                       {OpClass::block_cast, "cast by blocks"},
                                       {OpClass::communication, "communication"}};
  return word_of(words, op_class);
}

std::string bound_word(Bound bound) {
  static const Words<Bound> words = {{Bound::compute, "compute"},
                                     {Bound::memory, "memory"},
                                     {Bound::latency, "latency"},
                                     {Bound::network, "network"},
                                     {Bound::host, "host"}};
  return word_of(words, bound);
}

std::string precision_word(Precision precision) { return choice_name(precision_words(), precision); }

std::string source_word(SourceKind kind) {
  static const Words<SourceKind> words = {{SourceKind::datasheet, "datasheet"},
                                          {SourceKind::paper, "paper"},
                                          {SourceKind::measured, "measured"},
                                          {SourceKind::derived, "derived"},
                                          {SourceKind::assumed, "assumed"}};
  return word_of(words, kind);
}

std::string collective_word(CollectiveKind kind) { return choice_name(collective_words(), kind); }
std::string group_word(Group group) { return choice_name(group_words(), group); }

} // namespace orrery
