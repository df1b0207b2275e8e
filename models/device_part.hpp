// Some of a device's multiprocessors as a device of its own: prefill and decode side by side on one GPU.
//
// What:    peaks and memory bandwidth that a share of the multiprocessors reaches while another part works beside it.
// Formula: peaks x share; bandwidth x min(1, share / saturating_share) x (1 - what the other part takes of it).
// Source:  semi-PD (arXiv 2504.19867) and Nexus (arXiv 2507.06608) for the form: compute grows with the share, bandwidth saturates early.
// Units:   shares of one device.
// Valid:   partitions by whole multiprocessors (MPS, green contexts); memory is shared.
// Error:   saturating_share is assumed: no kernel measurement of partitions is public.
#pragma once

#include "hardware/description.hpp"

namespace orrery {

/// Share of the multiprocessors that draws the whole memory bandwidth.
inline constexpr double saturating_share = 0.5;

/// `share` in (0, 1]; `taken` = share of the bandwidth that the other part takes.
Device device_part(const Device& device, double share, double taken);

} // namespace orrery
