#include "scenarios/sweep/sweep_workers.hpp"

#include "sim/base/diagnostics.hpp"

#include <csignal>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>

namespace orrery {

namespace {

// On the wire: to a worker, task numbers; from it, a length and as many bytes per task, in the order of the tasks.
using Length = std::uint32_t;

constexpr std::size_t few_tasks = 4; // below which a worker gets more, so that it never waits for the parent

/// Sends all of it. False where the other side is gone.
bool send_all(int socket, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t sent = ::send(socket, data, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR)
      continue;
    if (sent <= 0)
      return false;
    data += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}

/// False where the other side is gone.
bool receive_all(int socket, char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t got = ::recv(socket, data, size, 0);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return false;
    data += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

/// The life of a worker. It leaves without running destructors: they belong to the parent.
[[noreturn]] void serve(int socket, const WorkerPool::Work& work) {
  std::uint64_t task = 0;
  while (receive_all(socket, reinterpret_cast<char*>(&task), sizeof task)) {
    const std::string answer = work(task);
    const auto length = static_cast<Length>(answer.size());
    std::string message(reinterpret_cast<const char*>(&length), sizeof length);
    message += answer;
    if (!send_all(socket, message.data(), message.size()))
      break;
  }
  ::_exit(0);
}

std::string end_text(int status) {
  if (WIFSIGNALED(status))
    return fmt::format("ended by signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
  return fmt::format("ended with status {}", WEXITSTATUS(status));
}

} // namespace

WorkerPool::WorkerPool(int workers, Work work, std::function<void()> begin)
    : work_(std::move(work)), begin_(std::move(begin)), workers_(static_cast<std::size_t>(workers)) {
  for (Worker& worker : workers_)
    start(worker);
}

WorkerPool::~WorkerPool() {
  for (const Worker& worker : workers_)
    ::close(worker.socket);
  for (const Worker& worker : workers_)
    ::waitpid(worker.process, nullptr, 0);
}

void WorkerPool::start(Worker& worker) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    throw UserError(fmt::format("no worker process can be reached: {}", std::strerror(errno)));
  const pid_t parent = ::getpid();
  const pid_t process = ::fork();
  if (process < 0)
    throw UserError(fmt::format("no worker process can be started: {}; --jobs asks for fewer", std::strerror(errno)));
  if (process == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) // it ended before it was watched
      ::_exit(0);
    for (const Worker& other : workers_)
      if (other.socket >= 0)
        ::close(other.socket);
    ::close(ends[0]);
    begin_();
    serve(ends[1], work_);
  }
  ::close(ends[1]);
  worker = Worker{.process = process, .socket = ends[0], .tasks = {}, .received = {}};
}

bool WorkerPool::hungry() const {
  return std::ranges::any_of(workers_, [](const Worker& worker) { return worker.tasks.size() < few_tasks; });
}

void WorkerPool::give(const std::vector<std::uint64_t>& tasks) {
  const auto least = std::ranges::min_element(workers_, {}, [](const Worker& worker) { return worker.tasks.size(); });
  assert(least->tasks.size() < few_tasks);
  send(*least, tasks);
}

void WorkerPool::send(Worker& worker, const std::vector<std::uint64_t>& tasks) {
  worker.tasks.insert(worker.tasks.end(), tasks.begin(), tasks.end());
  // Where the worker is gone, wait() finds its socket closed.
  send_all(worker.socket, reinterpret_cast<const char*>(tasks.data()), tasks.size() * sizeof(std::uint64_t));
}

std::size_t WorkerPool::open() const {
  std::size_t open = 0;
  for (const Worker& worker : workers_)
    open += worker.tasks.size();
  return open;
}

std::vector<WorkerReport> WorkerPool::wait(int milliseconds) {
  std::vector<pollfd> sockets;
  for (const Worker& worker : workers_)
    sockets.push_back({.fd = worker.socket, .events = POLLIN, .revents = 0});
  std::vector<WorkerReport> reports;
  if (::poll(sockets.data(), sockets.size(), milliseconds) <= 0)
    return reports;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    if (sockets[i].revents == 0)
      continue;
    std::array<char, 65536> bytes{};
    const ssize_t got = ::recv(workers_[i].socket, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got > 0) {
      workers_[i].received.append(bytes.data(), static_cast<std::size_t>(got));
      take_answers(workers_[i], reports);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
      replace(workers_[i], reports);
    }
  }
  return reports;
}

void WorkerPool::take_answers(Worker& worker, std::vector<WorkerReport>& reports) {
  std::size_t at = 0;
  std::size_t answered = 0;
  Length length = 0;
  while (worker.received.size() - at >= sizeof length) {
    std::memcpy(&length, worker.received.data() + at, sizeof length);
    if (worker.received.size() - at - sizeof length < length)
      break;
    reports.push_back({.task = worker.tasks[answered++], .answer = worker.received.substr(at + sizeof length, length)});
    at += sizeof length + length;
  }
  worker.received.erase(0, at);
  worker.tasks.erase(worker.tasks.begin(), worker.tasks.begin() + static_cast<std::ptrdiff_t>(answered));
}

void WorkerPool::replace(Worker& worker, std::vector<WorkerReport>& reports) {
  int status = 0;
  ::waitpid(worker.process, &status, 0);
  ::close(worker.socket);
  worker.socket = -1;
  std::vector<std::uint64_t> tasks = std::move(worker.tasks);
  if (!tasks.empty()) {
    reports.push_back({.task = tasks.front(), .answer = {}, .end = end_text(status)});
    tasks.erase(tasks.begin());
  }
  start(worker);
  send(worker, tasks);
}

} // namespace orrery
