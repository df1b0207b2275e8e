// What a user is told.
#pragma once

#include "sim/base/diagnostics.hpp"

#include <string>

namespace orrery {

/// The message of the user error that the action ends with.
template <class Action> std::string refusal_of(const Action& action) {
  try {
    action();
  } catch (const UserError& error) {
    return error.what();
  }
  return "no refusal";
}

} // namespace orrery
