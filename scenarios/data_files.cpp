#include "scenarios/data_files.hpp"

#include "sim/base/catalogue.hpp"
#include "workloads/tables.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace orrery {

std::string data_file(const std::string& path) { return data_root() + "/" + path; }

std::string read_text_file(const std::string& path, std::uintmax_t most) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    throw UserError(path + ": is a directory; a file is due");
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error)
    throw UserError(path + ": " + error.message());
  if (size > most)
    throw UserError(fmt::format("{}: larger than {} MiB", path, most >> 20U));
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file)
    throw UserError(path + ": cannot be read");
  return text.str();
}

const Calibration& load_calibration() {
  static const Calibration calibration = [] {
    Diagnostics diagnostics;
    const Calibration read = read_calibration(yaml::read_yaml_file(data_file("models/calibration/curves.yaml")), diagnostics);
    diagnostics.throw_if_any();
    return read;
  }();
  return calibration;
}

SoftwareProfile load_software(const std::string& name) {
  Diagnostics diagnostics;
  const auto node = software_catalogue().find(yaml::scalar(name), diagnostics);
  SoftwareProfile profile;
  if (node)
    profile = software_table().read(*node, diagnostics, "software");
  diagnostics.throw_if_any();
  if (!node)
    throw UserError("no software profile " + name + or_did_you_mean(name, software_catalogue().names()));
  return profile;
}

} // namespace orrery
