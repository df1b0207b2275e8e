// The few calls of SQLite that the store of a sweep makes; failures become UserError with the file's name.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

struct sqlite3;
struct sqlite3_stmt;

namespace orrery::sqlite {

class Statement {
public:
  Statement(sqlite3* database, std::string path, const std::string& sql);

  void bind(int index, std::int64_t value);
  void bind(int index, double value);
  void bind(int index, const std::string& value);
  /// Whether there is a row.
  bool step();
  /// Ready for another run, with nothing bound.
  void reset();

  [[nodiscard]] sqlite3_stmt* get() const { return statement_.get(); }
  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::string text(int column) const;

private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  std::string path_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

/// A connection. Until `keep_wal` is set to false, closing it leaves the file as it is.
class Database {
public:
  explicit Database(std::string path);

  [[nodiscard]] Statement prepare(const std::string& sql) const { return {database_.get(), path_, sql}; }
  void execute(const std::string& sql) const;
  void keep_wal(bool keep) const;
  [[nodiscard]] const std::string& path() const { return path_; }

private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  std::string path_;
  std::unique_ptr<sqlite3, Close> database_;
};

/// A name as SQL writes it.
std::string quoted(const std::string& name);

} // namespace orrery::sqlite
