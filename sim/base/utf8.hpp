// Which bytes are UTF-8 text.
#pragma once

#include <cstddef>
#include <string_view>

namespace orrery {

/// Length of the UTF-8 sequence that starts at `text[i]`; 0 where it is malformed, overlong, a surrogate or beyond U+10FFFF.
std::size_t utf8_length(std::string_view text, std::size_t i);

} // namespace orrery
