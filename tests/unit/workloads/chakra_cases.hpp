// Chakra traces for tests, written through the classes of the schema.
#pragma once

#include "tests/support/temporary_folder.hpp"

#include <chakra/et_def.pb.h>

#include <cstdint>
#include <string>
#include <vector>

namespace orrery::chakra_cases {

namespace pb = ChakraProtoMsg;

/// Appends a message behind its length.
template <class Message> void append(std::string& file, const Message& message) {
  const std::string bytes = message.SerializeAsString();
  for (std::size_t length = bytes.size();; length >>= 7U) {
    if (length < 0x80) {
      file += static_cast<char>(length);
      break;
    }
    file += static_cast<char>((length & 0x7FU) | 0x80U);
  }
  file += bytes;
}

inline void set(pb::Node& node, const char* name, std::uint64_t value) {
  pb::AttributeProto& attribute = *node.add_attr();
  attribute.set_name(name);
  attribute.set_uint64_val(value);
}

inline void set(pb::Node& node, const char* name, const char* text) {
  pb::AttributeProto& attribute = *node.add_attr();
  attribute.set_name(name);
  attribute.set_string_val(text);
}

/// One rank's trace under construction. Every call adds a node and returns its id.
class Writer {
public:
  Writer() { metadata_.set_version("0.0.4"); }

  std::uint64_t node(pb::NodeType type, const std::string& name, const std::vector<std::uint64_t>& after = {}) {
    pb::Node& node = nodes_.emplace_back();
    node.set_id(nodes_.size() - 1);
    node.set_name(name);
    node.set_type(type);
    for (const std::uint64_t id : after)
      node.add_data_deps(id);
    return node.id();
  }
  std::uint64_t recorded(const std::string& name, std::uint64_t micros, const std::vector<std::uint64_t>& after = {}) {
    const std::uint64_t id = node(pb::COMP_NODE, name, after);
    nodes_.back().set_duration_micros(micros);
    return id;
  }
  std::uint64_t compute(const std::string& name, std::uint64_t operations, std::uint64_t bytes,
                        const std::vector<std::uint64_t>& after = {}) {
    const std::uint64_t id = node(pb::COMP_NODE, name, after);
    set(nodes_.back(), "num_ops", operations);
    set(nodes_.back(), "tensor_size", bytes);
    return id;
  }
  std::uint64_t collective(const std::string& name, pb::CollectiveCommType type, std::uint64_t bytes,
                           const std::vector<std::uint64_t>& after = {}, const char* group = nullptr) {
    const std::uint64_t id = node(pb::COMM_COLL_NODE, name, after);
    set(nodes_.back(), "comm_type", static_cast<std::uint64_t>(type));
    set(nodes_.back(), "comm_size", bytes);
    if (group != nullptr)
      set(nodes_.back(), "pg_name", group);
    return id;
  }
  std::uint64_t send(const std::string& name, std::uint64_t to, std::uint64_t tag, std::uint64_t bytes,
                     const std::vector<std::uint64_t>& after = {}) {
    const std::uint64_t id = node(pb::COMM_SEND_NODE, name, after);
    set(nodes_.back(), "comm_dst", to);
    set(nodes_.back(), "comm_tag", tag);
    set(nodes_.back(), "comm_size", bytes);
    return id;
  }
  std::uint64_t receive(const std::string& name, std::uint64_t from, std::uint64_t tag, std::uint64_t bytes,
                        const std::vector<std::uint64_t>& after = {}) {
    const std::uint64_t id = node(pb::COMM_RECV_NODE, name, after);
    set(nodes_.back(), "comm_src", from);
    set(nodes_.back(), "comm_tag", tag);
    set(nodes_.back(), "comm_size", bytes);
    return id;
  }

  pb::GlobalMetadata& metadata() { return metadata_; }
  pb::Node& last() { return nodes_.back(); }

  [[nodiscard]] std::string bytes() const {
    std::string file;
    append(file, metadata_);
    for (const pb::Node& node : nodes_)
      append(file, node);
    return file;
  }

private:
  pb::GlobalMetadata metadata_;
  std::vector<pb::Node> nodes_;
};

/// A folder of traces rank.0.et, rank.1.et, ... that lives as long as this.
class TraceFolder {
public:
  explicit TraceFolder(const std::vector<Writer>& ranks) {
    for (std::size_t i = 0; i < ranks.size(); ++i)
      write(static_cast<int>(i), ranks[i].bytes());
  }

  [[nodiscard]] std::string pattern() const { return folder_.file("rank.%d.et"); }
  [[nodiscard]] std::string file(int rank) const { return folder_.file("rank." + std::to_string(rank) + ".et"); }
  void write(int rank, const std::string& bytes) const { folder_.write("rank." + std::to_string(rank) + ".et", bytes); }
  [[nodiscard]] const TemporaryFolder& folder() const { return folder_; }

private:
  TemporaryFolder folder_;
};

} // namespace orrery::chakra_cases
