#include "scenarios/sweep/sweep.hpp"

#include "scenarios/data_files.hpp"
#include "scenarios/error_band.hpp"
#include "scenarios/sweep/sweep_workers.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <map>

namespace orrery {

namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr std::size_t most_at_once = 32;                      // points given to a worker at a time
constexpr auto commit_every = std::chrono::milliseconds(200); // what a kill can cost

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts)
    text += (text.empty() ? "" : "; ") + part;
  return text;
}

json to_json(const SweepValue& value) {
  return std::visit(
      [](const auto& held) -> json {
        if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::monostate>)
          return nullptr;
        else
          return held;
      },
      value);
}

SweepValue from_json(const json& value) {
  if (value.is_boolean())
    return value.get<bool>();
  if (value.is_number_integer())
    return value.get<std::int64_t>();
  if (value.is_number())
    return value.get<double>();
  return value.is_string() ? SweepValue(value.get<std::string>()) : SweepValue();
}

/// An answer of a worker: a row, or what an internal error said.
std::string pack(const PointRow& row) {
  json metrics = json::array();
  for (const auto& [name, value] : row.metrics) {
    metrics.push_back(name);
    metrics.push_back(to_json(value));
  }
  std::string out;
  json::to_msgpack(json{{"point", row.point}, {"status", row.status}, {"message", row.message}, {"metrics", std::move(metrics)}}, out);
  return out;
}

PointRow unpack(const json& answer) {
  PointRow row{.point = answer["point"], .status = answer["status"], .message = answer["message"], .metrics = {}};
  const json& metrics = answer["metrics"];
  for (std::size_t i = 0; i + 1 < metrics.size(); i += 2)
    row.metrics.emplace_back(metrics[i].get<std::string>(), from_json(metrics[i + 1]));
  return row;
}

std::string answer(const Study& study, std::uint64_t point, const SweepOptions& options) {
  try {
    return pack(run_point(study, point, options));
  } catch (const std::exception& bug) {
    std::string out;
    json::to_msgpack(json{{"bug", bug.what()}}, out);
    return out;
  }
}

/// The points without a row, in chunks that shrink towards the end so that all workers end together.
class Remaining {
public:
  Remaining(const std::vector<bool>& done, Fidelity method, int workers) : done_(done), method_(method), workers_(workers) {
    left_ = static_cast<std::size_t>(std::ranges::count(done, false));
  }

  [[nodiscard]] bool empty() const { return left_ == 0 && again_.empty(); }
  void again(std::uint64_t point) { again_.push_back(point); }

  std::vector<std::uint64_t> take() {
    if (!again_.empty())
      return std::exchange(again_, {});
    const std::size_t share = left_ / (4 * static_cast<std::size_t>(workers_));
    std::size_t count = method_ == Fidelity::simulate ? 1 : std::clamp(share, std::size_t{1}, most_at_once);
    std::vector<std::uint64_t> points;
    for (; count > 0 && left_ > 0; ++next_) {
      if (done_[next_])
        continue;
      points.push_back(next_);
      --count;
      --left_;
    }
    return points;
  }

private:
  std::vector<bool> done_;
  Fidelity method_;
  int workers_;
  std::size_t left_ = 0;
  std::uint64_t next_ = 0;
  std::vector<std::uint64_t> again_;
};

/// The loop of the parent.
class Sweep {
public:
  Sweep(const Study& study, SweepStore& store, const SweepOptions& options)
      : store_(store), options_(options), remaining_(store.done(), study.method, options.workers),
        pool_(
            options.workers, [&](std::uint64_t point) { return answer(study, point, options); }, [&] { store.leave_to_parent(); }),
        rows_(static_cast<std::uint64_t>(std::ranges::count(store.done(), true))) {}

  std::vector<LostPoint> run() {
    while (true) {
      while (!remaining_.empty() && pool_.hungry())
        pool_.give(remaining_.take());
      if (pool_.open() == 0)
        break;
      for (const WorkerReport& report : pool_.wait(static_cast<int>(commit_every.count())))
        take(report);
      if (Clock::now() - committed_ >= commit_every)
        keep();
    }
    keep();
    std::ranges::sort(lost_, {}, &LostPoint::point);
    return std::move(lost_);
  }

private:
  void take(const WorkerReport& report) {
    if (!report.answer) {
      // Perhaps somebody ended the worker, and not the point: each point has a second try.
      if (tries_[report.task]++ == 0)
        remaining_.again(report.task);
      else
        lost_.push_back({report.task, report.end});
      return;
    }
    const json read = json::from_msgpack(*report.answer);
    if (read.contains("bug")) {
      lost_.push_back({report.task, read["bug"]});
      return;
    }
    store_.add(unpack(read));
    ++new_rows_;
  }

  void keep() {
    store_.commit();
    committed_ = Clock::now();
    options_.progress({.done = rows_ + new_rows_, .total = store_.done().size()});
  }

  SweepStore& store_;
  const SweepOptions& options_;
  Remaining remaining_;
  WorkerPool pool_;
  std::uint64_t rows_;
  std::uint64_t new_rows_ = 0;
  std::map<std::uint64_t, int> tries_;
  std::vector<LostPoint> lost_;
  Clock::time_point committed_ = Clock::now();
};

} // namespace

PointRow run_point(const Study& study, std::uint64_t point, const SweepOptions& options) {
  PointRow row{.point = point, .status = PointStatus::ok, .message = {}, .metrics = {}};
  try {
    const Result result = run_scenario(point_scenario(study, point), {.fidelity = study.method});
    std::vector<std::string> violations;
    for (const TrainingResult& job : result.jobs)
      for (const std::string& violation : job.violations)
        violations.push_back(result.jobs.size() > 1 ? job.name + ": " + violation : violation);
    row.status = violations.empty() ? PointStatus::ok : PointStatus::infeasible;
    row.message = joined(violations);
    row.metrics = options.metrics_of(result);
  } catch (const UserError& mistake) {
    row.status = PointStatus::error;
    row.message = mistake.what();
    while (row.message.ends_with('\n'))
      row.message.pop_back();
  }
  return row;
}

std::vector<LostPoint> run_sweep(const Study& study, SweepStore& store, const SweepOptions& options) {
  if (std::ranges::find(store.done(), false) == store.done().end())
    return {};
  // What every point reads is read once, before the processes part.
  load_calibration();
  error_band(RunKind::half);
  return Sweep(study, store, options).run();
}

} // namespace orrery
