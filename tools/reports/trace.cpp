#include "tools/reports/trace.hpp"

#include "tools/reports/serving_json.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace orrery {

namespace {

std::string quoted(const std::string& text) { return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace); }

/// Whole picoseconds: rounded once, so that spans that touch in the timeline touch in the trace.
long long picoseconds(Seconds time) { return std::llround(1e12 * time.si()); }
std::string micros(long long picoseconds) { return fmt::format("{}.{:06}", picoseconds / 1000000, picoseconds % 1000000); }

/// Writes the events of one file: commas, process and thread names when a row is first seen.
class TraceWriter {
public:
  explicit TraceWriter(std::ostream& out) : out_(out) { out_ << "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n"; }
  /// A process per replica: its iterations, a row for each batch in flight; its state as counters; its requests as rows of waiting, prefill
  /// and decode. Images pass through their network, once or many times.
  void serving(const ServingResult& job, const std::string& prefix) {
    const int first = last_process_ + 1;
    images_.clear();
    for (const PoolResult& pool : job.pools)
      for (int i = 0; i < pool.plan.replicas; ++i) {
        const std::string kind = pool.pool == Pool::both ? "" : pool_word(pool.pool) + " ";
        const std::string service = pool.service.empty() ? "" : " of " + pool.service;
        images_.push_back(pool.patches > 0);
        new_process(fmt::format("{}{}replica {}{}", prefix, kind, last_process_ + 1 - first, service));
      }
    std::set<std::pair<int, std::uint32_t>> rows;
    for (const ServingSpan& span : job.spans) {
      const int process = first + static_cast<int>(span.replica);
      if (rows.emplace(process, span.slot).second)
        event(fmt::format(R"({{"ph":"M","name":"thread_name","pid":{},"tid":{},"args":{{"name":"batch {}"}}}})", process, span.slot + 1,
                          span.slot));
      if (images_[span.replica])
        passes(process, span);
      else
        iterations(process, span);
    }
    for (const ServingSample& sample : job.samples) {
      const int process = first + static_cast<int>(sample.replica);
      counter(process, "waiting", "requests", sample.time, sample.waiting);
      counter(process, "running", "requests", sample.time, sample.running);
      counter(process, "KV cache", "blocks", sample.time, static_cast<double>(sample.blocks));
    }
    for (std::size_t i = 0; i < job.rows.size(); ++i)
      if (const RequestRecord& record = job.rows[i].record; record.outcome == Outcome::served && !job.rows[i].ran_tool())
        request(first + static_cast<int>(record.replica), i, job.rows[i], images_[record.replica]);
  }

  void finish() { out_ << "\n]}\n"; }

  void job(const TrainingResult& job, const std::string& prefix) {
    processes_.clear();
    replayed_ = job.trace.has_value();
    waiting_.reset();
    for (const RecordedSpan& span : job.timeline) {
      if (span.stream != "compute" && (!waiting_ || span.power < *waiting_))
        waiting_ = span.power;
    }
    for (const std::size_t i : in_order(job))
      span(job.timeline[i], prefix);
    if (!replayed_)
      for (const auto& [place, process] : processes_)
        wait_after(process);
  }

private:
  /// A thread of the trace. Spans of one stream that overlap (a reduction beside a send) go to lanes of their own: viewers draw a thread as
  /// a stack.
  struct Lane {
    int thread = 0;
    long long end = 0; ///< ps
  };

  struct Process {
    int id = 0;
    std::map<std::string, std::vector<Lane>> streams;
    int lanes = 0;
    Seconds busy_until; ///< of the compute stream
  };

  /// By begin; spans of no length before those that begin with them.
  static std::vector<std::size_t> in_order(const TrainingResult& job) {
    std::vector<std::size_t> order(job.timeline.size());
    for (std::size_t i = 0; i < order.size(); ++i)
      order[i] = i;
    std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
      const RecordedSpan& x = job.timeline[a];
      const RecordedSpan& y = job.timeline[b];
      return x.begin.si() != y.begin.si() ? x.begin < y.begin : x.end < y.end;
    });
    return order;
  }

  void iterations(int process, const ServingSpan& span) {
    const char* const name = span.prompt_tokens == 0 ? "decode" : span.sequences == 0 ? "prefill" : "prefill and decode";
    event(fmt::format(
        R"({{"ph":"X","name":"{}","cat":"iteration","pid":{},"tid":{},"ts":{},"dur":{},"args":{{"iterations":{},"prompt_tokens":{},"sequences":{}}}}})",
        name, process, span.slot + 1, micros(picoseconds(span.begin)), micros(picoseconds(span.end) - picoseconds(span.begin)),
        span.iterations, span.prompt_tokens, span.sequences));
  }

  void passes(int process, const ServingSpan& span) {
    event(
        fmt::format(R"({{"ph":"X","name":"pass","cat":"iteration","pid":{},"tid":{},"ts":{},"dur":{},"args":{{"passes":{},"images":{}}}}})",
                    process, span.slot + 1, micros(picoseconds(span.begin)), micros(picoseconds(span.end) - picoseconds(span.begin)),
                    span.iterations, span.prompt_tokens + span.sequences));
  }

  void request(int process, std::size_t index, const RequestRow& row, bool image) {
    const auto span = [&](const std::string& name, Seconds begin, Seconds end, const std::string& arguments) {
      event(fmt::format(R"({{"ph":"b","cat":"request","id":{},"name":{},"pid":{},"tid":0,"ts":{}{}}})", index, quoted(name), process,
                        micros(picoseconds(begin)), arguments));
      event(fmt::format(R"({{"ph":"e","cat":"request","id":{},"name":{},"pid":{},"tid":0,"ts":{}}})", index, quoted(name), process,
                        micros(picoseconds(end))));
    };
    const RequestRecord& r = row.record;
    span(image ? "image" : "request", r.arrival, r.end,
         fmt::format(R"(,"args":{{"input":{},"output":{},"preemptions":{}}})", row.request.input, row.request.output, r.preemptions));
    span("waiting", r.arrival, r.scheduled, "");
    span(image ? "first pass" : "prefill", r.scheduled, r.first_token, "");
    if (!image || r.end > r.first_token)
      span(image ? "further passes" : "decode", r.first_token, r.end, "");
  }

  void event(const std::string& text) {
    out_ << (first_ ? "" : ",\n") << text;
    first_ = false;
  }

  /// Viewers show processes in the order in which they are named here.
  int new_process(const std::string& name) {
    event(fmt::format(R"({{"ph":"M","name":"process_name","pid":{},"tid":0,"args":{{"name":{}}}}})", ++last_process_, quoted(name)));
    event(fmt::format(R"({{"ph":"M","name":"process_sort_index","pid":{0},"tid":0,"args":{{"sort_index":{0}}}}})", last_process_));
    return last_process_;
  }

  Process& process_of(const RecordedSpan& span, const std::string& prefix) {
    const auto [found, fresh] = processes_.try_emplace({span.replica, span.stage});
    if (fresh)
      found->second.id = new_process(replayed_ ? fmt::format("{}rank {}", prefix, span.stage)
                                               : fmt::format("{}replica {} stage {}", prefix, span.replica, span.stage));
    return found->second;
  }

  int thread_of(Process& process, const std::string& stream, long long begin, long long end) {
    std::vector<Lane>& lanes = process.streams[stream];
    auto lane = std::ranges::find_if(lanes, [begin](const Lane& other) { return other.end <= begin; });
    if (lane == lanes.end()) {
      lane = lanes.insert(lane, Lane{.thread = ++process.lanes});
      const std::string name = lanes.size() == 1 ? stream : fmt::format("{} {}", stream, lanes.size());
      event(fmt::format(R"({{"ph":"M","name":"thread_name","pid":{},"tid":{},"args":{{"name":{}}}}})", process.id, lane->thread,
                        quoted(name)));
    }
    lane->end = end;
    return lane->thread;
  }

  void span(const RecordedSpan& span, const std::string& prefix) {
    Process& process = process_of(span, prefix);
    const long long begin = picoseconds(span.begin);
    const long long end = picoseconds(span.end);
    const int thread = thread_of(process, span.stream, begin, end);
    const std::string arguments = span.micro_batch < 0 ? "" : fmt::format(R"(,"args":{{"micro_batch":{}}})", span.micro_batch);
    event(fmt::format(R"({{"ph":"X","name":{},"cat":{},"pid":{},"tid":{},"ts":{},"dur":{}{}}})", quoted(span.name), quoted(span.stream),
                      process.id, thread, micros(begin), micros(end - begin), arguments));
    if (span.stream != "compute" || replayed_)
      return;
    if (span.begin > process.busy_until)
      wait_after(process);
    process.busy_until = span.end;
    counter(process.id, "power", "W", span.begin, span.power.si());
    counter(process.id, "memory", "GB", span.begin, span.memory.si() / 1e9);
  }

  /// A device that waits for others draws what the spans of its communication draw.
  void wait_after(const Process& process) {
    if (waiting_)
      counter(process.id, "power", "W", process.busy_until, waiting_->si());
  }

  void counter(int process, const char* name, const char* unit, Seconds at, double value) {
    event(fmt::format(R"json({{"ph":"C","name":"{} ({})","pid":{},"tid":0,"ts":{},"args":{{"{}":{}}}}})json", name, unit, process,
                      micros(picoseconds(at)), unit, value));
  }

  std::ostream& out_;
  bool first_ = true;
  int last_process_ = 0;
  std::optional<Watts> waiting_;
  std::vector<bool> images_; ///< by replica: it serves a network over images
  bool replayed_ = false;    ///< a trace: it says nothing of power and memory
  std::map<std::pair<std::int32_t, std::int32_t>, Process> processes_;
};

} // namespace

void write_trace(std::ostream& out, const Result& result) {
  TraceWriter writer(out);
  for (const TrainingResult& job : result.jobs)
    writer.job(job, result.jobs.size() > 1 ? job.name + " " : "");
  for (const ServingResult& job : result.serving)
    writer.serving(job, result.serving.size() > 1 ? job.name + " " : "");
  writer.finish();
}

} // namespace orrery
