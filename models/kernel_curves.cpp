#include "models/kernel_curves.hpp"

#include "hardware/words.hpp"
#include "sim/base/params.hpp"
#include "workloads/tables.hpp"

namespace orrery {

namespace {

/// An architecture with its name, as the file lists them.
struct Named {
  std::string name;
  ArchitectureCurves curves;
};

/// A device with its rates.
struct NamedRates {
  std::string name;
  DeviceRates rates;
};

struct CurvesFile {
  std::vector<Named> architectures;
  std::vector<NamedRates> devices;
  NetworkCurve network;
};

const Choices<OpClass>& streaming_words() {
  static const Choices<OpClass> words{{"softmax", OpClass::softmax},
                                      {"normalization", OpClass::normalization},
                                      {"elementwise", OpClass::elementwise},
                                      {"embedding", OpClass::embedding},
                                      {"loss", OpClass::loss},
                                      {"optimizer", OpClass::optimizer},
                                      {"cast", OpClass::cast},
                                      {"block_cast", OpClass::block_cast}};
  return words;
}

NumberOptions share(std::string help) { return {.above = 0, .max = 1, .help = std::move(help)}; }

const Table<MatmulCurve>& matmul_table() {
  using C = MatmulCurve;
  static const Choices<TileChoice> tiles{{"best", TileChoice::best}, {"by_rows", TileChoice::by_rows}};
  static const Table<C> table = Table<C>("matmul curve", "Achievable time of matrix products.")
                                    .choice("tiles", &C::tiles, tiles, {.help = "how a product gets its tiles"})
                                    .number("rate", &C::rate, share("share of the peak in the main loop of the largest tile"))
                                    .number("tile_overhead", &C::tile_overhead, {.help = "start and end of a tile, in elements of k"})
                                    .number("edge", &C::edge, {.help = "loss of a small tile"})
                                    .number("sustained", &C::sustained, {.help = "loss of rate for each tenfold of work beyond 300 GFLOP"})
                                    .number("memory", &C::memory, share("share of the memory bandwidth"))
                                    .number("exposed", &C::exposed, {.help = "how badly compute and memory time hide each other"})
                                    .quantity("floor", &C::floor, {.help = "added to every kernel"})
                                    .count("largest_flops", &C::largest_flops, {.help = "largest product that was fitted"})
                                    .flag("assumed", &C::assumed);
  return table;
}

const Table<CacheReading>& cache_table() {
  using C = CacheReading;
  static const Table<C> table =
      Table<C>("reading of a KV cache", "How attention of few queries reads what is kept.")
          .number("memory", &C::memory, share("share of the memory bandwidth"))
          .quantity("start", &C::start, {.help = "of a block on its multiprocessor"})
          .number("exposed", &C::exposed, {.help = "how badly reading and starts hide each other"})
          .number("rate", &C::rate, {.help = "rate of arithmetic, over that of prompts"})
          .number("repeated", &C::repeated, {.help = "share of the reading that each further tile of queries repeats"});
  return table;
}

const Table<AttentionCurve>& attention_table() {
  using C = AttentionCurve;
  static const Choices<AttentionKernel> kernels{{"flash1", AttentionKernel::flash1},
                                                {"triton", AttentionKernel::triton},
                                                {"flash", AttentionKernel::flash},
                                                {"flash3", AttentionKernel::flash3}};
  static const Table<C> table =
      Table<C>("attention curve", "Achievable time of fused attention.")
          .choice("kernel", &C::kernel, kernels, {.help = "generation that was measured"})
          .number("rate", &C::rate, share("share of the matrix peak in the main loop, softmax apart"))
          .number("softmax", &C::softmax, {.help = "time of the softmax of one score, in elements of the head dimension"})
          .number("block_overhead", &C::block_overhead, {.help = "start and end of a block of queries, in keys"})
          .number("tail", &C::tail, {.max = 1, .help = "idle end of a kernel of uneven blocks, in its longest block"})
          .number("backward_rate", &C::backward_rate, share("backward over forward FLOP rate"))
          .number("memory", &C::memory, share("share of the memory bandwidth"))
          .quantity("floor", &C::floor, {.help = "added to every kernel"})
          .object("cache", &C::cache, cache_table(), {.help = "with few queries"})
          .object("narrow_cache", &C::narrow_cache, cache_table(), {.help = "with few queries and a cache in fewer bits"})
          .quantity("decode_floor", &C::decode_floor, {.help = "added to every kernel with few queries"})
          .quantity("fill", &C::fill, {.help = "lost by their reading before the memory's full rate"})
          .count("largest_keys", &C::largest_keys, {.help = "longest sequence that was fitted"})
          .flag("assumed", &C::assumed);
  return table;
}

const Table<StreamingCurve>& streaming_table() {
  using C = StreamingCurve;
  static const Table<C> table = Table<C>("streaming curve", "Achievable time of operators that pass over their operands once.")
                                    .number("memory", &C::memory, share("share of the memory bandwidth"))
                                    .quantity("floor", &C::floor, {.help = "added to every kernel"})
                                    .flag("assumed", &C::assumed);
  return table;
}

const Table<IdleTileCurve>& idle_table() {
  using C = IdleTileCurve;
  static const Table<C> table = Table<C>("idle tile curve", "Time of tiles of an experts' kernel over rows of other ranks.")
                                    .quantity("small", &C::small, {.help = "of the whole device for each of fewer than 64 rows"})
                                    .quantity("large", &C::large, {.help = "the same of more"})
                                    .number("memory", &C::memory, share("share of the memory bandwidth at which they write zeros"))
                                    .flag("assumed", &C::assumed);
  return table;
}

const Table<ScanCurve>& scan_table() {
  using C = ScanCurve;
  static const Table<C> table = Table<C>("scan curve", "Achievable time of scans of a state along sequences.")
                                    .number("rate", &C::rate, share("share of a multiprocessor's matrix peak along a chain"))
                                    .quantity("start", &C::start, {.help = "of a wave of chains"})
                                    .quantity("floor", &C::floor, {.help = "added to every kernel"})
                                    .flag("assumed", &C::assumed);
  return table;
}

const Table<CollectiveCurve>& collective_table() {
  using C = CollectiveCurve;
  static const Table<C> table = Table<C>("collective curve", "Achievable time of a collective inside a scale-up domain.")
                                    .quantity("floor", &C::floor, {.help = "of two ranks"})
                                    .quantity("floor_per_rank", &C::floor_per_rank, {.help = "each further rank"})
                                    .quantity("step", &C::step, {.help = "start-up of one pipelined piece on one hop"})
                                    .number("share", &C::share, share("share of the wire rate"))
                                    .number("few_loss", &C::few_loss, {.max = 1, .help = "n ranks reach share x (1 - few_loss / n)"})
                                    .flag("assumed", &C::assumed);
  return table;
}

const Table<ArchitectureCurves>& architecture_table() {
  using C = ArchitectureCurves;
  static const Table<C> table =
      Table<C>("architecture curves", "Everything known of one architecture.")
          .object_map("matmul", &C::matmul, precision_words(), matmul_table())
          .object_map("serving_matmul", &C::serving_matmul, precision_words(), matmul_table())
          .object_map("fused_moe", &C::fused_moe, precision_words(), matmul_table())
          .object_map("fused_moe_blocks", &C::fused_moe_blocks, precision_words(), matmul_table())
          .object_map("fused_moe_widened", &C::fused_moe_widened, precision_words(), matmul_table())
          .object("idle_tiles", &C::idle_tiles, idle_table(), {.help = "tiles of experts' kernels over rows of other ranks"})
          .object_map("attention", &C::attention, precision_words(), attention_table())
          .object_map("latent_attention", &C::latent_attention, precision_words(), attention_table())
          .object_map("streaming", &C::streaming, streaming_words(), streaming_table())
          .object_map("scalar_streaming", &C::scalar_streaming, streaming_words(), streaming_table())
          .object("scan", &C::scan, scan_table(), {.help = "states that run along sequences"})
          .object_map("collective", &C::collective, collective_words(), collective_table())
          .object("in_switch", &C::in_switch, collective_table(), {.help = "all-reduce in the switch"})
          .object("one_shot", &C::one_shot, collective_table(), {.help = "all-reduce by reading all buffers"})
          .object("two_shot", &C::two_shot, collective_table(), {.help = "all-reduce by parts"})
          .object("exchange", &C::exchange, collective_table(), {.help = "tokens to their experts or back"})
          .object("exchange_low_latency", &C::exchange_low_latency, collective_table(), {.help = "the same of few tokens"})
          .object("send", &C::send, collective_table(), {.help = "point to point"});
  return table;
}

const Table<NetworkCurve>& network_table() {
  using C = NetworkCurve;
  static const Table<C> table = Table<C>("network curve", "Achievable time between scale-up domains.")
                                    .number("share", &C::share, share("share of the NIC rate, collectives"))
                                    .number("send_share", &C::send_share, share("share of the NIC rate, one message"))
                                    .quantity("floor", &C::floor, {.help = "software and copies"})
                                    .quantity("step", &C::step, {.help = "each hop of a ring or tree, beyond wires and switches"})
                                    .flag("assumed", &C::assumed);
  return table;
}

const Table<DeviceRates>& rates_table() {
  using C = DeviceRates;
  static const Table<C> table = Table<C>("device rates", "Arithmetic of a device over what the curves of its architecture stand for.")
                                    .number("half", &C::half, {.above = 0, .help = "in 16 bits and more"})
                                    .number("narrow", &C::narrow, {.above = 0, .help = "in fewer bits"});
  return table;
}

const Table<CurvesFile>& file_table() {
  static const Table<Named> named = Table<Named>("architecture", "Curves of one architecture.")
                                        .text("name", &Named::name, {.required = true, .help = "as in Device::architecture"})
                                        .object("curves", &Named::curves, architecture_table(), {.required = true});
  static const Table<NamedRates> device = Table<NamedRates>("device", "What searches found on one device.")
                                              .text("name", &NamedRates::name, {.required = true, .help = "as in Device::name"})
                                              .object("rates", &NamedRates::rates, rates_table(), {.required = true});
  static const Table<CurvesFile> table = Table<CurvesFile>("curves", "Constants of the achievable-time models.")
                                             .list("architectures", &CurvesFile::architectures, named, {.required = true})
                                             .list("devices", &CurvesFile::devices, device)
                                             .object("network", &CurvesFile::network, network_table());
  return table;
}

} // namespace

Calibration read_calibration(const yaml::Node& node, Diagnostics& diagnostics) {
  CurvesFile file = file_table().read(node, diagnostics);
  Calibration calibration;
  calibration.network = file.network;
  for (Named& named : file.architectures)
    calibration.architectures[named.name] = std::move(named.curves);
  for (NamedRates& named : file.devices)
    calibration.devices[named.name] = named.rates;
  return calibration;
}

yaml::Node write_calibration(const Calibration& calibration) {
  CurvesFile file;
  file.network = calibration.network;
  for (const auto& [name, curves] : calibration.architectures)
    file.architectures.push_back({name, curves});
  for (const auto& [name, rates] : calibration.devices)
    file.devices.push_back({name, rates});
  return file_table().write(file);
}

} // namespace orrery
