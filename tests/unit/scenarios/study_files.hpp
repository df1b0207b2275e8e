// Studies written to files of their own, for tests.
#pragma once

#include "scenarios/study.hpp"

#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

namespace orrery {

/// A folder that lives as long as this.
class TemporaryFolder {
public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "orrery-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(file(name)) << text;
    return file(name);
  }

private:
  std::string path_;
};

/// A study of the quickstart.
inline std::string study_text(const std::string& axes, const std::string& more = {}) {
  return "name: a study\nscenario: quickstart\n" + more + "axes:\n" + axes;
}

inline Study study_of(const std::string& axes, const std::string& more = {}) {
  const TemporaryFolder folder;
  return load_study(folder.write("study.yaml", study_text(axes, more)));
}

} // namespace orrery
