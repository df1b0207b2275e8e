// Tiles of the fused experts' kernel (Triton) where nobody tuned them for the shape.
//
// What:    rows and columns of the result that one program of the kernel computes.
// Formula: by_experts: 64 x 64, and 16 x 32 where no more tokens enter the layer than the rank holds experts; operands with scales by
//          block 64 x 128 whatever the tokens. by_tokens: with such operands 16 x 128 up to 64 tokens, 64 x 128 above; others suit their
//          rows.
// Source:  vLLM, get_default_config of vllm/model_executor/layers/fused_moe/fused_moe.py: by_experts to 0.14, by_tokens in 0.19.
//          AIConfigurator's tables show the steps: on A100 (0.14) at tokens = experts held, where time grows 1.4 to 1.5 times while
//          weights are read all the same; on B200 (0.19) with scales by block at 64 tokens, 1.6 to 2.1 times; on H100 both hide behind
//          the reading of weights.
// Units:   rows, columns.
// Valid:   operands multiplied as they are kept, by Triton.
// Error:   which shapes vLLM ships tuned tiles for goes by device and release. Assumed: for experts split by tensor parallelism, not for
//          whole ones of expert parallelism. Of those that are split, its tables show tuned tiles on A100 for 8 experts of 1792 columns and
//          more and 128 of 192 alone, on B200 with scales by block for 7 of 24 shapes.
#pragma once

#include "workloads/graph.hpp"
#include "workloads/software.hpp"

namespace orrery {

/// `tokens` enter a layer of which the rank holds `held` experts.
ExpertTile default_tile(ExpertTiles rule, bool block_scaled, double tokens, double held);

/// Tiles that a product of n columns starts for `experts` of other ranks, with `rows` rows together, where `tokens` enter the layer. Those
/// of tuned shapes are taken to be as large as by_tokens makes them: 16 rows up to 32 tokens, 32 to 96, 64 to 512, then 128; 64 columns up
/// to 64 tokens, then 128.
IdleTiles idle_tiles(ExpertTile tile, double tokens, double experts, double rows, double n);

} // namespace orrery
