// Validated descriptions of machines. Plain values: loaded from hardware/catalogue/*.yaml (hardware/catalogue.hpp) or inline from a
// scenario.
#pragma once

#include "sim/base/units.hpp"

#include <algorithm>
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
  BytesPerSecond bandwidth;                           ///< seen by the device's own units; reading where the two directions differ
  std::optional<BytesPerSecond> write_bandwidth = {}; ///< where the two differ
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
  double half_sums = 1;           ///< rate of half-precision products that sum in half precision, over that with FP32 sums
  Bytes cache;                    ///< last-level on-chip cache
  std::optional<Hertz> max_clock;
  std::optional<Watts> power_cap;  ///< TDP
  std::optional<Watts> kernel_cap; ///< cap of the devices that its curves were measured on; unset = its own
  std::optional<Watts> idle_power;
  std::optional<Watts> active_power;                ///< with work resident but every unit waiting: clocks up, memory on
  std::optional<BytesPerSecond> scale_up_bandwidth; ///< per direction, all links of the device together
  std::string scale_up_link;                        ///< name in the link catalogue
  std::string host_link;                            ///< name in the link catalogue
  std::optional<Dollars> price;
  std::vector<Provenance> sources;

  /// What the silicon draws where nothing lowers its cap, and its kernels were measured under.
  [[nodiscard]] std::optional<Watts> rated_cap() const { return power_cap && kernel_cap ? std::max(power_cap, kernel_cap) : power_cap; }
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
  torus,    ///< links to the neighbours in the slice's torus, no others
  none      ///< a device reaches others over its NIC only, or there are none
};

/// Devices that reach each other without a NIC.
struct ScaleUp {
  ScaleUpKind kind = ScaleUpKind::switched;
  int domain = 0;           ///< devices in the domain; 0 = the devices of one node. May span nodes (GB200 NVL72: 72).
  BytesPerSecond bandwidth; ///< per device and direction, all its links together
  Seconds latency;          ///< one hop
  bool in_switch_reduction = false;
  BytesPerSecond root_bandwidth = {};   ///< what a pcie tree or the host shares between the devices of a node, every byte counted once
  int island = 0;                       ///< neighbouring devices of a mesh with faster links among them (two dies of a package); 0 = none
  BytesPerSecond island_bandwidth = {}; ///< per device and direction inside its island; `bandwidth` is then that of the links out of it
  int dimensions = 0;                   ///< of the torus that the links are made for; 0 = those of the fabric
  int ring_from = 0;                    ///< a dimension of the torus shorter than this is a line, not a ring
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
  BytesPerSecond device_link;             ///< host to one device, per direction
  BytesPerSecond device_links = {};       ///< host to all devices of the node at once, per direction; 0 = as many times device_link
  std::optional<MemoryTier> storage = {}; ///< the node's own drives together
  Watts power;                            ///< CPU, DRAM, boards, under load
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

enum class FabricKind {
  single_node,
  rail_fat_tree,
  fat_tree,
  dragonfly, ///< groups of routers, all joined inside a group; all groups joined by global links
  torus      ///< slices of a torus; several slices are joined by the NICs of their nodes, as in a fat tree
};

enum class PathKind {
  hashed, ///< ECMP: by a hash of the two ports and the flow, so that flows may meet on one spine while another is idle
  planned ///< by the port of the destination: flows from one leaf to different ports under another share no up-link while there are enough
};

struct Fabric {
  FabricKind kind = FabricKind::rail_fat_tree;
  double oversubscription = 1.0; ///< bandwidth into a leaf / out of it; of a dragonfly group over its global links: its taper
  int nodes_per_leaf = 32; ///< nodes under one leaf group (one leaf per rail, or one leaf in a plain fat tree), or of a dragonfly group
  int spines = 0;          ///< 0 = as many as the up-bandwidth asks for at NIC rate
  PathKind paths = PathKind::hashed; ///< how a spine is chosen
  int routers = 16;                  ///< of a dragonfly group
  double detour = 0;                 ///< share of the traffic between dragonfly groups that goes over a third one (Valiant)
  std::vector<int> torus;            ///< devices per dimension of a slice; the product divides all devices
  Seconds hop_latency{0.6e-6};       ///< one switch and its cable; assumed where not given: an InfiniBand HDR switch
};

/// A link that is slower than built.
struct Degraded {
  std::string link;  ///< as Topology::name() gives it, or without its last part for both directions: "node3/nic1"
  double factor = 1; ///< of its bandwidth
};

struct Cluster {
  std::string name;
  NodeType node;
  int nodes = 1;
  Fabric fabric;
  std::vector<Degraded> degraded;
  double pue = 1.0; ///< facility power / IT power
  DollarsPerJoule electricity_price;
  Seconds depreciation; ///< straight line over this time
  std::vector<Provenance> sources;

  [[nodiscard]] int devices() const { return nodes * node.devices; }
};

} // namespace orrery
