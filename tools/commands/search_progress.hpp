// The line that a search or a sweep shows on the error stream: how far, how fast, how long still.
#pragma once

#include <chrono>
#include <ostream>
#include <string>

namespace orrery {

class SearchLine {
public:
  /// Does nothing where `enabled` is false. Where `error` is no terminal, a line every ten seconds. `already` were done before.
  SearchLine(std::ostream& error, std::string what, bool enabled, bool terminal = true, double already = 0);

  /// At most ten times a second.
  void show(double done, double total);
  void clear();
  /// Clears the line and leaves one with the count and the rate.
  void end(double done);

private:
  using Clock = std::chrono::steady_clock;

  std::ostream& error_;
  std::string what_;
  bool enabled_;
  bool terminal_;
  double already_;
  Clock::time_point begin_ = Clock::now();
  Clock::time_point shown_ = begin_;
};

} // namespace orrery
