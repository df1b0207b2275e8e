// Studies written to files of their own, for tests.
#pragma once

#include "scenarios/sweep/study.hpp"
#include "tests/support/temporary_folder.hpp"

#include <string>

namespace orrery {

/// A study of the quickstart.
inline std::string study_text(const std::string& axes, const std::string& more = {}) {
  return "name: a study\nscenario: quickstart\n" + more + "axes:\n" + axes;
}

inline Study study_of(const std::string& axes, const std::string& more = {}) {
  const TemporaryFolder folder;
  return load_study(folder.write("study.yaml", study_text(axes, more)));
}

} // namespace orrery
