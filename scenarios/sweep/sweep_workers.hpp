// Forked processes that take numbers and give back texts.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace orrery {

/// What a worker says of a task: the text that it made, or that it ended over it.
struct WorkerReport {
  std::uint64_t task = 0;
  std::optional<std::string> answer;
  std::string end = {}; ///< how the worker ended: "ended by signal 9"
};

/// Workers are forked when this is made, and again when one dies. A worker ends when its parent does.
class WorkerPool {
public:
  using Work = std::function<std::string(std::uint64_t task)>;

  /// `begin` runs first in every worker.
  WorkerPool(int workers, Work work, std::function<void()> begin);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// Whether some worker has too little to do.
  [[nodiscard]] bool hungry() const;
  /// Gives tasks to the worker that has least. Precondition: hungry().
  void give(const std::vector<std::uint64_t>& tasks);
  /// Tasks that were given and not reported.
  [[nodiscard]] std::size_t open() const;
  /// Waits for reports, at most that long. Tasks behind one that ended its worker are given to its successor.
  std::vector<WorkerReport> wait(int milliseconds);

private:
  struct Worker {
    int process = -1;
    int socket = -1;
    std::vector<std::uint64_t> tasks; ///< in the order in which they are worked on
    std::string received;             ///< the beginning of an answer
  };

  void start(Worker& worker);
  void send(Worker& worker, const std::vector<std::uint64_t>& tasks);
  void take_answers(Worker& worker, std::vector<WorkerReport>& reports);
  void replace(Worker& worker, std::vector<WorkerReport>& reports);

  Work work_;
  std::function<void()> begin_;
  std::vector<Worker> workers_;
};

} // namespace orrery
