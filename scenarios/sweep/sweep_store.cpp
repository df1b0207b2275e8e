#include "scenarios/sweep/sweep_store.hpp"

#include "scenarios/sweep/sqlite.hpp"
#include "sim/base/random.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>

namespace orrery {

struct StoreDescriptor {
  int number = -1;
  StoreDescriptor() = default;
  ~StoreDescriptor() { close(); }
  StoreDescriptor(const StoreDescriptor&) = delete;
  StoreDescriptor& operator=(const StoreDescriptor&) = delete;
  void close() {
    if (number >= 0)
      ::close(number);
    number = -1;
  }
};

namespace {

constexpr std::uint32_t application_id = 0x4f525259; // "ORRY", at byte 68 of the file
constexpr int store_version = 1;                     // at byte 60

/// Opens the file, made where there is none, and locks it for this process. The lock ends with the process.
void take(StoreDescriptor& file, const std::string& path) {
  file.number = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file.number < 0)
    throw UserError(path + ": the store cannot be opened: " + std::strerror(errno));
  if (::flock(file.number, LOCK_EX | LOCK_NB) != 0)
    throw UserError(path + ": another sweep is writing to this store");
}

/// Reads what the file says of itself, without SQLite, which might write to it. False where it is empty. Throws UserError where it is none
/// of ours.
bool is_store(const StoreDescriptor& file, const std::string& path) {
  std::array<unsigned char, 100> header{};
  const ssize_t size = ::pread(file.number, header.data(), header.size(), 0);
  if (size == 0)
    return false;
  const auto number = [&header](std::size_t at) {
    return (std::uint32_t{header[at]} << 24U) | (std::uint32_t{header[at + 1]} << 16U) | (std::uint32_t{header[at + 2]} << 8U) |
           header[at + 3];
  };
  constexpr const char* kept = "; it is left as it is; --store names another file";
  if (size < static_cast<ssize_t>(header.size()) || std::memcmp(header.data(), "SQLite format 3", 16) != 0)
    throw UserError(path + ": is no SQLite file" + kept);
  if (number(68) != application_id)
    throw UserError(path + ": is an SQLite file, but not the store of a sweep" + kept);
  if (number(60) != store_version)
    throw UserError(path + fmt::format(": is a store of version {}, this program writes version {}", number(60), store_version) + kept);
  return true;
}

std::string hex(std::uint64_t value) { return fmt::format("{:016x}", value); }

/// A value of an axis as a number where it is one.
SweepValue setting(const yaml::Node& value) {
  if (value.is_null())
    return {};
  QuantityError error;
  const double number = value.is_scalar() && !value.quoted ? parse_number(value.text, error) : 0;
  if (!value.is_scalar() || value.quoted || !error.message.empty())
    return value_text(value);
  const bool whole = number == static_cast<double>(static_cast<std::int64_t>(number)) && number < 9e15 && number > -9e15;
  return whole ? SweepValue(static_cast<std::int64_t>(number)) : SweepValue(number);
}

void bind_value(sqlite::Statement& statement, int index, const SweepValue& value) {
  if (const auto* flag = std::get_if<bool>(&value))
    statement.bind(index, std::int64_t{*flag});
  else if (const auto* whole = std::get_if<std::int64_t>(&value))
    statement.bind(index, *whole);
  else if (const auto* number = std::get_if<double>(&value))
    statement.bind(index, *number);
  else if (const auto* text = std::get_if<std::string>(&value))
    statement.bind(index, *text);
}

SweepValue value_at(const sqlite::Statement& statement, int column, bool flag) {
  switch (sqlite3_column_type(statement.get(), column)) {
  case SQLITE_INTEGER:
    return flag ? SweepValue(statement.integer(column) != 0) : SweepValue(statement.integer(column));
  case SQLITE_FLOAT:
    return sqlite3_column_double(statement.get(), column);
  case SQLITE_TEXT:
    return statement.text(column);
  default:
    return {};
  }
}

constexpr std::array<const char*, 4> own_columns = {"point", "key", "status", "message"};

} // namespace

std::string status_word(PointStatus status) {
  switch (status) {
  case PointStatus::ok:
    return "ok";
  case PointStatus::infeasible:
    return "infeasible";
  case PointStatus::error:
    return "error";
  }
  return {};
}

struct SweepStore::Impl {
  StoreDescriptor lock; // closed last: closing any descriptor of the file drops the locks of SQLite
  const Study& study;
  std::uint64_t study_key = 0;
  std::uint64_t program_key = 0;
  std::optional<sqlite::Database> database;
  std::vector<bool> done;
  bool other_program = false;
  std::map<std::string, bool> columns; ///< of the points, with whether it holds flags
  std::vector<std::string> inserted;   ///< columns of `insert`, in its order
  std::optional<sqlite::Statement> insert;
  bool in_transaction = false;

  explicit Impl(const Study& of) : study(of), study_key(study_fingerprint(of)), program_key(program_fingerprint()), done(of.points()) {}

  void create() const {
    std::string columns_of_axes;
    for (const std::string& path : study.paths())
      columns_of_axes += ", " + sqlite::quoted(path);
    // One transaction: a killed process leaves an empty file or a whole store.
    database->execute(fmt::format("BEGIN; PRAGMA application_id = {}; PRAGMA user_version = {};"
                                  "CREATE TABLE study (key TEXT PRIMARY KEY, value TEXT NOT NULL);"
                                  "CREATE TABLE points (point INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, status TEXT NOT NULL, "
                                  "message TEXT NOT NULL{});",
                                  application_id, store_version, columns_of_axes));
    set("name", study.name);
    set("study", hex(study_key));
    set("program", hex(program_key));
    set("points", std::to_string(done.size()));
    database->execute("COMMIT");
  }

  void set(const std::string& key, const std::string& value) const {
    sqlite::Statement statement = database->prepare("INSERT OR REPLACE INTO study VALUES (?, ?)");
    statement.bind(1, key);
    statement.bind(2, value);
    statement.step();
  }

  [[nodiscard]] std::string get(const std::string& key) const {
    sqlite::Statement statement = database->prepare("SELECT value FROM study WHERE key = ?");
    statement.bind(1, key);
    return statement.step() ? statement.text(0) : std::string();
  }

  void check_pages() const {
    sqlite::Statement check = database->prepare("PRAGMA quick_check(1)");
    if (check.step() && check.text(0) != "ok")
      throw UserError(database->path() + ": the store is damaged (" + check.text(0) + "); it is left as it is; --store names another file");
  }

  void read_columns() {
    columns.clear();
    sqlite::Statement list = database->prepare("PRAGMA table_info(points)");
    while (list.step())
      columns[list.text(1)] = list.text(2) == "BOOLEAN";
  }

  void resume() {
    const std::string& path = database->path();
    if (get("study") != hex(study_key))
      throw UserError(path + ": holds the points of another study, or of this one before it was changed (" + shown(get("name")) +
                      "); --store names another file, --fresh starts again");
    std::uint64_t rows = 0;
    sqlite::Statement points = database->prepare("SELECT point FROM points");
    while (points.step()) {
      const auto point = static_cast<std::uint64_t>(points.integer(0));
      if (point >= done.size())
        throw UserError(path + fmt::format(": the store is damaged (point {} of {}); it is left as it is", point, done.size()));
      done[point] = true;
      ++rows;
    }
    other_program = get("program") != hex(program_key);
    if (other_program && rows > 0 && rows < done.size())
      throw UserError(path + fmt::format(": {} of its {} points are there, from another build of orrery or other catalogue files; rows of "
                                         "both would not compare; --fresh starts again",
                                         rows, done.size()));
    if (other_program && rows == 0)
      set("program", hex(program_key));
    other_program = other_program && rows > 0;
  }

  void add_column(const std::string& name, bool flag) {
    database->execute("ALTER TABLE points ADD COLUMN " + sqlite::quoted(name) + (flag ? " BOOLEAN" : ""));
    columns[name] = flag;
    insert.reset();
  }

  void prepare_insert() {
    inserted.assign(own_columns.begin(), own_columns.end());
    for (const std::string& path : study.paths())
      inserted.push_back(path);
    for (const auto& [name, flag] : columns)
      if (std::ranges::find(inserted, name) == inserted.end())
        inserted.push_back(name);
    std::string names;
    std::string places;
    for (const std::string& name : inserted) {
      names += (names.empty() ? "" : ", ") + sqlite::quoted(name);
      places += places.empty() ? "?" : ", ?";
    }
    insert.emplace(database->prepare("INSERT INTO points (" + names + ") VALUES (" + places + ")"));
  }
};

SweepStore::SweepStore(const std::string& path, const Study& study, bool fresh) : impl_(std::make_unique<Impl>(study)) {
  take(impl_->lock, path);
  bool exists = is_store(impl_->lock, path);
  if (exists && fresh) {
    for (const char* suffix : {"", "-wal", "-shm"})
      std::filesystem::remove(path + suffix);
    impl_->lock.close();
    take(impl_->lock, path);
    exists = is_store(impl_->lock, path);
  }
  impl_->database.emplace(path);
  if (exists)
    impl_->check_pages();
  else
    impl_->create();
  impl_->database->keep_wal(false);
  impl_->resume();
  impl_->database->execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
  impl_->read_columns();
}

SweepStore::~SweepStore() = default;

const std::vector<bool>& SweepStore::done() const { return impl_->done; }
bool SweepStore::of_other_program() const { return impl_->other_program; }
void SweepStore::leave_to_parent() { impl_->lock.close(); }

void SweepStore::add(const PointRow& row) {
  Impl& store = *impl_;
  if (!store.in_transaction)
    store.database->execute("BEGIN");
  store.in_transaction = true;
  std::map<std::string_view, const SweepValue*> metrics;
  for (const auto& [name, value] : row.metrics) {
    metrics[name] = &value;
    if (!store.columns.contains(name))
      store.add_column(name, std::holds_alternative<bool>(value));
  }
  if (!store.insert)
    store.prepare_insert();
  sqlite::Statement& insert = *store.insert;
  insert.reset();
  std::uint64_t key = store.study_key;
  int index = static_cast<int>(own_columns.size());
  for (const yaml::Node* value : point_values(store.study, row.point)) {
    key = fingerprint(value_text(*value) + "\n", key);
    bind_value(insert, ++index, setting(*value));
  }
  insert.bind(1, static_cast<std::int64_t>(row.point));
  insert.bind(2, hex(fingerprint(std::to_string(row.point), key)));
  insert.bind(3, status_word(row.status));
  insert.bind(4, row.message);
  for (auto column = static_cast<std::size_t>(index); column < store.inserted.size(); ++column)
    if (const auto found = metrics.find(store.inserted[column]); found != metrics.end())
      bind_value(insert, static_cast<int>(column) + 1, *found->second);
  insert.step();
  store.done[row.point] = true;
}

void SweepStore::commit() {
  if (impl_->in_transaction)
    impl_->database->execute("COMMIT");
  impl_->in_transaction = false;
}

std::vector<std::string> SweepStore::metrics() const {
  const std::vector<std::string> paths = impl_->study.paths();
  std::vector<std::string> names;
  for (const auto& [name, flag] : impl_->columns)
    if (std::ranges::find(own_columns, name) == own_columns.end() && std::ranges::find(paths, name) == paths.end())
      names.push_back(name);
  return names;
}

void SweepStore::read(const RowQuery& query, const std::function<void(const StoredRow&)>& take) const {
  const auto column = [this](const std::string& name) {
    return impl_->columns.contains(name) ? sqlite::quoted(name) : std::string("NULL");
  };
  std::string sql = "SELECT point, status, message";
  for (const std::string& name : query.columns)
    sql += ", " + column(name);
  sql += " FROM points";
  if (!query.order_by.empty())
    sql += fmt::format(" WHERE status = 'ok' AND {0} IS NOT NULL ORDER BY {0} {1}, point", column(query.order_by),
                       query.descending ? "DESC" : "ASC");
  else
    sql += " ORDER BY point";
  if (query.limit > 0)
    sql += fmt::format(" LIMIT {}", query.limit);
  sqlite::Statement rows = impl_->database->prepare(sql);
  StoredRow row;
  while (rows.step()) {
    row.point = static_cast<std::uint64_t>(rows.integer(0));
    row.status = rows.text(1);
    row.message = rows.text(2);
    row.values.clear();
    for (std::size_t i = 0; i < query.columns.size(); ++i) {
      const auto found = impl_->columns.find(query.columns[i]);
      row.values.push_back(value_at(rows, static_cast<int>(i) + 3, found != impl_->columns.end() && found->second));
    }
    take(row);
  }
}

} // namespace orrery
