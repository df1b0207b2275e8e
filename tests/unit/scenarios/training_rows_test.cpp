#include "scenarios/data_files.hpp"
#include "scenarios/published/row_cells.hpp"
#include "scenarios/published/training_rows.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

namespace orrery::training_rows_test {
namespace {

/// The project's row of this name, its cell of `column` replaced.
TrainingRow row_with(const std::string& id, const std::string& column, const std::string& value) {
  const std::string file = data_file("scenarios/validation/training.csv");
  CsvTable table = read_csv(file);
  const auto place = [&](const std::string& name) {
    return static_cast<std::size_t>(std::find(table.columns.begin(), table.columns.end(), name) - table.columns.begin());
  };
  const auto found = std::find_if(table.rows.begin(), table.rows.end(), [&](const auto& row) { return row[place("id")] == id; });
  REQUIRE(found != table.rows.end());
  (*found)[place(column)] = value;
  table.rows = {*found};
  table.lines.resize(1);
  return training_rows(table, file).front();
}

TEST_CASE("a vocabulary that is not stated follows from the published size", "[unit][training_rows]") {
  const auto vocabulary = [](const char* billions) {
    return row_with("zb-14.6b-1f1b-m48", "params_total_b", billions).job.model.vocabulary;
  };
  CHECK(vocabulary("14.6") == 32000);
  CHECK(vocabulary("14.8") == 51200);
  CHECK(vocabulary("") == 51200);
  CHECK(row_with("zb-14.6b-1f1b-m48", "vocab", "64000").job.model.vocabulary == 64000);
}

TEST_CASE("Megatron pads the vocabulary to 128 words on each rank", "[unit][training_rows]") {
  CHECK(row_with("modellink-aquila-7b-2k", "tp", "8").job.model.vocabulary == 100352); // 100,008 stated
  CHECK(row_with("modellink-aquila-7b-2k", "tp", "1").job.model.vocabulary == 100096);
  CHECK(row_with("titan-atp-8b-bf16-0", "vocab", "100008").job.model.vocabulary == 100008);
}

TEST_CASE("Composer's mixed precision decides where parameters are cast", "[unit][training_rows]") {
  const auto software = [](const char* notes) { return row_with("mosaic-a100-80g-1b-s2048-n8-amp_bf16-mb14", "notes", notes).software; };
  CHECK(software("MP mode DEFAULT; sharding FULL_SHARD").autocast);
  CHECK(software("MP mode DEFAULT; sharding FULL_SHARD").reduction == Precision::bf16);
  CHECK_FALSE(software("MP mode PURE; sharding FULL_SHARD").autocast);
  CHECK(software("MP mode PURE; sharding FULL_SHARD").reduction == Precision::bf16);
  CHECK(software("").reduction == Precision::fp32);
}

TEST_CASE("words of a row count whatever their case", "[unit][training_rows]") {
  const std::string id = "zb-14.6b-1f1b-m48";
  CHECK(row_with(id, "precision", "BF16").job.precision == Precision::bf16);
  CHECK(row_with(id, "precision", "mixed_fp16").job.precision == Precision::fp16);
  CHECK(row_with(id, "pp_schedule", "ZBVZeroBubble").plans.front().schedule == ScheduleKind::zb_v);
  CHECK(row_with(id, "pp_schedule", "DualPipeV").plans.front().schedule == ScheduleKind::zb_v);
  CHECK(row_with(id, "pp_schedule", "round robin").refusal == "schedule round robin is not modelled");
  CHECK(row_with(id, "framework", "MosaicML Composer").software.name == "composer-fsdp-2023");
  CHECK(row_with(id, "framework", "LEVANTER").software.name == "maxtext-gpu-2024");
  CHECK(row_with(id, "offload", "params and optimizer to CPU").plans.front().offload ==
        Offload{.parameters = Tier::host, .optimizer = Tier::host});
  CHECK(row_with(id, "ffn_kind", "GeGLU").job.model.ffn == FfnKind::gated);
}

TEST_CASE("the catalogue says of a model what the columns cannot", "[unit][training_rows]") {
  const std::string id = "bridge25.11-deepseek-v3-b200-fp8-mx-gb2048-n256";
  CHECK(row_with(id, "model", "deepseek-ai/DeepSeek-V3-671B").job.model.latent.kv_rank == 512);
  CHECK(row_with(id, "model", "of that shape").job.model.latent.kv_rank == 0);
  CHECK(row_with("titan-atp-8b-bf16-0", "heads", "").job.model.heads == 32);
  CHECK(row_with("titan-atp-8b-bf16-0", "layers", "33").job.model.layers == 33);
}

TEST_CASE("FP8 recipes are told by their scales", "[unit][training_rows]") {
  const auto recipe = [](const char* precision) { return row_with("titan-atp-8b-bf16-0", "precision", precision).job.recipe; };
  CHECK(recipe("fp8-cs") == Recipe::fp8_tensor);
  CHECK(recipe("FP8_DS") == Recipe::fp8_delayed);
  CHECK(recipe("fp8-mx") == Recipe::mxfp8);
  CHECK(recipe("fp8-sc") == Recipe::fp8_block);
  CHECK(recipe("fp8") == Recipe::fp8_tensor);
  CHECK(recipe("float8-rowwise") == Recipe::fp8_row);
  CHECK(recipe("amp_fp8") == Recipe::fp8_delayed);
  CHECK(recipe("amp_bf16") == Recipe::none);
  CHECK(row_with("titan-atp-8b-bf16-0", "precision", "amp_bf16").job.precision == Precision::bf16);
}

TEST_CASE("what is computed again is read by its published names", "[unit][training_rows]") {
  const auto plans = [](const char* id, const char* words) { return row_with(id, "recompute", words).plans; };
  const char* jax = "maxtext-a3-llama2-7b-1n";
  CHECK(plans(jax, "Full").front().recompute == Recompute::full);
  CHECK(plans(jax, "nothing_saveable").front().recompute == Recompute::full);
  CHECK(plans(jax, "minimal_flash").front().recompute_modules == std::vector{Module::norms, Module::activation});
  CHECK(plans(jax, "save_dot_except_mlpwi").front().recompute_modules ==
        std::vector{Module::norms, Module::attention, Module::ffn_up, Module::activation});
  CHECK(plans(jax, "").size() == 4); // none, all, and two between
  const char* megatron = "bridge25.11-llama3-70b-gb200-fp8-cs-gb256-n64";
  CHECK(plans(megatron, "moe_act, layernorm").front().recompute_modules == std::vector{Module::norms, Module::activation});
  CHECK(plans(megatron, "selective").front().recompute_modules == std::vector{Module::attention});
  CHECK(plans("korth-gpt-22b-seqsel", "selective").front().recompute_modules.empty());
  CHECK(plans(megatron, "full, 21 layers").front().recompute_layers == 21);
  const auto some = [](const Plan& plan) { return plan.recompute == Recompute::full && plan.recompute_layers > 0; };
  CHECK(std::ranges::any_of(plans(megatron, ""), some));
  CHECK(std::ranges::none_of(plans(jax, ""), some));
  CHECK(plans("titan-t1-8b-n8-0", "selective 2").front().recompute_layers == 16); // every second of 32 layers
  CHECK(plans("titan-t1-8b-n8-0", "SAC").front().recompute_modules.size() == 3);
}

TEST_CASE("adapters are read from what the row says besides its columns", "[unit][training_rows]") {
  const auto tuning = [](const char* notes) { return row_with("titan-atp-8b-bf16-0", "notes", notes).job.tuning; };
  CHECK(tuning("LoRA rank 32").adapter_rank == 32);
  CHECK(tuning("QLoRA, r=8").adapter_rank == 8);
  CHECK(tuning("QLoRA, r=8").frozen_weights == Packing::nf4);
  CHECK(tuning("LoRA").adapter_rank == 16);
  CHECK(tuning("full SFT").adapter_rank == 0);
}

TEST_CASE("devices that the stated degrees leave belong to the one that is not stated", "[unit][training_rows]") {
  const std::string id = "bridge25.11-llama3-70b-h100-fp8-cs-gb128-n64";
  CHECK(row_with(id, "tp", "").plans.front().tp == 4);
  CHECK(row_with(id, "pp", "").plans.front().pp == 8);
  CHECK(row_with("titan-t2-8b-cp4", "cp", "").plans.front().cp == 4);
  // 16 replicas have no room for 32 experts' ranks of TP 2 each.
  CHECK(row_with("bridge25.11-qwen3-235b-a22b-h100-fp8-cs-gb2048-n256", "etp", "").plans.front().etp == 1);
}

TEST_CASE("gated models fuse their attention and drop nothing", "[unit][training_rows]") {
  CHECK_FALSE(is_fused(row_with("vtrain-m-3.6b-t1d64p1mb8", "ffn_kind", "gelu").software.attention));
  const SoftwareProfile gated = row_with("vtrain-m-3.6b-t1d64p1mb8", "ffn_kind", "swiglu").software;
  CHECK(is_fused(gated.attention));
  CHECK_FALSE(gated.hidden_dropout);
  CHECK_FALSE(gated.attention_dropout);
}

TEST_CASE("replicas and shards that a row leaves blank follow from the rest", "[unit][training_rows]") {
  CHECK(row_with("titan-atp-8b-bf16-0", "dp", "").plans.front().dp == 8);
  CHECK(row_with("titan-atp-8b-bf16-0", "zero_stage", "").plans.front().zero == 3);
}

} // namespace
} // namespace orrery::training_rows_test
