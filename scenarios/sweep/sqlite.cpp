#include "scenarios/sweep/sqlite.hpp"

#include "sim/base/diagnostics.hpp"

#include <sqlite3.h>

namespace orrery::sqlite {

namespace {

constexpr int wait_ms = 10'000; // for a reader that holds the file

[[noreturn]] void fail(sqlite3* database, const std::string& path) {
  const int code = database == nullptr ? SQLITE_NOMEM : sqlite3_errcode(database);
  const std::string why = database == nullptr ? "out of memory" : sqlite3_errmsg(database);
  // The statements are always the same: one that does not go finds tables that are not as they were written.
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB || code == SQLITE_ERROR || code == SQLITE_CONSTRAINT)
    throw UserError(path + ": the store is damaged (" + why + "); it is left as it is; --store names another file");
  throw UserError(path + ": " + why);
}

} // namespace

Statement::Statement(sqlite3* database, std::string path, const std::string& sql) : path_(std::move(path)) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database, sql.c_str(), static_cast<int>(sql.size()) + 1, &statement, nullptr) != SQLITE_OK)
    fail(database, path_);
  statement_.reset(statement);
}

void Statement::bind(int index, std::int64_t value) { sqlite3_bind_int64(get(), index, value); }
void Statement::bind(int index, double value) { sqlite3_bind_double(get(), index, value); }
void Statement::bind(int index, const std::string& value) {
  sqlite3_bind_text(get(), index, value.data(), static_cast<int>(value.size()), SQLITE_TRANSIENT);
}

bool Statement::step() {
  const int code = sqlite3_step(get());
  if (code != SQLITE_ROW && code != SQLITE_DONE)
    fail(sqlite3_db_handle(get()), path_);
  return code == SQLITE_ROW;
}

void Statement::reset() {
  sqlite3_reset(get());
  sqlite3_clear_bindings(get());
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(get(), column); }

std::string Statement::text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(get(), column));
  return text == nullptr ? std::string() : std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(get(), column)));
}

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

Database::Database(std::string path) : path_(std::move(path)) {
  sqlite3* database = nullptr;
  const int code = sqlite3_open_v2(path_.c_str(), &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  database_.reset(database);
  if (code != SQLITE_OK)
    fail(database, path_);
  sqlite3_busy_timeout(database, wait_ms);
  keep_wal(true);
}

void Database::execute(const std::string& sql) const {
  if (sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
    fail(database_.get(), path_);
}

void Database::keep_wal(bool keep) const { sqlite3_db_config(database_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep ? 1 : 0, nullptr); }

void Database::Close::operator()(sqlite3* database) const { sqlite3_close_v2(database); }

std::string quoted(const std::string& name) {
  std::string out = "\"";
  for (const char c : name)
    out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

} // namespace orrery::sqlite
