// Running, keeping and resuming the points of a study.
#include "scenarios/sweep/sqlite.hpp"
#include "scenarios/sweep/sweep.hpp"
#include "tests/support/refusal.hpp"
#include "tests/unit/scenarios/study_files.hpp"
#include "tools/reports/sweep_metrics.hpp"
#include "tools/reports/sweep_report.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <csignal>
#include <sstream>

namespace orrery::sweep_test {

namespace {

const std::string plans = "  - grid: { jobs.0.plan.micro_batch: [1, 2, 12], jobs.0.training.global_batch: [1536, 1000], jobs.0.plan.zero: "
                          "[0, 1] }\n  - list: [{ power.feed: ~ }, { power.feed: 1 W }, { software: nonsense }]\n";

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

SweepOptions options(int workers) { return {.workers = workers, .metrics_of = sweep_metrics}; }

std::string csv_of(const Study& study, const SweepStore& store) {
  std::ostringstream out;
  write_sweep_csv(out, study, store, {});
  write_sweep_json(out, study, store, {});
  write_sweep_text(out, study, store, {}, {});
  return out.str();
}

/// The answers after a sweep by so many workers.
std::string swept(const Study& study, int workers) {
  const TemporaryFolder folder;
  SweepStore store(folder.file("store"), study, false);
  CHECK(run_sweep(study, store, options(workers)).empty());
  return csv_of(study, store);
}

std::string store_refusal(const std::string& path, const Study& study, bool fresh = false) {
  return refusal_of([&] { const SweepStore store(path, study, fresh); });
}

std::size_t rows_with(const SweepStore& store, PointStatus status) {
  std::size_t rows = 0;
  store.read({}, [&](const StoredRow& row) { rows += row.status == status_word(status) ? 1 : 0; });
  return rows;
}

} // namespace

TEST_CASE("any number of workers gives the same bytes", "[sweep]") {
  for (const char* method : {"method: estimate\n", "method: simulate\n"}) {
    const Study study = study_of(plans, method);
    const std::string one = swept(study, 1);
    CHECK(swept(study, 2) == one);
    CHECK(swept(study, 3) == one);
  }
}

TEST_CASE("points that cannot run are rows with their inequality, mistakes rows with their message", "[sweep]") {
  const Study study = study_of(plans);
  const TemporaryFolder folder;
  SweepStore store(folder.file("store"), study, false);
  REQUIRE(run_sweep(study, store, options(2)).empty());
  CHECK(rows_with(store, PointStatus::error) == 12);      // the nonsense
  CHECK(rows_with(store, PointStatus::infeasible) == 20); // all but micro-batches 1 and 2 of batch 1536 under any feed
  CHECK(rows_with(store, PointStatus::ok) == 4);
  store.read({}, [&](const StoredRow& row) {
    const std::vector<const yaml::Node*> values = point_values(study, row.point);
    if (row.status == "error")
      CHECK_THAT(row.message, Catch::Contains("no software profile of the name 'nonsense'"));
    else if (values[1]->text == "1000")
      CHECK_THAT(row.message, Catch::Contains("global_batch 1000 is not divisible"));
    else if (values[0]->text == "12")
      CHECK_THAT(row.message, Catch::Contains("> 80.0 GB"));
    else if (values[3]->text == "1 W")
      CHECK_THAT(row.message, Catch::Contains("peak power of the facility"));
    else
      CHECK(row.message.empty());
  });
}

TEST_CASE("a row holds the figures of the result that the scenario gives alone", "[sweep]") {
  const Study study = study_of("  - grid: { jobs.0.plan.micro_batch: [1, 2] }\n");
  const TemporaryFolder folder;
  SweepStore store(folder.file("store"), study, false);
  REQUIRE(run_sweep(study, store, options(1)).empty());
  store.read({.columns = {"jobs.0.plan.micro_batch", "step_time_s", "devices", "no_such_metric"}}, [&](const StoredRow& row) {
    const Result alone = run_scenario(point_scenario(study, row.point), {.fidelity = Fidelity::estimate});
    CHECK(std::get<std::int64_t>(row.values[0]) == static_cast<std::int64_t>(row.point + 1));
    CHECK(std::get<double>(row.values[1]) == alone.jobs.front().step_time.si());
    CHECK(std::get<std::int64_t>(row.values[2]) == 1024);
    CHECK(std::holds_alternative<std::monostate>(row.values[3]));
  });
}

TEST_CASE("a worker that is killed loses nothing, and a point that kills its worker twice is said", "[sweep]") {
  const Study study = study_of("  - grid: { jobs.0.plan.micro_batch: [1, 2], jobs.0.plan.zero: [0, 1] }\n");
  const TemporaryFolder folder;
  const std::string expected = swept(study, 1);
  const auto killing = [&folder](bool always) {
    SweepOptions deadly = options(2);
    deadly.metrics_of = [marker = folder.file("killed"), always](const Result& result) {
      const TrainingResult& job = result.jobs.front();
      if (job.plan.micro_batch == 2 && job.plan.zero == 0 && (always || !std::filesystem::exists(marker))) {
        std::ofstream(marker) << "once";
        std::raise(SIGKILL);
      }
      return sweep_metrics(result);
    };
    return deadly;
  };
  {
    SweepStore store(folder.file("once"), study, false);
    CHECK(run_sweep(study, store, killing(false)).empty());
    CHECK(csv_of(study, store) == expected);
  }
  SweepStore store(folder.file("always"), study, false);
  const std::vector<LostPoint> lost = run_sweep(study, store, killing(true));
  REQUIRE(lost.size() == 1);
  CHECK(lost.front().point == 2);
  CHECK_THAT(lost.front().why, Catch::Contains("signal 9"));
  CHECK(std::ranges::count(store.done(), true) == 3);
  CHECK(run_sweep(study, store, options(1)).empty()); // the next sweep runs it again, and it alone
  CHECK(csv_of(study, store) == expected);
}

TEST_CASE("an internal error of a point is said, and the others are kept", "[sweep]") {
  const Study study = study_of("  - grid: { jobs.0.plan.micro_batch: [1, 2] }\n");
  const TemporaryFolder folder;
  SweepStore store(folder.file("store"), study, false);
  SweepOptions broken = options(1);
  broken.metrics_of = [](const Result& result) {
    if (result.jobs.front().plan.micro_batch == 2)
      throw std::logic_error("a bug");
    return sweep_metrics(result);
  };
  const std::vector<LostPoint> lost = run_sweep(study, store, broken);
  REQUIRE(lost.size() == 1);
  CHECK(lost.front().why == "a bug");
  CHECK(rows_with(store, PointStatus::ok) == 1);
}

TEST_CASE("a store goes on where it was, and belongs to one study", "[sweep]") {
  const Study study = study_of("  - grid: { jobs.0.plan.micro_batch: [1, 2] }\n");
  const TemporaryFolder folder;
  const std::string path = folder.file("store");
  {
    SweepStore store(path, study, false);
    store.add(run_point(study, 1, options(1)));
    store.commit();
    store.add(run_point(study, 0, options(1))); // not committed
  }
  {
    const SweepStore store(path, study, false);
    CHECK(store.done() == std::vector<bool>{false, true});
  }
  const Study other = study_of("  - grid: { jobs.0.plan.micro_batch: [1, 4] }\n");
  CHECK_THAT(store_refusal(path, other), Catch::Contains("another study") && Catch::Contains("'a study'") && Catch::Contains("--fresh"));
  CHECK(store_refusal(path, other, true) == "no refusal");
  CHECK_THAT(store_refusal(path, study), Catch::Contains("another study"));
}

TEST_CASE("a file that is no store is refused and left as it is, also where a fresh one is asked for", "[sweep]") {
  const Study study = study_of("  - grid: { jobs.0.plan.micro_batch: [1, 2] }\n");
  const TemporaryFolder folder;
  const std::string text = folder.write("text", "somebody's notes\n");
  const std::string foreign = folder.file("foreign");
  sqlite::Database(foreign).execute("CREATE TABLE t (a); INSERT INTO t VALUES (1)");
  for (const auto& [path, words] : {std::pair(text, "is no SQLite file"), std::pair(foreign, "not the store of a sweep")}) {
    const std::string before = read_file(path);
    for (const bool fresh : {false, true})
      CHECK_THAT(store_refusal(path, study, fresh), Catch::Contains(words));
    CHECK(read_file(path) == before);
  }
  CHECK_THAT(store_refusal(folder.file("no/such/folder"), study), Catch::Contains("No such file"));
}

TEST_CASE("a damaged store is refused and left as it is", "[sweep]") {
  const Study study = study_of("  - grid: { jobs.0.plan.micro_batch: [1, 2] }\n");
  const TemporaryFolder folder;
  const std::string path = folder.file("store");
  {
    SweepStore store(path, study, false);
    REQUIRE(run_sweep(study, store, options(1)).empty());
  }
  const std::string whole = read_file(path);
  const auto damaged = [&](const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
    CHECK_THAT(store_refusal(path, study), Catch::Contains("damaged"));
    CHECK(read_file(path) == bytes);
  };
  std::string overwritten = whole;
  for (std::size_t i = 4096; i < overwritten.size(); ++i)
    overwritten[i] = 'x';
  damaged(overwritten);
  damaged(whole.substr(0, whole.size() / 2));
  for (const char* const change : {"DROP TABLE study", "UPDATE points SET point = point + 9"}) {
    std::ofstream(path, std::ios::binary) << whole;
    {
      sqlite::Database database(path);
      database.execute(change);
      database.keep_wal(false);
    }
    damaged(read_file(path));
  }
  CHECK(store_refusal(path, study, true) == "no refusal"); // a store of ours may be started again
}

TEST_CASE("columns are named by as much of their paths as tells them apart", "[sweep]") {
  CHECK(short_names({"jobs.0.plan.tp", "jobs.0.plan.pp", "cluster.nodes"}) == std::vector<std::string>{"tp", "pp", "nodes"});
  CHECK(short_names({"jobs.0.plan.tp", "jobs.1.plan.tp"}) == std::vector<std::string>{"0.plan.tp", "1.plan.tp"});
  CHECK(short_names({"name", "software.name"}) == std::vector<std::string>{"name", "software.name"});
}

TEST_CASE("every figure that a sweep keeps is a metric by name", "[sweep]") {
  const Study study = study_of("  - grid: { jobs.0.plan.micro_batch: [1] }\n");
  const PointRow row = run_point(study, 0, options(1));
  CHECK(row.metrics.size() > 40);
  CHECK(row.metrics.back().first == "expectations_met");
  for (const auto& [name, value] : row.metrics) {
    CAPTURE(name);
    CHECK(is_metric(name));
  }
  CHECK(is_metric("jobs.1.step_time_s"));
  CHECK_FALSE(is_metric("step_time"));
  CHECK_FALSE(is_metric("time..time_s"));
}

} // namespace orrery::sweep_test
