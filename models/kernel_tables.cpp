#include "models/kernel_tables.hpp"

#include "sim/base/csv.hpp"
#include "workloads/tables.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <memory>

namespace orrery {

namespace {

/// One file while it is read.
class Reader {
public:
  Reader(const std::map<std::string, std::string>& files, std::string name, const std::vector<std::string>& columns,
         Diagnostics& diagnostics)
      : name_(std::move(name)), diagnostics_(diagnostics) {
    if (const auto it = files.find(name_); it != files.end())
      table_ = parse_csv(it->second, name_, columns, diagnostics_);
    else
      diagnostics_.add(Diagnostic{.file = name_, .message = "the table is missing"});
  }
  [[nodiscard]] std::size_t rows() const { return table_.rows.size(); }
  [[nodiscard]] const std::string& text(std::size_t row, std::size_t column) const { return table_.rows[row][column]; }
  double number(std::size_t row, std::size_t column) { return csv_number(table_, row, column, name_, diagnostics_); }
  double positive(std::size_t row, std::size_t column) {
    const double value = number(row, column);
    if (value > 0)
      return value;
    complain(row, column, "a number above 0");
    return 1;
  }
  void complain(std::size_t row, std::size_t column, std::string allowed) {
    diagnostics_.add(Location{std::make_shared<const std::string>(name_), static_cast<int>(row) + 2, 1}, table_.columns[column],
                     "found " + shown(text(row, column)), std::move(allowed));
  }
  Precision precision(std::size_t row, std::size_t column) {
    static const std::map<std::string, Precision> names{
        {"bf16", Precision::bf16}, {"fp16", Precision::fp16}, {"fp8", Precision::fp8}, {"fp4", Precision::fp4}};
    if (const auto it = names.find(text(row, column)); it != names.end())
      return it->second;
    complain(row, column, "bf16, fp16, fp8, fp4");
    return Precision::bf16;
  }

private:
  std::string name_;
  Diagnostics& diagnostics_;
  CsvTable table_;
};

constexpr double micro = 1e-6;

/// Half of all shapes, whatever the order of the rows.
template <std::size_t N> bool upper_half(const std::array<double, N>& values) {
  std::uint64_t hash = 1469598103934665603u;
  for (const double value : values) {
    hash ^= static_cast<std::uint64_t>(value);
    hash *= 1099511628211u;
    hash ^= hash >> 29;
  }
  return ((hash ^ (hash >> 17)) & 1) != 0;
}

void read_devices(Reader file, KernelTables& tables) {
  for (std::size_t i = 0; i < file.rows(); ++i) {
    MeasuredDevice device;
    device.name = file.text(i, 0);
    device.architecture = file.text(i, 1);
    device.half_peak = 1e12 * file.positive(i, 2);
    device.fp8_peak = 1e12 * file.number(i, 3);
    device.fp4_peak = 1e12 * file.number(i, 4);
    device.vector_peak = 1e12 * file.positive(i, 5);
    device.bandwidth = 1e9 * file.positive(i, 6);
    device.cache = 1e6 * file.positive(i, 7);
    device.multiprocessors = static_cast<int>(file.positive(i, 8));
    device.scale_up = 1e9 * file.positive(i, 9);
    device.in_switch_reduction = file.number(i, 10) != 0;
    device.mesh = file.number(i, 11) != 0;
    tables.devices[device.name] = device;
  }
}

bool known_device(Reader& file, std::size_t row, const KernelTables& tables) {
  if (tables.devices.contains(file.text(row, 1)))
    return true;
  file.complain(row, 1, "a device of devices.csv");
  return false;
}

void read_matmul(Reader file, KernelTables& tables) {
  for (std::size_t i = 0; i < file.rows(); ++i)
    if (known_device(file, i, tables))
      tables.matmul.push_back({file.text(i, 0), file.text(i, 1), file.precision(i, 2),
                               Matmul{file.positive(i, 3), file.positive(i, 4), file.positive(i, 5), file.positive(i, 6)},
                               micro * file.positive(i, 7)});
}

/// Latent attention has a column more: values are narrower than keys, and part of them where they were absorbed.
std::vector<AttentionRow> read_attention(Reader file, const KernelTables& tables, bool latent) {
  std::vector<AttentionRow> rows;
  for (std::size_t i = 0; i < file.rows(); ++i) {
    if (!known_device(file, i, tables))
      continue;
    AttentionRow row;
    row.source = file.text(i, 0);
    row.device = file.text(i, 1);
    row.kernel = file.text(i, 2);
    row.precision = file.precision(i, 3);
    row.decode = file.text(i, 4).starts_with("decode");
    row.shape.kept_bytes = file.text(i, 4) == "decode_fp8_cache" ? 1 : 0;
    row.shape.backward = file.text(i, 4) == "backward";
    row.shape.batch = file.positive(i, 5);
    row.shape.queries = file.positive(i, 6);
    row.shape.keys = file.positive(i, 7);
    row.shape.heads = file.positive(i, 8);
    row.shape.kv_heads = file.positive(i, 9);
    row.shape.head_dim = file.positive(i, 10);
    row.shape.value_dim = latent ? file.positive(i, 11) : 0;
    row.shape.shared_values = latent && row.decode;
    row.time = micro * file.positive(i, latent ? 12 : 11);
    rows.push_back(row);
  }
  return rows;
}

void read_fused_moe(Reader file, KernelTables& tables) {
  for (std::size_t i = 0; i < file.rows(); ++i)
    if (known_device(file, i, tables))
      tables.fused_moe.push_back({file.text(i, 0), file.text(i, 1), file.text(i, 2), file.precision(i, 3), file.positive(i, 4),
                                  file.text(i, 5) == "balanced", file.positive(i, 6), file.positive(i, 7), file.positive(i, 8),
                                  file.positive(i, 9), file.positive(i, 10), file.positive(i, 11),
                                  ExpertTile{file.number(i, 12), file.number(i, 13)}, micro * file.positive(i, 14)});
}

void read_streaming(Reader file, KernelTables& tables) {
  for (std::size_t i = 0; i < file.rows(); ++i)
    if (known_device(file, i, tables))
      tables.streaming.push_back({file.text(i, 0), file.text(i, 1), file.text(i, 2),
                                  Streaming{Bytes{file.positive(i, 4)}, Bytes{file.positive(i, 5)}, Flops{file.number(i, 6)}},
                                  micro * file.positive(i, 7)});
}

void read_scan(Reader file, KernelTables& tables) {
  for (std::size_t i = 0; i < file.rows(); ++i)
    if (known_device(file, i, tables))
      tables.scan.push_back({file.text(i, 0), file.text(i, 1), file.text(i, 2),
                             ChunkScan{.sequences = file.positive(i, 3),
                                       .heads = file.positive(i, 4),
                                       .tokens = file.positive(i, 5),
                                       .chunk = file.positive(i, 6),
                                       .flops = file.positive(i, 7),
                                       .bytes = file.positive(i, 8)},
                             micro * file.positive(i, 9)});
}

void read_collective(Reader file, KernelTables& tables) {
  for (std::size_t i = 0; i < file.rows(); ++i)
    if (known_device(file, i, tables))
      tables.collective.push_back({file.text(i, 0), file.text(i, 1), file.text(i, 2), static_cast<int>(file.positive(i, 3)),
                                   static_cast<int>(file.positive(i, 4)), file.positive(i, 5), micro * file.positive(i, 6)});
}

void read_best_matmul(Reader file, KernelTables& tables) {
  for (std::size_t i = 0; i < file.rows(); ++i)
    tables.best_matmul.push_back({file.text(i, 1), file.text(i, 2), file.precision(i, 3),
                                  Matmul{1, file.positive(i, 4), file.positive(i, 5), file.positive(i, 6)},
                                  file.positive(i, 7) / file.positive(i, 8)});
}

} // namespace

UnitRates MeasuredDevice::rates(Precision precision) const {
  UnitRates rates;
  rates.peak = precision == Precision::fp8 ? fp8_peak : precision == Precision::fp4 ? fp4_peak : half_peak;
  rates.bandwidth = bandwidth;
  rates.multiprocessors = multiprocessors;
  rates.element = element_bytes(precision);
  return rates;
}

std::optional<CollectiveKind> CollectiveRow::collective() const {
  if (kind == "custom_all_reduce")
    return CollectiveKind::all_reduce;
  return kind.starts_with("expert_exchange") ? CollectiveKind::all_to_all : collective_of(kind);
}

KernelTables parse_kernel_tables(const std::map<std::string, std::string>& files, Diagnostics& diagnostics) {
  KernelTables tables;
  read_devices({files,
                "devices.csv",
                {"device", "architecture", "half_tflops", "fp8_tflops", "fp4_tflops", "vector_tflops", "bandwidth_gb_s", "cache_mb",
                 "multiprocessors", "scale_up_gb_s", "in_switch_reduction", "mesh"},
                diagnostics},
               tables);
  read_matmul({files, "matmul.csv", {"source", "device", "precision", "batch", "m", "n", "k", "time_us"}, diagnostics}, tables);
  std::vector<std::string> columns{"source",  "device", "kernel", "precision", "pass",     "batch",
                                   "queries", "keys",   "heads",  "kv_heads",  "head_dim", "time_us"};
  tables.attention = read_attention({files, "attention.csv", columns, diagnostics}, tables, false);
  columns.insert(columns.end() - 1, "value_dim");
  tables.latent_attention = read_attention({files, "latent_attention.csv", columns, diagnostics}, tables, true);
  read_fused_moe({files,
                  "fused_moe.csv",
                  {"source", "device", "kernel", "precision", "weight_bytes", "routing", "tokens", "rows", "slots", "groups", "hidden",
                   "intermediate", "tile_rows", "tile_columns", "time_us"},
                  diagnostics},
                 tables);
  read_streaming(
      {files, "streaming.csv", {"source", "device", "op", "precision", "bytes_read", "bytes_written", "flops", "time_us"}, diagnostics},
      tables);
  read_scan({files,
             "scan.csv",
             {"source", "device", "kernel", "sequences", "heads", "tokens", "chunk", "flops", "bytes", "time_us"},
             diagnostics},
            tables);
  read_collective({files, "collective.csv", {"source", "device", "kind", "ranks", "nodes", "bytes", "time_us"}, diagnostics}, tables);
  read_best_matmul(
      {files, "best_matmul.csv", {"source", "device", "architecture", "precision", "m", "n", "k", "tflops", "peak_tflops"}, diagnostics},
      tables);
  return tables;
}

bool held_out(const Matmul& shape) { return upper_half(std::array{shape.n, shape.k}); }

bool held_out(const FusedAttention& shape) {
  return upper_half(std::array{shape.batch, shape.queries, shape.keys, shape.heads, shape.kv_heads, shape.head_dim});
}

bool held_out(const FusedMoeRow& row) { return upper_half(std::array{row.rows, row.groups, row.hidden, row.intermediate}); }

bool held_out(const Streaming& shape) { return upper_half(std::array{shape.read.si(), shape.written.si()}); }

bool held_out(const ChunkScan& shape) { return upper_half(std::array{shape.sequences, shape.heads, shape.tokens}); }

bool held_out(const CollectiveRow& row) { return upper_half(std::array{static_cast<double>(row.ranks), row.bytes}); }

} // namespace orrery
