#include "hardware/description.hpp"

namespace orrery {

double element_bytes(Precision precision) {
  switch (precision) {
  case Precision::fp64:
    return 8;
  case Precision::fp32:
  case Precision::tf32:
    return 4;
  case Precision::bf16:
  case Precision::fp16:
    return 2;
  case Precision::fp8:
  case Precision::int8:
    return 1;
  case Precision::fp4:
    return 0.5;
  }
  return 0;
}

} // namespace orrery
