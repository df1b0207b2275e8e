// Validated descriptions of machines. Plain values: loaded from hardware/catalogue/*.yaml (hardware/catalogue.hpp) or inline from a
// scenario.
#pragma once

#include "sim/base/units.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace orrery {

enum class Precision { fp64, fp32, tf32, bf16, fp16, fp8, int8, fp4 };

/// Bytes of one element as stored (tf32 is stored as fp32; fp4 as half a byte, scales excluded).
double element_bytes(Precision precision);

/// Where a catalogue figure comes from.
enum class SourceKind { datasheet, paper, measured, derived, assumed };

struct Provenance {
  std::string figure; ///< dotted path inside the description, e.g. "memory.hbm.bandwidth"; "*" covers what no other entry names
  SourceKind kind = SourceKind::assumed;
  std::string reference;
};

enum class UnitKind { matrix, vector, pim, cpu };

/// One kind of arithmetic unit of a device. An operator runs on the unit that ends it first (models/dispatch.hpp).
struct ComputeUnit {
  std::string name;
  UnitKind kind = UnitKind::matrix;
  std::map<Precision, FlopsPerSecond> peak; ///< dense peak by precision
  std::string memory;                       ///< name of the tier whose bandwidth it sees
  std::optional<BytesPerSecond> bandwidth;  ///< own path to that tier where it differs from the tier's (PIM banks)
  JoulesPerFlop energy;                     ///< dynamic energy per FLOP at nominal clock, of the widest supported half-precision mode
};

/// One memory tier: SRAM, HBM, DRAM inside PIM, host, CXL, NVMe.
struct MemoryTier {
  std::string name;
  Bytes capacity;
  BytesPerSecond bandwidth; ///< seen by the device's own units; reading where the two directions differ
  JoulesPerByte energy;
  std::vector<Provenance> sources = {}; ///< of a tier that stands alone in the catalogue; inside a device the device has them
};

/// One accelerator (or package): the unit that a rank is placed on.
struct Device {
  std::string name;
  std::string vendor;
  std::string architecture; ///< key of the calibration curves: "ampere", "hopper", "blackwell", "volta", "cdna3", ...
  int year = 0;
  std::vector<ComputeUnit> units;
  std::vector<MemoryTier> memory; ///< the first tier is the one that tensors live in
  int multiprocessors = 0;        ///< SMs, CUs or cores over which work is tiled; 0 = unknown
  Bytes cache;                    ///< last-level on-chip cache
  std::optional<Hertz> max_clock;
  std::optional<Watts> power_cap; ///< TDP
  std::optional<Watts> idle_power;
  std::optional<Watts> active_power;                ///< with work resident but every unit waiting: clocks up, memory on
  std::optional<BytesPerSecond> scale_up_bandwidth; ///< per direction, all links of the device together
  std::string scale_up_link;                        ///< name in the link catalogue
  std::string host_link;                            ///< name in the link catalogue
  std::optional<Dollars> price;
  std::vector<Provenance> sources;
};

/// A cable or bus. Bandwidth is per direction and per device or port.
struct Link {
  std::string name;
  BytesPerSecond bandwidth;
  Seconds latency;
  JoulesPerByte energy;
  std::vector<Provenance> sources;
};

enum class ScaleUpKind {
  switched, ///< every device reaches every other at its full rate (NVSwitch, UB)
  mesh,     ///< point-to-point links between all pairs: a pair gets bandwidth / (devices - 1)
  pcie,     ///< a tree under the host: all devices of the node share its root
  torus,    ///< links to the neighbours in the fabric's torus, no others
  none      ///< a device reaches others over its NIC only, or there are none
};

/// Devices that reach each other without a NIC.
struct ScaleUp {
  ScaleUpKind kind = ScaleUpKind::switched;
  int domain = 0;           ///< devices in the domain; 0 = the devices of one node. May span nodes (GB200 NVL72: 72).
  BytesPerSecond bandwidth; ///< per device and direction, all its links together
  Seconds latency;          ///< one hop
  bool in_switch_reduction = false;
  BytesPerSecond root_bandwidth = {}; ///< what a pcie tree or the host shares between the devices of a node, every byte counted once
};

/// Network interfaces of a node. `count` may be smaller than the number of devices: then neighbours share one.
struct Nics {
  int count = 0;
  BytesPerSecond bandwidth; ///< per NIC and direction
  Seconds latency;          ///< device to device over one switch, excluding further hops
};

struct Host {
  MemoryTier memory;
  FlopsPerSecond cpu_peak;
  BytesPerSecond device_link; ///< host to one device, per direction
  Watts power;                ///< CPU, DRAM, boards, under load
};

/// A server (or a tray of a rack-scale system).
struct NodeType {
  std::string name;
  Device device;
  int devices = 8;
  ScaleUp scale_up;
  Nics nics;
  Host host;
  double fan_share = 0.0; ///< fans as a share of the node's DC power
  double power_supply_efficiency = 1.0;
  std::optional<Watts> max_power;
  std::optional<Dollars> price;
  std::vector<Provenance> sources;
};

enum class FabricKind { single_node, rail_fat_tree, fat_tree, torus };

struct Fabric {
  FabricKind kind = FabricKind::rail_fat_tree;
  double oversubscription = 1.0; ///< leaf down-bandwidth / up-bandwidth
  int nodes_per_leaf = 32;       ///< nodes under one leaf group (one leaf per rail, or one leaf in a plain fat tree)
  int spines = 0;                ///< 0 = as many as the up-bandwidth asks for at NIC rate
  std::vector<int> torus;        ///< devices per dimension; product = all devices
  Seconds hop_latency{0.6e-6};   ///< one switch and its cable; assumed where not given: an InfiniBand HDR switch
};

struct Cluster {
  std::string name;
  NodeType node;
  int nodes = 1;
  Fabric fabric;
  double pue = 1.0; ///< facility power / IT power
  DollarsPerJoule electricity_price;
  Seconds depreciation; ///< straight line over this time
  std::vector<Provenance> sources;

  [[nodiscard]] int devices() const { return nodes * node.devices; }
};

} // namespace orrery
