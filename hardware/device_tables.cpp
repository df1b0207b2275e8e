// Tables of devices and their parts, links and memory tiers.
#include "hardware/catalogue.hpp"
#include "hardware/provenance.hpp"
#include "hardware/tables.hpp"
#include "hardware/words.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

namespace {

const Choices<UnitKind> unit_kinds = {
    {"matrix", UnitKind::matrix}, {"vector", UnitKind::vector}, {"pim", UnitKind::pim}, {"cpu", UnitKind::cpu}};

template <class Part> std::vector<std::string> names_of(const std::vector<Part>& parts) {
  std::vector<std::string> names;
  for (const Part& part : parts)
    names.push_back(part.name);
  return names;
}

std::string listed(const std::vector<std::string>& names) { return fmt::format("{}", fmt::join(names, ", ")); }

void check_unique(const std::vector<std::string>& names, std::string_view list, const Report& report) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) !=
        names.begin() + static_cast<std::ptrdiff_t>(i))
      report.error(fmt::format("{}.{}.name", list, i), fmt::format("a second '{}'", names[i]));
  }
}

void check_link(const std::string& name, std::string_view key, const Report& report) {
  if (name.empty())
    return;
  const std::vector<std::string> links = link_catalogue().names();
  if (std::find(links.begin(), links.end(), name) == links.end())
    report.error(key, fmt::format("no link of the name {}", shown(name)), listed(links), did_you_mean(name, links));
}

void check_device(const Device& device, const Report& report) {
  const std::vector<std::string> tiers = names_of(device.memory);
  check_unique(tiers, "memory", report);
  check_unique(names_of(device.units), "units", report);
  if (device.units.empty())
    report.error("units", "no compute unit", "at least one");
  if (device.memory.empty())
    report.error("memory", "no memory tier", "at least one; the first is the one that tensors live in");
  for (std::size_t i = 0; i < device.units.size(); ++i) {
    const ComputeUnit& unit = device.units[i];
    if (unit.peak.empty())
      report.error(fmt::format("units.{}.peak", i), "no precision", "a rate for at least one precision");
    if (std::find(tiers.begin(), tiers.end(), unit.memory) == tiers.end())
      report.error(fmt::format("units.{}.memory", i), fmt::format("no memory tier of the name {}", shown(unit.memory)), listed(tiers),
                   did_you_mean(unit.memory, tiers));
  }
  if (device.idle_power && device.power_cap && *device.idle_power > *device.power_cap)
    report.error("idle_power", "above the power cap", fmt::format("at most {}", format_quantity(*device.power_cap)));
  check_link(device.scale_up_link, "scale_up_link", report);
  check_link(device.host_link, "host_link", report);
}

/// The curves of a device that is another but for its cap were measured under the other's.
void override_device(const TableInfo& table, yaml::Node& entry, const yaml::Node& before) {
  override_sources(table, entry, before);
  const yaml::Node* own = entry.find("power_cap");
  const yaml::Node* measured = before.find("power_cap");
  if (own == nullptr || measured == nullptr || *own == *measured || entry.find("kernel_cap") != nullptr)
    return;
  entry.set("kernel_cap", *measured);
  if (before.find("sources") != nullptr)
    add_source(entry, "kernel_cap", "derived", "the power cap of what it is based on");
}

const Table<ComputeUnit>& unit_table() {
  static const Table<ComputeUnit> table =
      Table<ComputeUnit>("unit", "One kind of arithmetic unit of a device. An operator runs on the unit that ends it first.")
          .text("name", &ComputeUnit::name, {.required = true})
          .choice("kind", &ComputeUnit::kind, unit_kinds, {.required = true, .help = "what it can run"})
          .quantity_map("peak", &ComputeUnit::peak, precision_words(),
                        {.above = FlopsPerSecond{}, .unit_hint = "TFLOP/s", .required = true, .help = "dense peak by precision"})
          .text("memory", &ComputeUnit::memory, {.required = true, .help = "the tier whose bandwidth it sees"})
          .quantity(
              "bandwidth", &ComputeUnit::bandwidth,
              {.above = BytesPerSecond{}, .unit_hint = "GB/s", .help = "own path to that tier where it differs from the tier's (PIM)"})
          .quantity("energy", &ComputeUnit::energy,
                    {.unit_hint = "pJ/FLOP", .help = "dynamic energy at nominal clock, of the widest half precision"});
  return table;
}

} // namespace

const Table<MemoryTier>& tier_table() {
  static const Table<MemoryTier> table =
      Table<MemoryTier>("memory tier", "SRAM, HBM, DRAM inside PIM, host memory, CXL, NVMe, shared storage.")
          .text("name", &MemoryTier::name, {.required = true})
          .quantity("capacity", &MemoryTier::capacity, {.above = Bytes{}, .unit_hint = "GB", .required = true})
          .quantity(
              "bandwidth", &MemoryTier::bandwidth,
              {.above = BytesPerSecond{}, .unit_hint = "GB/s", .required = true, .help = "of reading where the two directions differ"})
          .quantity("write_bandwidth", &MemoryTier::write_bandwidth,
                    {.above = BytesPerSecond{}, .unit_hint = "GB/s", .help = "of writing where it differs"})
          .quantity("energy", &MemoryTier::energy, {.unit_hint = "pJ/bit", .help = "of moving data, with the controller"})
          .list("sources", &MemoryTier::sources, provenance_table(), {.help = "only where the tier stands alone"})
          .overlaid(override_sources)
          .check([](const MemoryTier& tier, const Report& report) {
            check_sources(tier_table(), tier_table().write(tier), tier.sources, report);
          });
  return table;
}

const Table<Link>& link_table() {
  static const Table<Link> table =
      Table<Link>("link", "A cable or bus.")
          .text("name", &Link::name, {.required = true})
          .quantity("bandwidth", &Link::bandwidth,
                    {.above = BytesPerSecond{}, .unit_hint = "GB/s", .required = true, .help = "per direction and per device or port"})
          .quantity("latency", &Link::latency, {.unit_hint = "us"})
          .quantity("energy", &Link::energy, {.unit_hint = "pJ/bit"})
          .list("sources", &Link::sources, provenance_table(), {.help = "where the figures come from"})
          .overlaid(override_sources)
          .check(
              [](const Link& link, const Report& report) { check_sources(link_table(), link_table().write(link), link.sources, report); });
  return table;
}

const Table<Device>& device_table() {
  static const Table<Device> table =
      Table<Device>("device", "One accelerator: what a rank is placed on.")
          .text("name", &Device::name, {.required = true})
          .text("vendor", &Device::vendor)
          .text("architecture", &Device::architecture, {.required = true, .help = "key of the calibration curves: hopper, cdna3, ..."})
          .count("year", &Device::year, {.max = 2100, .help = "of the first shipment"})
          .list("units", &Device::units, unit_table(), {.required = true})
          .list("memory", &Device::memory, tier_table(), {.required = true, .help = "the first tier is the one that tensors live in"})
          .count("multiprocessors", &Device::multiprocessors, {.help = "SMs, CUs or cores over which work is tiled; 0 = unknown"})
          .number("half_sums", &Device::half_sums,
                  {.min = 1, .max = 4, .help = "rate of half-precision products that sum in half precision, over that with FP32 sums"})
          .quantity("cache", &Device::cache, {.unit_hint = "MB", .help = "last level on the chip"})
          .quantity("max_clock", &Device::max_clock, {.above = Hertz{}, .unit_hint = "MHz", .help = "for the reader: no model takes it"})
          .quantity("power_cap", &Device::power_cap, {.above = Watts{}, .unit_hint = "W", .help = "TDP"})
          .quantity("kernel_cap", &Device::kernel_cap,
                    {.above = Watts{}, .unit_hint = "W", .help = "cap of the devices that its curves were measured on, where another"})
          .quantity("idle_power", &Device::idle_power, {.unit_hint = "W"})
          .quantity("active_power", &Device::active_power, {.unit_hint = "W", .help = "with work resident but every unit waiting"})
          .quantity("scale_up_bandwidth", &Device::scale_up_bandwidth,
                    {.above = BytesPerSecond{}, .unit_hint = "GB/s", .help = "per direction, all links of the device together"})
          .text("scale_up_link", &Device::scale_up_link, {.help = "name in the link catalogue"})
          .text("host_link", &Device::host_link, {.help = "name in the link catalogue"})
          .quantity("price", &Device::price, {.unit_hint = "USD"})
          .list("sources", &Device::sources, provenance_table(), {.help = "where the figures come from"})
          .overlaid(override_device)
          .check(check_device)
          .check([](const Device& device, const Report& report) {
            check_sources(device_table(), device_table().write(device), device.sources, report);
          });
  return table;
}

} // namespace orrery
