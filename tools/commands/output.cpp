#include "tools/commands/output.hpp"

#include "sim/base/diagnostics.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace orrery {

void write_file(const std::string& path, const std::function<void(std::ostream&)>& write) {
  const auto failed = [&path](const std::string& why) {
    Diagnostics diagnostics;
    diagnostics.add({.file = path, .message = "cannot be written: " + why});
    diagnostics.throw_if_any();
  };
  if (std::filesystem::is_directory(path))
    failed("it is a directory");
  errno = 0;
  std::ofstream file(path, std::ios::binary);
  if (!file)
    failed(std::strerror(errno));
  write(file);
  file.close();
  if (!file)
    failed(errno != 0 ? std::strerror(errno) : "the disk may be full");
}

Progress::Progress(std::ostream& error, std::string what, bool enabled) : error_(error), what_(std::move(what)) {
  if (enabled)
    thread_ = std::thread([this] { count(); });
}

Progress::~Progress() {
  if (!thread_.joinable())
    return;
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
  }
  ended_.notify_one();
  thread_.join();
}

void Progress::count() {
  std::unique_lock lock(mutex_);
  int seconds = 0;
  while (!ended_.wait_for(lock, std::chrono::seconds(1), [this] { return done_; }))
    error_ << fmt::format("\r{}, {} s", what_, ++seconds) << std::flush;
  if (seconds > 0)
    error_ << "\r\x1b[K" << std::flush;
}

} // namespace orrery
