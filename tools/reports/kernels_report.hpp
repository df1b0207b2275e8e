// The answer of `orrery validate kernels`.
#pragma once

#include "scenarios/published/validate_kernels.hpp"
#include "tools/reports/text.hpp"

#include <iosfwd>
#include <string>

namespace orrery {

/// A line per device, kind and precision, then why rows are left out.
std::string kernels_text(const KernelValidation& validation, const Style& style);

/// A line per measured row.
void write_kernel_rows(std::ostream& out, const KernelValidation& validation);

} // namespace orrery
