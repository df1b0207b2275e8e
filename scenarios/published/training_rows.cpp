#include "scenarios/published/training_rows.hpp"

#include "scenarios/published/training_row_cells.hpp"

#include <array>

namespace orrery {

namespace {

constexpr std::array training_columns = {"id",
                                         "group",
                                         "accelerator",
                                         "devices",
                                         "devices_per_node",
                                         "intra_node_link",
                                         "inter_node_link",
                                         "framework",
                                         "model",
                                         "layers",
                                         "hidden",
                                         "ffn_hidden",
                                         "ffn_kind",
                                         "heads",
                                         "kv_heads",
                                         "head_dim",
                                         "vocab",
                                         "seq_len",
                                         "experts",
                                         "topk",
                                         "moe_ffn_hidden",
                                         "shared_experts",
                                         "dense_layers",
                                         "precision",
                                         "global_batch",
                                         "micro_batch",
                                         "tp",
                                         "sp",
                                         "pp",
                                         "vpp",
                                         "cp",
                                         "ep",
                                         "etp",
                                         "dp",
                                         "zero_stage",
                                         "fsdp_shard",
                                         "recompute",
                                         "offload",
                                         "flash_attention",
                                         "overlap_dp",
                                         "overlap_tp",
                                         "overlap_pp",
                                         "pp_schedule",
                                         "step_time_s",
                                         "mem_gb_per_gpu",
                                         "quality",
                                         "notes"};

} // namespace

std::vector<TrainingRow> training_rows(const CsvTable& table, const std::string& file_name) {
  std::vector<TrainingRow> rows;
  read_rows(table, file_name, training_columns, [&](const Cells& cells) {
    if (cells.text("quality") == "C" || cells.number("step_time_s") <= 0)
      return;
    TrainingRow& row = rows.emplace_back();
    row.group = cells.text("group");
    row.id = cells.text("id");
    row.measured = cells.number("step_time_s");
    if (cells.given("mem_gb_per_gpu"))
      row.memory = Bytes{cells.number("mem_gb_per_gpu") * 1e9};
    if (cells.count("devices") < 1)
      row.refusal = "devices is not stated";
    else if (find_machine(cells, row)) {
      find_software(cells, row);
      if (find_job(cells, row))
        find_plans(cells, row);
    }
  });
  return rows;
}

} // namespace orrery
