#include "tools/commands/search_progress.hpp"

#include "tools/reports/text.hpp"

#include <fmt/format.h>

namespace orrery {

namespace {

std::string time_left(double seconds) {
  if (seconds < 90)
    return fmt::format("{:.0f} s", seconds);
  return seconds < 5400 ? fmt::format("{:.0f} min", seconds / 60) : fmt::format("{:.1f} h", seconds / 3600);
}

} // namespace

SearchLine::SearchLine(std::ostream& error, std::string what, bool enabled, bool terminal, double already)
    : error_(error), what_(std::move(what)), enabled_(enabled), terminal_(terminal), already_(already) {}

void SearchLine::show(double done, double total) {
  const Clock::time_point now = Clock::now();
  if (!enabled_ || done <= already_ || now - shown_ < std::chrono::milliseconds(terminal_ ? 100 : 10'000))
    return;
  shown_ = now;
  const double rate = (done - already_) / std::chrono::duration<double>(now - begin_).count();
  const std::string text = fmt::format("{} of {} {}, {} per second, {} left", grouped(done), grouped(total), what_,
                                       rate < 100 ? format_number(rate) : grouped(rate), time_left((total - done) / rate));
  error_ << (terminal_ ? "\r\x1b[K" + text : text + "\n") << std::flush;
}

void SearchLine::clear() {
  if (enabled_ && terminal_)
    error_ << "\r\x1b[K" << std::flush;
}

void SearchLine::end(double done) {
  if (!enabled_)
    return;
  const double seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
  clear();
  error_ << fmt::format("{} {} in {:.1f} s\n", grouped(done), what_, seconds) << std::flush;
}

} // namespace orrery
