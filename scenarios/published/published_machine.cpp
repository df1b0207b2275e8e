#include "scenarios/published/published_machine.hpp"

#include "hardware/catalogue.hpp"
#include "scenarios/published/row_cells.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace orrery {

namespace {

constexpr std::string_view workstation = "rtx-4090-box"; ///< devices without links of their own beside the host's

/// Names that hold both words; the first rule wins. A dash at an end of a word is one of the name's, or its end. A device other than the
/// node's own takes its place there. An instance of a cloud (p5.48xlarge) stands for its accelerator. Without a node there is a reason for
/// it.
struct MachineRule {
  std::string_view word;
  std::string_view also;
  std::string_view node;
  std::string_view device = {};
  std::string_view network = {};
  std::string_view refusal = {};
};

constexpr std::string_view processor = "processors without an accelerator are not modelled";
constexpr std::string_view dataflow = "machines that run one compiled program, weights in their own memories, have no serving engine here";
constexpr std::string_view unknown_figures = "no figures of it are in the catalogue";

constexpr std::array machine_rules = {MachineRule{"-cpu-", "", "", "", "", processor},
                                      MachineRule{"-xeon-", "", "", "", "", processor},
                                      MachineRule{"-epyc-", "", "", "", "", processor},
                                      MachineRule{"-graviton", "", "", "", "", processor},
                                      MachineRule{"-core-ultra-", "", "", "", "", processor},
                                      MachineRule{"groq", "", "", "", "", dataflow},
                                      MachineRule{"cerebras", "", "", "", "", dataflow},
                                      MachineRule{"-wse-", "", "", "", "", dataflow},
                                      MachineRule{"sambanova", "", "", "", "", dataflow},
                                      MachineRule{"sn40l", "", "", "", "", dataflow},
                                      MachineRule{"tenstorrent", "", "", "", "", dataflow},
                                      MachineRule{"rubin-cpx", "", "", "", "", unknown_figures},
                                      MachineRule{"b200", "power-limited", "b200-power-limited"},
                                      MachineRule{"gb300", "", "gb300-nvl72"},
                                      MachineRule{"gb200", "", "gb200-nvl72"},
                                      MachineRule{"b300", "", "dgx-b300"},
                                      MachineRule{"b200", "", "dgx-b200"},
                                      MachineRule{"gh200", "144", "gh200-quad", "gh200-144gb"},
                                      MachineRule{"gh200", "", "gh200-quad"},
                                      MachineRule{"h200", "", "dgx-h200"},
                                      MachineRule{"h100", "hbm2e", "h100-96gb-hbm2e"},
                                      MachineRule{"h100", "-nvl-", workstation, "h100-nvl-94gb"},
                                      MachineRule{"h100", "pcie", workstation, "h100-pcie-80gb"},
                                      MachineRule{"h100", "", "gcp-a3-high", "", "A3 GPUDirect-TCPX"},
                                      MachineRule{"h100", "", "dgx-h100"},
                                      MachineRule{"h800", "", "dgx-h100", "h800-sxm-80gb"},
                                      MachineRule{"h20", "3e", "dgx-h100", "h20-141gb"},
                                      MachineRule{"h20", "141g", "dgx-h100", "h20-141gb"},
                                      MachineRule{"h20", "", "dgx-h100", "h20-96gb"},
                                      MachineRule{"a100-pcie-40g", "", workstation, "a100-pcie-40gb"},
                                      MachineRule{"a100-40gb-pcie", "", workstation, "a100-pcie-40gb"},
                                      MachineRule{"a100", "pcie", workstation, "a100-pcie-80gb"},
                                      MachineRule{"a100", "40g", "dgx-a100-40gb"},
                                      MachineRule{"a100", "", "dgx-a100"},
                                      MachineRule{"a800", "", "dgx-a100", "a800-sxm-80gb"},
                                      MachineRule{"v100", "pcie", workstation, "v100-pcie-32gb"},
                                      MachineRule{"v100", "16g", "dgx-1-v100", "v100-sxm2-16gb"},
                                      MachineRule{"v100", "sxm3", "dgx-2"},
                                      MachineRule{"v100-32g", "sxm2", "jean-zay-v100"},
                                      MachineRule{"v100", "", "dgx-1-v100"},
                                      MachineRule{"p100", "", workstation, "p100-pcie-16gb"},
                                      MachineRule{"mi250", "", "frontier"},
                                      MachineRule{"mi300x", "", "mi300x-oam"},
                                      MachineRule{"mi300a", "", "mi300x-oam", "mi300a"},
                                      MachineRule{"mi350x", "", "mi355x-oam", "mi350x"},
                                      MachineRule{"mi325x", "", "mi325x-oam"},
                                      MachineRule{"mi355x", "", "mi355x-oam"},
                                      MachineRule{"rtx-pro-6000", "", workstation, "rtx-pro-6000-blackwell"},
                                      MachineRule{"rtx-6000-pro", "", workstation, "rtx-pro-6000-blackwell"},
                                      MachineRule{"rtx-6000pro", "", workstation, "rtx-pro-6000-blackwell"},
                                      MachineRule{"gb10", "", workstation, "dgx-spark"},
                                      MachineRule{"thor", "", workstation, "jetson-agx-thor"},
                                      MachineRule{"agx-orin", "", workstation, "jetson-agx-orin-64gb"},
                                      MachineRule{"m1-pro", "", workstation, "m1-pro-16"},
                                      MachineRule{"m2-pro", "", workstation, "m2-pro-19"},
                                      MachineRule{"m3-pro", "", workstation, "m3-pro-18"},
                                      MachineRule{"m4-pro", "", workstation, "m4-pro-20"},
                                      MachineRule{"m1-max", "", workstation, "m1-max-32"},
                                      MachineRule{"m1-ultra", "", workstation, "m1-ultra-64"},
                                      MachineRule{"m2-max", "", workstation, "m2-max-38"},
                                      MachineRule{"m2-ultra", "", workstation, "m2-ultra-76"},
                                      MachineRule{"m3-max", "", workstation, "m3-max-40"},
                                      MachineRule{"m3-ultra", "", workstation, "m3-ultra-80"},
                                      MachineRule{"m4-max", "", workstation, "m4-max-40"},
                                      MachineRule{"-m2-", "", workstation, "m2-10"},
                                      MachineRule{"-m3-", "", workstation, "m3-10"},
                                      MachineRule{"-m4-", "", workstation, "m4-10"},
                                      MachineRule{"-7900xt-", "", workstation, "rx-7900-xt"},
                                      MachineRule{"-7900xtx-", "", workstation, "rx-7900-xtx"},
                                      MachineRule{"-w7900-", "", workstation, "radeon-pro-w7900"},
                                      MachineRule{"800i-a2", "", "atlas-800i-a2"},
                                      MachineRule{"800t-a2", "", "atlas-800i-a2"},
                                      MachineRule{"900-a2", "", "atlas-800i-a2"},
                                      MachineRule{"910b", "", "atlas-800i-a2"},
                                      MachineRule{"910c", "", "cloudmatrix384"},
                                      MachineRule{"cloudmatrix", "", "cloudmatrix384"},
                                      MachineRule{"300i-duo", "", "atlas-300i-duo"},
                                      MachineRule{"pvc", "", workstation, "max-1550"},
                                      MachineRule{"gaudi2", "", "gaudi2-hls2"},
                                      MachineRule{"gaudi-2", "", "gaudi2-hls2"},
                                      MachineRule{"gaudi3", "", "gaudi3-hls3"},
                                      MachineRule{"gaudi-3", "", "gaudi3-hls3"},
                                      MachineRule{"hl-225", "", "gaudi2-hls2"},
                                      MachineRule{"hl-325", "", "gaudi3-hls3"},
                                      MachineRule{"tpu", "v7", "tpu-v7x-host"},
                                      MachineRule{"inf2", "", workstation, "inferentia2"},
                                      MachineRule{"tpu", "v4", "tpu-v4-host"},
                                      MachineRule{"tpu", "v3", "tpu-v3-host"},
                                      MachineRule{"v5e", "", "tpu-v5e-host"},
                                      MachineRule{"v5p", "", "tpu-v5p-host"},
                                      MachineRule{"v6e", "", "tpu-v6e-host"},
                                      MachineRule{"trillium", "", "tpu-v6e-host"},
                                      MachineRule{"ironwood", "", "tpu-v7x-host"},
                                      MachineRule{"tpu", "7x", "tpu-v7x-host"},
                                      MachineRule{"trn1", "", "trn1-32xlarge"},
                                      MachineRule{"trn2", "", "trn2-48xlarge"},
                                      MachineRule{"trainium2", "", "trn2-48xlarge"},
                                      MachineRule{"trainium-2", "", "trn2-48xlarge"},
                                      MachineRule{"trainium", "", "trn1-32xlarge"},
                                      MachineRule{"-p4d.", "", "aws-p4d"},
                                      MachineRule{"-p4de.", "", "aws-p4de"},
                                      MachineRule{"-p5.", "", "dgx-h100"},
                                      MachineRule{"-p5e.", "", "dgx-h200"},
                                      MachineRule{"-p5en.", "", "dgx-h200"},
                                      MachineRule{"-g4dn.", "", workstation, "t4"},
                                      MachineRule{"-g5.", "", workstation, "a10g"},
                                      MachineRule{"-g6.", "", workstation, "l4"},
                                      MachineRule{"-g6e.", "", workstation, "l40s"},
                                      MachineRule{"-a2-highgpu-", "", "dgx-a100-40gb"},
                                      MachineRule{"-a2-ultragpu-", "", "dgx-a100"},
                                      MachineRule{"-a3-highgpu-", "", "gcp-a3-high"},
                                      MachineRule{"-a3-megagpu-", "", "dgx-h100"},
                                      MachineRule{"-a3-ultragpu-", "", "dgx-h200"},
                                      MachineRule{"-a4-highgpu-", "", "dgx-b200"}};

/// Plain, with a dash behind "rtx" and at both ends.
std::string machine_name(std::string_view text) {
  std::string plain = "-" + plain_name(text) + "-";
  if (const auto rtx = plain.find("rtx"); rtx != std::string::npos && plain[rtx + 3] != '-')
    plain.insert(rtx + 3, "-");
  return plain;
}

/// The longest of `names` that stands in `plain` as whole words. Publishers leave out "rtx".
std::string longest_within(const std::string& plain, const std::vector<std::string>& names) {
  std::string best;
  for (const std::string& name : names) {
    const std::string_view word = name.starts_with("rtx-") ? std::string_view(name).substr(4) : std::string_view(name);
    if (name.size() > best.size() && plain.find("-" + std::string(word) + "-") != std::string::npos)
      best = name;
  }
  return best;
}

NodeType node_with(std::string_view name, std::string_view device) {
  NodeType node = load_node(std::string(name));
  if (!device.empty())
    node.device = load_device(std::string(device));
  return node;
}

} // namespace

NamedMachine published_machine(std::string_view accelerator, std::string_view network) {
  const std::string plain = machine_name(accelerator);
  const auto* const rule = std::ranges::find_if(machine_rules, [&](const MachineRule& each) {
    return plain.find(each.word) != std::string::npos && plain.find(each.also) != std::string::npos &&
           network.find(each.network) != std::string_view::npos;
  });
  if (rule != machine_rules.end() && rule->node.empty())
    return {.refusal = std::string(rule->refusal)};
  if (rule != machine_rules.end())
    return {.node = node_with(rule->node, rule->device)};
  if (const std::string node = longest_within(plain, node_catalogue().names()); !node.empty())
    return {.node = load_node(node)};
  if (const std::string device = longest_within(plain, device_catalogue().names()); !device.empty())
    return {.node = node_with(workstation, device)};
  return {.refusal =
              accelerator.empty() ? "the accelerator is not stated" : "no node description of accelerator " + std::string(accelerator)};
}

} // namespace orrery
