// The project's kernel tables and curves, for the calibration tests.
#pragma once

#include "models/fits/fit_calibration.hpp"
#include "models/kernel_tables.hpp"
#include "sim/base/catalogue.hpp"

#include <catch2/catch.hpp>

#include <fstream>
#include <iterator>

namespace orrery {

inline std::string file_text(const std::string& path) {
  std::ifstream file(data_root() + "/" + path, std::ios::binary);
  REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), {}};
}

inline const KernelTables& kernel_tables() {
  static const KernelTables tables = [] {
    std::map<std::string, std::string> files;
    for (const char* name : {"devices.csv", "matmul.csv", "attention.csv", "latent_attention.csv", "fused_moe.csv", "streaming.csv",
                             "scan.csv", "collective.csv", "best_matmul.csv"})
      files[name] = file_text(std::string("models/calibration/kernels/") + name);
    Diagnostics diagnostics;
    KernelTables read = parse_kernel_tables(files, diagnostics);
    diagnostics.throw_if_any();
    return read;
  }();
  return tables;
}

inline Calibration kept_calibration() {
  Diagnostics diagnostics;
  const Calibration calibration =
      read_calibration(yaml::parse_yaml(file_text("models/calibration/curves.yaml"), "curves.yaml", diagnostics), diagnostics);
  diagnostics.throw_if_any();
  return calibration;
}

/// Errors on the rows that the fit did not see.
inline const std::vector<FitError>& held_out_errors() {
  static const std::vector<FitError> errors =
      calibration_errors(kernel_tables(), fit_calibration(kernel_tables(), FitRows::first_half), FitRows::first_half);
  return errors;
}

inline FitError held_out_error(const std::string& device, const std::string& source, const std::string& group) {
  for (const FitError& error : held_out_errors())
    if (error.device == device && error.source == source && error.group == group)
      return error;
  FAIL("no rows of " << device << ", " << source << ", " << group);
  return {};
}

} // namespace orrery
