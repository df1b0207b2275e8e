// How single values, lists, maps and alternatives of each type are read from and written to nodes: the pieces of sim/base/params.hpp.
#pragma once

#include "sim/base/params_shape.hpp"

#include <cassert>
#include <cmath>
#include <limits>
#include <map>
#include <type_traits>
#include <variant>

namespace orrery {

struct NumberOptions {
  double min = 0;
  std::optional<double> above = {}; ///< exclusive minimum
  std::optional<double> max = {};
  bool required = false;
  std::string help = {};
};

template <class Q> struct QuantityOptions {
  Q min = Q{};
  std::optional<Q> above = {}; ///< exclusive minimum
  std::optional<Q> max = {};
  std::string unit_hint = {};
  bool required = false;
  std::string help = {};
};

struct FieldOptions {
  bool required = false;
  std::string help = {};
};

/// The words for the values of an enumeration.
template <class E> using Choices = std::vector<std::pair<std::string, E>>;

/// The word for a value.
template <class E> std::string choice_name(const Choices<E>& choices, E value) {
  for (const auto& [name, candidate] : choices) {
    if (candidate == value)
      return name;
  }
  assert(false && "every value of the enumeration has a word");
  return {};
}

namespace detail {

template <class M> struct OptionalOf {
  using Value = M;
  static constexpr bool optional = false;
};
template <class M> struct OptionalOf<std::optional<M>> {
  using Value = M;
  static constexpr bool optional = true;
};
template <class M> struct ItemOf;
template <class V> struct ItemOf<std::vector<V>> {
  using Value = V;
};
template <class M> struct MapOf;
template <class E, class V> struct MapOf<std::map<E, V>> {
  using Key = E;
  using Value = V;
};

template <class M> using Plain = typename OptionalOf<M>::Value;
template <class M> using Item = typename ItemOf<Plain<M>>::Value;
template <class M> using KeyOf = typename MapOf<Plain<M>>::Key;
template <class M> using MappedOf = typename MapOf<Plain<M>>::Value;

} // namespace detail

/// How values of one type are read from and written to nodes.
template <class V> struct Codec {
  Shape shape;
  std::function<void(const yaml::Node&, const Site&, V&)> read; ///< leaves the value as it was after a mistake
  std::function<yaml::Node(const V&)> write;
};

template <class T> class Table;

namespace detail {

template <class V> Codec<V> count_codec(const NumberOptions& options) {
  static_assert(std::is_arithmetic_v<V> && !std::is_same_v<V, bool>);
  // Doubles hold every whole number up to 2^53, and are the way in; types that hold less set the limit.
  static constexpr double most =
      std::numeric_limits<V>::digits < 53 ? static_cast<double>(std::numeric_limits<V>::max()) : 9007199254740992.0;
  Codec<V> codec;
  codec.shape = Shape{.kind = ShapeKind::count, .min = options.min, .above = options.above, .max = options.max};
  codec.read = [shape = codec.shape](const yaml::Node& node, const Site& site, V& value) {
    const auto number = read_count(node, shape, site);
    if (number && std::abs(*number) > most)
      site.error(node, shown(node.text), "a whole number of at most " + exact_number(most));
    else if (number)
      value = static_cast<V>(*number);
  };
  codec.write = [](const V& value) { return yaml::scalar(exact_number(static_cast<double>(value))); };
  return codec;
}

inline Codec<double> number_codec(const NumberOptions& options) {
  Codec<double> codec;
  codec.shape = Shape{.kind = ShapeKind::number, .min = options.min, .above = options.above, .max = options.max};
  codec.read = [shape = codec.shape](const yaml::Node& node, const Site& site, double& value) {
    if (const auto number = read_number(node, shape, site))
      value = *number;
  };
  codec.write = [](const double& value) { return yaml::scalar(exact_number(value)); };
  return codec;
}

template <class Q> Codec<Q> quantity_codec(const QuantityOptions<Q>& options) {
  Codec<Q> codec;
  codec.shape = Shape{.kind = ShapeKind::quantity, .min = options.min.si(), .dimension = dimension_of<Q>(), .unit_hint = options.unit_hint};
  if (options.above)
    codec.shape.above = options.above->si();
  if (options.max)
    codec.shape.max = options.max->si();
  codec.read = [shape = codec.shape](const yaml::Node& node, const Site& site, Q& value) {
    if (const auto si = read_quantity(node, shape, site))
      value = Q{*si};
  };
  codec.write = [](const Q& value) { return yaml::scalar(exact_quantity(value)); };
  return codec;
}

inline Codec<bool> flag_codec() {
  Codec<bool> codec;
  codec.shape = Shape{.kind = ShapeKind::flag};
  codec.read = [shape = codec.shape](const yaml::Node& node, const Site& site, bool& value) {
    if (const auto flag = read_flag(node, shape, site))
      value = *flag;
  };
  codec.write = [](const bool& value) { return yaml::scalar(value ? "true" : "false"); };
  return codec;
}

inline Codec<std::string> text_codec() {
  Codec<std::string> codec;
  codec.shape = Shape{.kind = ShapeKind::text};
  codec.read = [shape = codec.shape](const yaml::Node& node, const Site& site, std::string& value) {
    if (auto text = read_text(node, shape, site))
      value = std::move(*text);
  };
  codec.write = [](const std::string& value) { return yaml::scalar(value); };
  return codec;
}

template <class E> Codec<E> choice_codec(const Choices<E>& choices) {
  Codec<E> codec;
  codec.shape = Shape{.kind = ShapeKind::choice};
  for (const auto& choice : choices)
    codec.shape.names.push_back(choice.first);
  codec.read = [shape = codec.shape, choices](const yaml::Node& node, const Site& site, E& value) {
    if (const auto index = read_choice(node, shape, site))
      value = choices[*index].second;
  };
  codec.write = [choices](const E& value) { return yaml::scalar(choice_name(choices, value)); };
  return codec;
}

template <class V> Codec<V> object_codec(const Table<V>& table) {
  Codec<V> codec;
  codec.shape = Shape{.kind = ShapeKind::object, .table = &table};
  codec.read = [&table](const yaml::Node& node, const Site& site, V& value) { table.read_into(node, site, value); };
  codec.write = [&table](const V& value) { return table.write(value); };
  return codec;
}

template <class V> Codec<V> reference_codec(const Table<V>& table, const Catalogue& catalogue) {
  Codec<V> codec = object_codec(table);
  codec.shape.kind = ShapeKind::reference;
  codec.shape.catalogue = &catalogue;
  codec.read = [&table, &catalogue](const yaml::Node& node, const Site& site, V& value) {
    if (const auto expanded = expand_reference(node, table, catalogue, site))
      table.read_into(*expanded, site, value);
  };
  return codec;
}

template <class V> Codec<std::vector<V>> list_codec(Codec<V> item) {
  Codec<std::vector<V>> codec;
  codec.shape = Shape{.kind = ShapeKind::list, .item = std::make_shared<const Shape>(item.shape)};
  codec.read = [shape = codec.shape, read = item.read](const yaml::Node& node, const Site& site, std::vector<V>& value) {
    if (!node.is_sequence())
      return site.error(node, yaml::described(node), allowed_text(shape));
    value.clear();
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      V next{};
      read(node.items[i], site.below(std::to_string(i)), next);
      value.push_back(std::move(next));
    }
  };
  codec.write = [write = item.write](const std::vector<V>& value) {
    yaml::Node node = yaml::sequence();
    for (const V& next : value)
      node.items.push_back(write(next));
    return node;
  };
  return codec;
}

template <class E, class V> Codec<std::map<E, V>> map_codec(const Codec<E>& key, Codec<V> item) {
  Codec<std::map<E, V>> codec;
  codec.shape =
      Shape{.kind = ShapeKind::map, .item = std::make_shared<const Shape>(item.shape), .key = std::make_shared<const Shape>(key.shape)};
  codec.read = [shape = codec.shape, key, read = item.read](const yaml::Node& node, const Site& site, std::map<E, V>& value) {
    if (!node.is_map())
      return site.error(node, yaml::described(node), allowed_text(shape));
    value.clear();
    for (const yaml::Entry& entry : node.entries) {
      yaml::Node name = yaml::scalar(entry.key);
      name.location = entry.location;
      if (!read_choice(name, key.shape, site.below(entry.key)))
        continue;
      E element{};
      key.read(name, site, element);
      V next{};
      read(entry.value, site.below(entry.key), next);
      value[element] = std::move(next);
    }
  };
  codec.write = [key, write = item.write](const std::map<E, V>& value) {
    yaml::Node node = yaml::map();
    for (const auto& [name, next] : value)
      node.set(key.write(name).text, write(next));
    return node;
  };
  return codec;
}

template <class... Ts> Codec<std::variant<Ts...>> one_of_codec(const std::vector<std::string>& names, const Table<Ts>&... tables) {
  Codec<std::variant<Ts...>> codec;
  codec.shape = Shape{.kind = ShapeKind::one_of, .names = names, .tables = {&tables...}};
  codec.read = [shape = codec.shape, &tables...](const yaml::Node& node, const Site& site, std::variant<Ts...>& value) {
    const std::optional<std::size_t> chosen = read_alternative(node, shape, site);
    if (!chosen)
      return;
    const yaml::Entry& entry = node.entries.front();
    std::size_t index = 0;
    const auto read_if_chosen = [&](const auto& table, auto plain) {
      if (index++ != *chosen)
        return;
      table.read_into(entry.value, site.below(entry.key), plain);
      value = std::move(plain);
    };
    (read_if_chosen(tables, Ts{}), ...);
  };
  codec.write = [names, &tables...](const std::variant<Ts...>& value) {
    yaml::Node node = yaml::map();
    const auto write_if_held = [&]<class V>(const Table<V>& table) {
      if (const V* held = std::get_if<V>(&value))
        node.set(names[value.index()], table.write(*held));
    };
    (write_if_held(tables), ...);
    return node;
  };
  return codec;
}

} // namespace detail

} // namespace orrery
