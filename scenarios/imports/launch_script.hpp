// Reads what a launch script would start: the words of one command line, with the script's own variables put in.
//
// A reader, not a shell: assignments, arrays, quotes, comments, continued lines, $NAME, ${NAME[@]}, ${NAME:-default} and $((arithmetic))
// are understood. Nothing is executed. A variable that the text does not set, and the output of a command, stay in the words as they were
// written. Branches and loops are not evaluated: what they assign is taken in the order of the text, and said in `notes`.
#pragma once

#include "scenarios/imports/launch_arithmetic.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace orrery {

struct LaunchCommand {
  std::vector<std::string> words;
  ShellVariables variables;       ///< as they stand at the command
  std::vector<std::string> notes; ///< what the reader could not follow
};

/// The last command that has the word `option`, or the word behind it in a quoted command ("srun bash -c '...'"). Its words are empty where
/// there is none.
LaunchCommand launch_command(std::string_view text, std::string_view option);

} // namespace orrery
