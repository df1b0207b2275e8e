#include "workloads/chakra.hpp"

#include "sim/base/quantity_text.hpp"

#include <chakra/et_def.pb.h>
#include <fmt/format.h>
#include <google/protobuf/unknown_field_set.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace orrery::chakra {

namespace {

namespace pb = ChakraProtoMsg;

constexpr std::uint64_t largest_message = 64U << 20U;
constexpr double largest_count = 1e18; // bytes, FLOPs, microseconds
constexpr int most_ranks = 10'000'000;

struct Varint {
  std::uint64_t value = 0;
  std::size_t length = 0; ///< 0 = it does not end
};

Varint read_varint(std::string_view bytes) {
  Varint varint;
  for (std::size_t i = 0; i < bytes.size() && i < 10; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    varint.value |= static_cast<std::uint64_t>(byte & 0x7FU) << (7 * i);
    if ((byte & 0x80U) == 0) {
      varint.length = i + 1;
      return varint;
    }
  }
  return varint;
}

/// Number of the first field that the parser could not place; 0 where there is none.
int stray_field(const google::protobuf::Message& message) {
  const google::protobuf::UnknownFieldSet& unknown = message.GetReflection()->GetUnknownFields(message);
  return unknown.empty() ? 0 : unknown.field(0).number();
}

/// A number in whichever form it was written.
std::optional<double> number_of(const pb::AttributeProto& attribute) {
  switch (attribute.value_case()) {
  case pb::AttributeProto::kDoubleVal:
    return attribute.double_val();
  case pb::AttributeProto::kFloatVal:
    return static_cast<double>(attribute.float_val());
  case pb::AttributeProto::kInt32Val:
    return attribute.int32_val();
  case pb::AttributeProto::kInt64Val:
    return static_cast<double>(attribute.int64_val());
  case pb::AttributeProto::kUint32Val:
    return attribute.uint32_val();
  case pb::AttributeProto::kUint64Val:
    return static_cast<double>(attribute.uint64_val());
  case pb::AttributeProto::kSint32Val:
    return attribute.sint32_val();
  case pb::AttributeProto::kSint64Val:
    return static_cast<double>(attribute.sint64_val());
  case pb::AttributeProto::kFixed32Val:
    return attribute.fixed32_val();
  case pb::AttributeProto::kFixed64Val:
    return static_cast<double>(attribute.fixed64_val());
  case pb::AttributeProto::kSfixed32Val:
    return attribute.sfixed32_val();
  case pb::AttributeProto::kSfixed64Val:
    return static_cast<double>(attribute.sfixed64_val());
  case pb::AttributeProto::kBoolVal:
    return attribute.bool_val() ? 1 : 0;
  default:
    return std::nullopt;
  }
}

class Reader {
public:
  Reader(std::string_view bytes, const std::string& file, Diagnostics& diagnostics)
      : bytes_(bytes), file_(file), diagnostics_(diagnostics) {
    trace_.file = file;
  }

  RankTrace read() {
    if (bytes_.empty())
      error("the file", "is empty", "a GlobalMetadata message, then Node messages");
    else if (read_metadata())
      while (at_ < bytes_.size() && mistakes_ < most_mistakes && read_node()) {
      }
    if (mistakes_ == 0 && trace_.nodes.empty())
      error("the file", "has no nodes", "at least one Node behind the GlobalMetadata");
    if (mistakes_ == 0)
      connect();
    return std::move(trace_);
  }

private:
  void error(const std::string& where, std::string message, std::string allowed = {}, std::string suggestion = {}) {
    if (++mistakes_ <= most_mistakes)
      diagnostics_.add({.file = file_,
                        .path = where,
                        .message = std::move(message),
                        .allowed = std::move(allowed),
                        .suggestion = std::move(suggestion)});
  }

  /// The bytes of the next message; moves behind it.
  std::optional<std::string_view> next_message(const std::string& what) {
    begin_ = at_;
    const std::string where = fmt::format("byte {}", begin_);
    const Varint length = read_varint(bytes_.substr(at_));
    if (length.length == 0) {
      error(where, fmt::format("the length of {} is cut off or no varint", what), {}, hint());
      return std::nullopt;
    }
    const std::size_t left = bytes_.size() - at_ - length.length;
    if (length.value > left || length.value > largest_message) {
      error(where, fmt::format("{} would be {} bytes long, {} are left", what, length.value, left),
            length.value > largest_message ? fmt::format("at most {} bytes", largest_message) : std::string(), hint());
      return std::nullopt;
    }
    const std::string_view message = bytes_.substr(at_ + length.length, length.value);
    at_ += length.length + length.value;
    return message;
  }

  /// What a file that is no trace at all may be.
  [[nodiscard]] std::string hint() const {
    if (begin_ > 0)
      return "the file is cut off or damaged from here on";
    if (bytes_.starts_with("\x1f\x8b"))
      return "the file is compressed: unpack it with gunzip";
    if (bytes_.front() == '{' || bytes_.front() == '[')
      return "this looks like JSON: convert it to .et files with Chakra's own converter";
    return "a Chakra trace begins with its GlobalMetadata";
  }

  bool read_metadata() {
    const auto message = next_message("GlobalMetadata");
    if (!message)
      return false;
    pb::GlobalMetadata metadata;
    if (!metadata.ParseFromArray(message->data(), static_cast<int>(message->size())) || stray_field(metadata) != 0) {
      error("byte 0", "the first message is no GlobalMetadata", {}, hint());
      return false;
    }
    trace_.version = metadata.version();
    for (const pb::AttributeProto& attribute : metadata.attr())
      if (attribute.name() == "rank")
        if (const auto rank = whole(attribute, "GlobalMetadata at byte 0", 0, most_ranks))
          trace_.rank = static_cast<int>(*rank);
    return mistakes_ == 0;
  }

  [[nodiscard]] std::string place(const pb::Node* node = nullptr) const {
    std::string text = fmt::format("node {} at byte {}", index_, begin_);
    if (node != nullptr)
      text += fmt::format(" (id {}, {})", node->id(), shown(node->name()));
    return text;
  }

  bool read_node() {
    const auto message = next_message(fmt::format("node {}", index_));
    if (!message)
      return false;
    pb::Node raw;
    if (!raw.ParseFromArray(message->data(), static_cast<int>(message->size()))) {
      error(place(), fmt::format("its {} bytes are no Node message", message->size()), {}, "the file is damaged here");
      return false;
    }
    // Later schemas may add fields. A field of a known number in an unknown form is damage.
    constexpr int last_field = pb::Node::kAttrFieldNumber;
    if (const int field = stray_field(raw); field != 0 && field <= last_field) {
      error(place(), fmt::format("field {} has a form that a Node does not have there", field), {}, "the file is damaged here");
      return false;
    }
    translate(raw);
    ++index_;
    return true;
  }

  void translate(const pb::Node& raw) {
    Node node{.id = raw.id(), .name = raw.name()};
    const int type = raw.type();
    if (type < pb::METADATA_NODE || type > pb::COMM_COLL_NODE)
      return error(place(&raw), fmt::format("node type {}", type), "METADATA_NODE (1) to COMM_COLL_NODE (7)");
    node.kind = static_cast<NodeKind>(type - pb::METADATA_NODE);
    node.start = Seconds{1e-6 * static_cast<double>(raw.start_time_micros())};
    node.duration = Seconds{1e-6 * static_cast<double>(raw.duration_micros())};
    if (static_cast<double>(raw.duration_micros()) > largest_count)
      error(place(&raw), fmt::format("a duration of {} us", raw.duration_micros()), "at most 10^18 us");
    node.dependencies.assign(raw.ctrl_deps().begin(), raw.ctrl_deps().end());
    node.dependencies.insert(node.dependencies.end(), raw.data_deps().begin(), raw.data_deps().end());
    std::ranges::sort(node.dependencies);
    node.dependencies.erase(std::ranges::unique(node.dependencies).begin(), node.dependencies.end());
    for (const pb::AttributeProto& attribute : raw.attr())
      read_attribute(attribute, raw, node);
    const bool talks = node.kind == NodeKind::send || node.kind == NodeKind::receive;
    if (node.kind == NodeKind::send && !node.destination)
      error(place(&raw), "a COMM_SEND_NODE without comm_dst");
    if (node.kind == NodeKind::receive && !node.source)
      error(place(&raw), "a COMM_RECV_NODE without comm_src");
    if (node.kind == NodeKind::collective && !has(raw, "comm_type"))
      error(place(&raw), "a COMM_COLL_NODE without comm_type");
    if ((talks || (node.kind == NodeKind::collective && node.collective != CollectiveType::barrier)) && !has(raw, "comm_size"))
      error(place(&raw), "communication without comm_size");
    places_.emplace_back(begin_);
    trace_.nodes.push_back(std::move(node));
  }

  static bool has(const pb::Node& raw, const char* name) {
    return std::ranges::any_of(raw.attr(), [&](const pb::AttributeProto& attribute) { return attribute.name() == name; });
  }

  std::optional<double> whole(const pb::AttributeProto& attribute, const std::string& where, double least, double most) {
    const std::optional<double> value = number_of(attribute);
    if (value && *value >= least && *value <= most && *value == std::floor(*value))
      return value;
    error(where, value ? fmt::format("{} = {}", attribute.name(), exact_number(*value)) : fmt::format("{} is no number", attribute.name()),
          fmt::format("a whole number from {} to {}", exact_number(least), exact_number(most)));
    return std::nullopt;
  }

  void read_attribute(const pb::AttributeProto& attribute, const pb::Node& raw, Node& node) {
    const std::string& name = attribute.name();
    const auto count = [&](double least, double most) { return whole(attribute, place(&raw), least, most); };
    if (name == "is_cpu_op") {
      node.on_host = count(0, 1).value_or(0) != 0;
    } else if (name == "num_ops") {
      node.operations = Flops{count(0, largest_count).value_or(0)};
    } else if (name == "tensor_size") {
      node.tensor = Bytes{count(0, largest_count).value_or(0)};
    } else if (name == "comm_size") {
      node.message = Bytes{count(0, largest_count).value_or(0)};
    } else if (name == "comm_type") {
      const int type = static_cast<int>(count(pb::ALL_REDUCE, pb::BARRIER).value_or(0));
      // REDUCE_SCATTER_BLOCK is a reduce-scatter of equal parts.
      node.collective = type >= pb::REDUCE_SCATTER_BLOCK ? static_cast<CollectiveType>(type - 1) : static_cast<CollectiveType>(type);
    } else if (name == "comm_src" || name == "comm_dst") {
      if (const auto rank = count(0, most_ranks))
        (name == "comm_src" ? node.source : node.destination) = static_cast<int>(*rank);
    } else if (name == "comm_tag") {
      node.tag = static_cast<std::int64_t>(count(-9e15, 9e15).value_or(0));
    } else if (name == "pg_name") {
      if (const auto number = number_of(attribute))
        node.group = exact_number(*number);
      else
        node.group = attribute.string_val();
    } else if (name == "involved_dim") {
      node.dimensions.assign(attribute.bool_list().values().begin(), attribute.bool_list().values().end());
      if (attribute.value_case() != pb::AttributeProto::kBoolList)
        error(place(&raw), "involved_dim is no list of true and false");
    }
  }

  /// Orders the nodes by id and checks that what they depend on is there.
  void connect() {
    std::vector<std::size_t> order(trace_.nodes.size());
    for (std::size_t i = 0; i < order.size(); ++i)
      order[i] = i;
    std::ranges::stable_sort(order, {}, [&](std::size_t i) { return trace_.nodes[i].id; });
    const auto where = [&](std::size_t i) {
      return fmt::format("node {} at byte {} (id {}, {})", i, places_[i], trace_.nodes[i].id, shown(trace_.nodes[i].name));
    };
    for (std::size_t k = 1; k < order.size(); ++k)
      if (trace_.nodes[order[k]].id == trace_.nodes[order[k - 1]].id)
        error(where(order[k]), fmt::format("node {} has the same id", order[k - 1]), "an id of its own for every node");
    for (const std::size_t i : order)
      for (const std::uint64_t id : trace_.nodes[i].dependencies) {
        const auto found = std::ranges::lower_bound(order, id, {}, [&](std::size_t j) { return trace_.nodes[j].id; });
        if (found == order.end() || trace_.nodes[*found].id != id)
          error(where(i), fmt::format("depends on node id {}, which is not in the file", id));
        else if (*found == i)
          error(where(i), "depends on itself");
      }
    std::vector<Node> sorted;
    sorted.reserve(order.size());
    for (const std::size_t i : order)
      sorted.push_back(std::move(trace_.nodes[i]));
    trace_.nodes = std::move(sorted);
  }

  std::string_view bytes_;
  std::string file_;
  Diagnostics& diagnostics_;
  RankTrace trace_;
  std::vector<std::size_t> places_; ///< bytes at which the nodes begin
  std::size_t at_ = 0;
  std::size_t begin_ = 0; ///< of the present message
  std::size_t index_ = 0; ///< of the present node
  int mistakes_ = 0;
};

yaml::Node text(std::string value) { return yaml::scalar(std::move(value)); }

yaml::Node readable(const Node& node) {
  yaml::Node out = yaml::map({{"id", text(std::to_string(node.id))}, {"name", text(node.name)}, {"type", text(kind_word(node.kind))}});
  if (!node.dependencies.empty()) {
    yaml::Node list = yaml::sequence();
    for (const std::uint64_t id : node.dependencies)
      list.items.push_back(text(std::to_string(id)));
    out.set("after", std::move(list));
  }
  const auto quantity = [&](const char* key, auto value) {
    if (value.si() > 0)
      out.set(key, text(exact_quantity(value)));
  };
  quantity("start", node.start);
  quantity("duration", node.duration);
  if (node.on_host)
    out.set("on_host", text("true"));
  quantity("operations", node.operations);
  quantity("tensor", node.tensor);
  if (node.kind == NodeKind::collective)
    out.set("collective", text(collective_word(node.collective)));
  if (!node.group.empty())
    out.set("group", text(node.group));
  if (!node.dimensions.empty()) {
    yaml::Node list = yaml::sequence();
    for (const bool involved : node.dimensions)
      list.items.push_back(text(involved ? "true" : "false"));
    out.set("dimensions", std::move(list));
  }
  quantity("message", node.message);
  if (node.source)
    out.set("source", text(std::to_string(*node.source)));
  if (node.destination)
    out.set("destination", text(std::to_string(*node.destination)));
  if (node.kind == NodeKind::send || node.kind == NodeKind::receive)
    out.set("tag", text(std::to_string(node.tag)));
  return yaml::on_one_line(std::move(out));
}

} // namespace

RankTrace parse(std::string_view bytes, const std::string& file, Diagnostics& diagnostics) {
  // The library would print what it finds on standard error; the diagnostics say it with its place.
  static auto* const quiet = google::protobuf::SetLogHandler(nullptr);
  (void)quiet;
  return Reader(bytes, file, diagnostics).read();
}

std::string kind_word(NodeKind kind) {
  constexpr std::array words = {"METADATA_NODE",  "MEM_LOAD_NODE",  "MEM_STORE_NODE", "COMP_NODE",
                                "COMM_SEND_NODE", "COMM_RECV_NODE", "COMM_COLL_NODE"};
  return words[static_cast<std::size_t>(kind)];
}

std::string collective_word(CollectiveType type) {
  constexpr std::array words = {"ALL_REDUCE", "REDUCE",     "ALL_GATHER",     "GATHER", "SCATTER",
                                "BROADCAST",  "ALL_TO_ALL", "REDUCE_SCATTER", "BARRIER"};
  return words[static_cast<std::size_t>(type)];
}

yaml::Node readable(const RankTrace& trace) {
  yaml::Node nodes = yaml::sequence();
  for (const Node& node : trace.nodes)
    nodes.items.push_back(readable(node));
  yaml::Node out = yaml::map({{"file", text(trace.file)}, {"version", text(trace.version)}});
  if (trace.rank)
    out.set("rank", text(std::to_string(*trace.rank)));
  out.set("nodes", std::move(nodes));
  return out;
}

} // namespace orrery::chakra
