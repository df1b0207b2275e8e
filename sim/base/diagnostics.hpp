// What is wrong with a user's input: all mistakes of a file at once, each with its place, what was found, what is allowed and what may have
// been meant.
#pragma once

#include <exception>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

/// A place in the user's input. Line and column count from 1; line 0 = a place without lines, such as the command line.
struct Location {
  std::shared_ptr<const std::string> file;
  int line = 0;
  int column = 0;

  [[nodiscard]] std::string_view file_name() const { return file ? std::string_view(*file) : std::string_view(); }
};

/// One mistake. Empty parts are left out when it is shown.
struct Diagnostic {
  std::string file = {};
  int line = 0;
  int column = 0;
  std::string path = {};       ///< dotted key path: "cluster.node.devices"
  std::string message = {};    ///< what was found
  std::string allowed = {};    ///< what could stand there
  std::string suggestion = {}; ///< "did you mean 'tp'?", "write '700 W'"

  /// file:line:column: path: message; allowed: ...; suggestion
  [[nodiscard]] std::string render() const;
};

/// Collects mistakes.
class Diagnostics {
public:
  void add(Diagnostic diagnostic) { all_.push_back(std::move(diagnostic)); }
  void add(const Location& where, std::string path, std::string message, std::string allowed = {}, std::string suggestion = {});
  void append(const Diagnostics& other);

  [[nodiscard]] bool empty() const { return all_.empty(); }
  [[nodiscard]] std::size_t size() const { return all_.size(); }
  /// Files in the order in which they were first found at fault; within a file by place.
  [[nodiscard]] std::vector<Diagnostic> in_order() const;
  /// One line per mistake.
  [[nodiscard]] std::string render() const;
  /// Throws UserError where there is at least one.
  void throw_if_any() const;

private:
  std::vector<Diagnostic> all_;
};

/// The input is wrong (exit status 2 of the command line).
class UserError : public std::exception {
public:
  explicit UserError(Diagnostics diagnostics);
  /// For a mistake that has no place in a file.
  explicit UserError(std::string message);
  [[nodiscard]] const Diagnostics& diagnostics() const { return diagnostics_; }
  [[nodiscard]] const char* what() const noexcept override { return text_.c_str(); }

private:
  Diagnostics diagnostics_;
  std::string text_;
};

/// The candidate most like `name` (edit distance with transpositions, case differences nearly free); empty where none is alike.
std::string closest(std::string_view name, std::span<const std::string> candidates);

/// "did you mean 'x'?", or nothing where no candidate is alike.
std::string did_you_mean(std::string_view name, std::span<const std::string> candidates);
/// The same with "; " before it, to stand behind a message.
std::string or_did_you_mean(std::string_view name, std::span<const std::string> candidates);

/// `text` as shown in a message: quoted, cut where long, control characters replaced.
std::string shown(std::string_view text);

} // namespace orrery
