// Files that the tools write, and signs of life on a terminal.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <ostream>
#include <string>
#include <thread>

namespace orrery {

/// Writes a file through `write`; throws UserError where it cannot be made or filled.
void write_file(const std::string& path, const std::function<void(std::ostream&)>& write);

/// A line on the error stream that counts the seconds, from one second on; gone when this ends. Does nothing where `enabled` is false.
class Progress {
public:
  Progress(std::ostream& error, std::string what, bool enabled);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

private:
  void count();

  std::ostream& error_;
  std::string what_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool done_ = false;
  std::thread thread_;
};

} // namespace orrery
