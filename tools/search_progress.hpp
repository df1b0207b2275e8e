// The line that a search shows on the error stream: how far, how fast, how long still.
#pragma once

#include <chrono>
#include <ostream>
#include <string>

namespace orrery {

class SearchLine {
public:
  /// Does nothing where `enabled` is false.
  SearchLine(std::ostream& error, std::string what, bool enabled);

  /// At most ten times a second.
  void show(double done, double total);
  /// Clears the line and leaves one with the count and the rate.
  void end(double done);

private:
  using Clock = std::chrono::steady_clock;

  std::ostream& error_;
  std::string what_;
  bool enabled_;
  Clock::time_point begin_ = Clock::now();
  Clock::time_point shown_ = begin_;
};

} // namespace orrery
