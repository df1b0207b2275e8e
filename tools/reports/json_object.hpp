// One declaration per JSON object that the tools write, from which the writer and its JSON Schema follow.
#pragma once

#include <nlohmann/json.hpp>

#include <cassert>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

using OrderedJson = nlohmann::ordered_json;

/// The words of an enumeration in JSON.
template <class E> struct Word {
  E value;
  std::string_view word;
};

template <class E> using Words = std::vector<Word<E>>;

template <class E> std::string word_of(const Words<E>& words, E value) {
  for (const Word<E>& row : words) {
    if (row.value == value)
      return std::string(row.word);
  }
  assert(false && "every value of the enumeration has a word");
  return {};
}

/// How a T is written: its keys in order. A getter that returns an empty optional (or a null pointer) leaves its key out.
template <class T> class JsonObject {
public:
  explicit JsonObject(std::string summary) : summary_(std::move(summary)) {}

  /// `get` returns a number, a text or a flag, or an optional of one.
  template <class G> JsonObject& value(std::string key, std::string help, G get) {
    using Returned = std::invoke_result_t<G, const T&>;
    return add(std::move(key), std::move(help), scalar_schema<typename Plain<Returned>::Type>(), Plain<Returned>::optional,
               [get](const T& object) -> std::optional<OrderedJson> {
                 if constexpr (Plain<Returned>::optional) {
                   const auto got = get(object);
                   return got ? std::optional<OrderedJson>(*got) : std::nullopt;
                 } else {
                   return OrderedJson(get(object));
                 }
               });
  }
  template <class E, class G> JsonObject& word(std::string key, std::string help, const Words<E>& words, G get) {
    OrderedJson schema = {{"enum", OrderedJson::array()}};
    for (const Word<E>& row : words)
      schema["enum"].push_back(row.word);
    return add(std::move(key), std::move(help), schema, false,
               [get, words](const T& object) -> std::optional<OrderedJson> { return word_of(words, get(object)); });
  }
  /// `get` returns a pointer; null = the key is left out.
  template <class U, class G> JsonObject& object(std::string key, std::string help, const JsonObject<U>& shape, G get) {
    return add(std::move(key), std::move(help), shape.schema(), true, [get, shape](const T& whole) -> std::optional<OrderedJson> {
      const U* part = get(whole);
      return part == nullptr ? std::nullopt : std::optional<OrderedJson>(shape.write(*part));
    });
  }
  /// `get` returns a reference to a vector.
  template <class U>
  JsonObject& list(std::string key, std::string help, const JsonObject<U>& shape, std::vector<U> T::* member,
                   bool leave_out_empty = false) {
    return add(std::move(key), std::move(help), {{"type", "array"}, {"items", shape.schema()}}, leave_out_empty,
               [member, shape, leave_out_empty](const T& whole) -> std::optional<OrderedJson> {
                 OrderedJson items = OrderedJson::array();
                 for (const U& item : whole.*member)
                   items.push_back(shape.write(item));
                 return leave_out_empty && items.empty() ? std::nullopt : std::optional<OrderedJson>(std::move(items));
               });
  }
  template <class U> JsonObject& values(std::string key, std::string help, std::vector<U> T::* member) {
    return add(std::move(key), std::move(help), {{"type", "array"}, {"items", scalar_schema<U>()}}, false,
               [member](const T& whole) -> std::optional<OrderedJson> { return OrderedJson(whole.*member); });
  }

  [[nodiscard]] OrderedJson write(const T& value) const {
    OrderedJson out = OrderedJson::object();
    for (const Key& key : keys_) {
      if (std::optional<OrderedJson> written = key.write(value))
        out[key.name] = std::move(*written);
    }
    return out;
  }

  [[nodiscard]] OrderedJson schema() const {
    OrderedJson properties = OrderedJson::object();
    OrderedJson required = OrderedJson::array();
    for (const Key& key : keys_) {
      properties[key.name] = key.schema;
      if (!key.optional)
        required.push_back(key.name);
    }
    return {
        {"type", "object"}, {"description", summary_}, {"additionalProperties", false}, {"required", required}, {"properties", properties}};
  }

private:
  template <class V> struct Plain {
    using Type = V;
    static constexpr bool optional = false;
  };
  template <class V> struct Plain<std::optional<V>> {
    using Type = V;
    static constexpr bool optional = true;
  };

  struct Key {
    std::string name;
    OrderedJson schema;
    bool optional = false;
    std::function<std::optional<OrderedJson>(const T&)> write;
  };

  template <class V> static OrderedJson scalar_schema() {
    if constexpr (std::is_same_v<V, bool>)
      return {{"type", "boolean"}};
    else if constexpr (std::is_integral_v<V>)
      return {{"type", "integer"}};
    else if constexpr (std::is_floating_point_v<V>)
      return {{"type", "number"}};
    else
      return {{"type", "string"}};
  }

  JsonObject& add(std::string key, std::string help, OrderedJson schema, bool optional,
                  std::function<std::optional<OrderedJson>(const T&)> write) {
    if (!help.empty())
      schema["description"] = std::move(help);
    keys_.push_back(Key{.name = std::move(key), .schema = std::move(schema), .optional = optional, .write = std::move(write)});
    return *this;
  }

  std::string summary_;
  std::vector<Key> keys_;
};

} // namespace orrery
