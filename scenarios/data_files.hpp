// Reading the project's own data files.
#pragma once

#include "models/kernel_curves.hpp"
#include "workloads/software.hpp"

#include <cstdint>
#include <string>

namespace orrery {

/// `path` below the data root.
std::string data_file(const std::string& path);

/// Throws UserError where the file cannot be read, is a directory or larger than `most` bytes.
std::string read_text_file(const std::string& path, std::uintmax_t most = 64U << 20U);

/// The fitted curves of models/calibration/curves.yaml. Read once.
const Calibration& load_calibration();

SoftwareProfile load_software(const std::string& name);

} // namespace orrery
