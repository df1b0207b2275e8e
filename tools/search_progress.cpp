#include "tools/search_progress.hpp"

#include "tools/text.hpp"

#include <fmt/format.h>

namespace orrery {

SearchLine::SearchLine(std::ostream& error, std::string what, bool enabled) : error_(error), what_(std::move(what)), enabled_(enabled) {}

void SearchLine::show(double done, double total) {
  const Clock::time_point now = Clock::now();
  if (!enabled_ || now - shown_ < std::chrono::milliseconds(100))
    return;
  shown_ = now;
  const double seconds = std::chrono::duration<double>(now - begin_).count();
  const double rate = done / seconds;
  error_ << fmt::format("\r\x1b[K{} of {} {}, {} per second, {:.0f} s left", grouped(done), grouped(total), what_, grouped(rate),
                        rate > 0 ? (total - done) / rate : 0)
         << std::flush;
}

void SearchLine::end(double done) {
  if (!enabled_)
    return;
  const double seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
  error_ << fmt::format("\r\x1b[K{} {} in {:.1f} s\n", grouped(done), what_, seconds) << std::flush;
}

} // namespace orrery
