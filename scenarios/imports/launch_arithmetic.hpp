// Variables of a launch script, and the whole-number arithmetic of $((...)) over them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

/// An array has several words.
using ShellVariables = std::map<std::string, std::vector<std::string>>;

/// Characters of the names of variables.
bool is_name_start(char c);
bool is_name_part(char c);

std::string joined_words(const std::vector<std::string>& words);

/// Sums, products, quotients and remainders of numbers and variables, in parentheses or not; nothing where `text` is not that, overflows or
/// divides by what is not positive.
std::optional<long long> shell_arithmetic(std::string_view text, const ShellVariables& variables);

} // namespace orrery
