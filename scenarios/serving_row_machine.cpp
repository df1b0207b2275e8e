#include "hardware/catalogue.hpp"
#include "scenarios/serving_rows.hpp"

#include <array>

namespace orrery {

namespace {

/// Published names of machines in lower case with dashes; the first rule whose word the name holds wins. A device other than the node's
/// own takes its place there.
struct MachineRule {
  std::string_view word;
  std::string_view node;
  std::string_view device = {};
};
constexpr std::string_view workstation = "rtx-4090-box"; ///< devices without links of their own beside the host's
constexpr std::array machine_rules = {MachineRule{"gb300", "gb300-nvl72"},
                                      MachineRule{"gb200", "gb200-nvl72"},
                                      MachineRule{"b300", "dgx-b300"},
                                      MachineRule{"b200", "dgx-b200"},
                                      MachineRule{"gh200", workstation, "gh200-96gb"},
                                      MachineRule{"h200", "dgx-h200"},
                                      MachineRule{"h100-nvl", workstation, "h100-nvl-94gb"},
                                      MachineRule{"h100-pcie", workstation, "h100-pcie-80gb"},
                                      MachineRule{"h100", "dgx-h100"},
                                      MachineRule{"h800", "dgx-h100", "h800-sxm-80gb"},
                                      MachineRule{"h20", "dgx-h100", "h20-96gb"},
                                      MachineRule{"a100-pcie", workstation, "a100-pcie-80gb"},
                                      MachineRule{"a100-sxm-40gb", "dgx-a100-40gb"},
                                      MachineRule{"a100-40gb", "dgx-a100-40gb"},
                                      MachineRule{"a100", "dgx-a100"},
                                      MachineRule{"a800", "dgx-a100", "a800-sxm-80gb"},
                                      MachineRule{"mi300x", "mi300x-oam"},
                                      MachineRule{"mi325x", "mi325x-oam"},
                                      MachineRule{"mi355x", "mi355x-oam"},
                                      MachineRule{"rtx-pro-6000", workstation, "rtx-pro-6000-blackwell"},
                                      MachineRule{"a6000", workstation, "rtx-a6000"},
                                      MachineRule{"quadro-rtx-6000", workstation, "quadro-rtx-6000"},
                                      MachineRule{"5090", workstation, "rtx-5090"},
                                      MachineRule{"4090", workstation},
                                      MachineRule{"4070", workstation, "rtx-4070"},
                                      MachineRule{"3090", workstation, "rtx-3090"},
                                      MachineRule{"3080-ti", workstation, "rtx-3080-ti"},
                                      MachineRule{"3080", workstation, "rtx-3080"},
                                      MachineRule{"3070", workstation, "rtx-3070"},
                                      MachineRule{"l40s", workstation, "l40s"},
                                      MachineRule{"l4", workstation, "l4"},
                                      MachineRule{"v100", "dgx-1-v100"},
                                      MachineRule{"t4", workstation, "t4"},
                                      MachineRule{"m2-ultra", workstation, "m2-ultra-76"},
                                      MachineRule{"m1-max-32", workstation, "m1-max-32"},
                                      MachineRule{"m1-7", workstation, "m1-7"},
                                      MachineRule{"800i-a2", "atlas-800i-a2"},
                                      MachineRule{"910b", "atlas-800i-a2"},
                                      MachineRule{"910c", "cloudmatrix384"},
                                      MachineRule{"cloudmatrix", "cloudmatrix384"},
                                      MachineRule{"300i-duo", "atlas-300i-duo"},
                                      MachineRule{"gaudi2", "gaudi2-hls2"},
                                      MachineRule{"gaudi3", "gaudi3-hls3"},
                                      MachineRule{"v5e", "tpu-v5e-host"},
                                      MachineRule{"v5p", "tpu-v5p-host"},
                                      MachineRule{"v6e", "tpu-v6e-host"}};

/// Lower case; all that is no letter, digit or dot is a dash. Typographic dashes count as one.
std::string plain_name(const std::string& text) {
  std::string plain;
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (code >= 'A' && code <= 'Z')
      plain += static_cast<char>(code - 'A' + 'a');
    else if ((code >= 'a' && code <= 'z') || (code >= '0' && code <= '9') || code == '.')
      plain += c;
    else if (plain.empty() || plain.back() != '-')
      plain += '-';
  }
  return plain;
}

} // namespace

bool find_serving_machine(const Cells& row, ServingRow& out) {
  const std::string name = plain_name(out.accelerator);
  if (name.starts_with("cpu-")) {
    out.refusal = "processors without an accelerator are not modelled in serving";
    return false;
  }
  const auto* const rule =
      std::ranges::find_if(machine_rules, [&](const MachineRule& each) { return name.find(each.word) != std::string::npos; });
  if (rule == machine_rules.end()) {
    out.refusal = "no node description of accelerator " + out.accelerator;
    return false;
  }
  NodeType& node = out.cluster.node;
  node = load_node(std::string(rule->node));
  if (!rule->device.empty())
    node.device = load_device(std::string(rule->device));
  out.cluster.name = out.id;
  out.devices = row.count("devices");
  return true;
}

} // namespace orrery
