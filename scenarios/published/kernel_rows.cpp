#include "scenarios/published/kernel_rows.hpp"

#include "scenarios/data_files.hpp"
#include "workloads/expert_tiles.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>

namespace orrery {

Operator kernel_matmul(Precision precision, Matmul shape) {
  return {.name = "product", .op_class = OpClass::gemm, .precision = precision, .shape = shape};
}

Operator kernel_pass(OpClass op_class, double read, double written, int kernels) {
  return {.name = "pass",
          .op_class = op_class,
          .precision = Precision::bf16,
          .shape = Streaming{.read = Bytes{read}, .written = Bytes{written}},
          .kernels = kernels};
}

Operator kernel_attention(Precision precision, FusedAttention shape) {
  return {.name = "attention", .op_class = OpClass::attention, .precision = precision, .shape = shape};
}

Operator kernel_collective(CollectiveKind kind, double bytes) {
  return {.name = "collective", .op_class = OpClass::communication, .shape = Collective{.kind = kind, .bytes = Bytes{bytes}}};
}

std::vector<Operator> kernel_experts(Precision precision, bool narrow, GroupedMatmul up, double tokens, double intermediate, double slots,
                                     double others) {
  constexpr double half = 2;
  const double hidden = up.k;
  GroupedMatmul down = up;
  down.n = hidden;
  down.k = intermediate;
  for (GroupedMatmul* product : {&up, &down})
    product->idle = idle_tiles(up.tile, tokens, others, slots - up.rows, product->n);
  std::vector<Operator> list{kernel_pass(OpClass::elementwise, 0, 0, 2)};
  const OpClass cast = up.block_scaled ? OpClass::block_cast : OpClass::cast;
  if (narrow)
    for (const double operand : {tokens * hidden, slots * intermediate})
      list.push_back(kernel_pass(cast, half * operand, element_bytes(precision) * operand));
  list.push_back({.name = "up", .op_class = OpClass::gemm, .precision = precision, .shape = up});
  list.push_back(kernel_pass(OpClass::elementwise, half * 2 * slots * intermediate, half * slots * intermediate));
  list.push_back({.name = "down", .op_class = OpClass::gemm, .precision = precision, .shape = down});
  list.push_back(kernel_pass(OpClass::elementwise, half * slots * hidden, half * tokens * hidden));
  return list;
}

std::string catalogue_device(std::string_view published) {
  std::string name;
  for (const char c : published)
    name += c == '_' || c == ' ' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  static const std::map<std::string, std::string> known{{"a100", "a100-sxm-80gb"},
                                                        {"a100-sxm", "a100-sxm-80gb"},
                                                        {"a100-dgx", "a100-sxm-80gb"},
                                                        {"h100", "h100-sxm-80gb"},
                                                        {"h100-sxm", "h100-sxm-80gb"},
                                                        {"h100-dgx", "h100-sxm-80gb"},
                                                        {"h100-pcie", "h100-pcie-80gb"},
                                                        {"h200", "h200-sxm"},
                                                        {"b200", "b200-sxm"},
                                                        {"b300", "b300-sxm"},
                                                        {"v100", "v100-sxm2-32gb"},
                                                        {"gb200-sxm", "gb200"},
                                                        {"gb300-sxm", "gb300"},
                                                        {"rtxpro6000", "rtx-pro-6000-blackwell"}};
  const auto found = known.find(name);
  return found == known.end() ? name : found->second;
}

std::map<std::string, std::string> read_tables(const std::string& folder) {
  if (!std::filesystem::is_directory(folder)) {
    Diagnostics diagnostics;
    diagnostics.add({.file = folder, .message = "is not a folder", .allowed = "a folder with tables of kernel measurements"});
    diagnostics.throw_if_any();
  }
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".csv")
      paths.push_back(entry.path());
  std::ranges::sort(paths);
  std::map<std::string, std::string> files;
  for (const auto& path : paths)
    files[path.filename().string()] = read_text_file(path.string());
  return files;
}

KernelRows read_kernel_rows(const std::string& folder, Diagnostics& diagnostics) {
  const std::map<std::string, std::string> files = read_tables(folder);
  KernelRows rows;
  if (files.contains("devices.csv")) {
    const KernelTables tables = parse_kernel_tables(files, diagnostics);
    if (diagnostics.empty())
      add_own_tables(tables, rows);
    return rows;
  }
  for (const auto& [name, text] : files)
    if (const CsvTable table = parse_csv(text, name, {}, diagnostics); !add_published(table, name, rows, diagnostics))
      rows.unread.push_back(name);
  return rows;
}

} // namespace orrery
