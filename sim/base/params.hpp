// Parameter tables: one declaration per parameter, from which reading, default, range, help, JSON Schema and override paths all follow.
//
//   const Table<Plan>& plan_table() {
//     static const Table<Plan> table = Table<Plan>("plan", "Parallelism plan of a training job.")
//         .count("tp", &Plan::tp, {.min = 1, .help = "tensor-parallel degree"})
//         .choice("schedule", &Plan::schedule, {{"gpipe", ScheduleKind::gpipe}, ...}, {.help = "..."});
//     return table;
//   }
//   Plan plan = plan_table().read(node, diagnostics, "plan");
//
// A member may be T, or std::optional<T> (absent = not given); std::vector<T> goes by the plural (`counts`, `texts`, `list`, ...). A key
// that is not given keeps the member's default initialiser. Quantities, counts and numbers are not negative unless `min` says so.
#pragma once

#include "sim/base/params_shape.hpp"

#include <cassert>
#include <cmath>
#include <limits>
#include <map>
#include <type_traits>

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

} // namespace detail

/// What a cross-field check says.
class Report {
public:
  Report(const yaml::Node& node, const Site& site) : node_(node), site_(site) {}

  /// `key` is a dotted path inside the object ("memory.0.name"); empty = the object itself. The mistake is placed at the nearest part that
  /// the user has written.
  void error(std::string_view key, std::string message, std::string allowed = {}, std::string suggestion = {}) const;

private:
  const yaml::Node& node_;
  const Site& site_;
};

/// The parameters of a T.
template <class T> class Table : public TableInfo {
public:
  using TableInfo::TableInfo;

  /// A whole number; the member is any integer type, or a double for counts beyond them. "300e9" is one too.
  template <class M> Table& count(std::string key, M T::* member, NumberOptions options = {}) {
    return add(std::move(key), member, detail::count_codec<detail::Plain<M>>(options), options.required, std::move(options.help));
  }
  template <class M> Table& counts(std::string key, M T::* member, NumberOptions options = {}) {
    return add(std::move(key), member, detail::list_codec(detail::count_codec<detail::Item<M>>(options)), options.required,
               std::move(options.help));
  }
  /// A dimensionless double.
  template <class M> Table& number(std::string key, M T::* member, NumberOptions options = {}) {
    return add(std::move(key), member, detail::number_codec(options), options.required, std::move(options.help));
  }
  template <class M> Table& numbers(std::string key, M T::* member, NumberOptions options = {}) {
    return add(std::move(key), member, detail::list_codec(detail::number_codec(options)), options.required, std::move(options.help));
  }
  template <class M> Table& quantity(std::string key, M T::* member, QuantityOptions<detail::Plain<M>> options = {}) {
    return add(std::move(key), member, detail::quantity_codec(options), options.required, std::move(options.help));
  }
  template <class M> Table& quantities(std::string key, M T::* member, QuantityOptions<detail::Item<M>> options = {}) {
    return add(std::move(key), member, detail::list_codec(detail::quantity_codec(options)), options.required, std::move(options.help));
  }
  template <class M> Table& flag(std::string key, M T::* member, FieldOptions options = {}) {
    return add(std::move(key), member, detail::flag_codec(), options.required, std::move(options.help));
  }
  template <class M> Table& text(std::string key, M T::* member, FieldOptions options = {}) {
    return add(std::move(key), member, detail::text_codec(), options.required, std::move(options.help));
  }
  template <class M> Table& texts(std::string key, M T::* member, FieldOptions options = {}) {
    return add(std::move(key), member, detail::list_codec(detail::text_codec()), options.required, std::move(options.help));
  }
  template <class M> Table& choice(std::string key, M T::* member, const Choices<detail::Plain<M>>& choices, FieldOptions options = {}) {
    return add(std::move(key), member, detail::choice_codec(choices), options.required, std::move(options.help));
  }
  /// A map from the words of an enumeration to quantities: { bf16: 989 TFLOP/s }.
  template <class M>
  Table& quantity_map(std::string key, M T::* member, const Choices<detail::KeyOf<M>>& choices,
                      QuantityOptions<detail::MappedOf<M>> options = {}) {
    return add(std::move(key), member, detail::map_codec(detail::choice_codec(choices), detail::quantity_codec(options)), options.required,
               std::move(options.help));
  }
  template <class M> Table& object(std::string key, M T::* member, const Table<detail::Plain<M>>& table, FieldOptions options = {}) {
    return add(std::move(key), member, detail::object_codec(table), options.required, std::move(options.help));
  }
  template <class M> Table& list(std::string key, M T::* member, const Table<detail::Item<M>>& table, FieldOptions options = {}) {
    return add(std::move(key), member, detail::list_codec(detail::object_codec(table)), options.required, std::move(options.help));
  }
  /// The name of a catalogue entry, or an inline map; an inline map may start from an entry by `base: NAME`. Table and catalogue outlive
  /// this.
  template <class M>
  Table& reference(std::string key, M T::* member, const Table<detail::Plain<M>>& table, const Catalogue& catalogue,
                   FieldOptions options = {}) {
    return add(std::move(key), member, detail::reference_codec(table, catalogue), options.required, std::move(options.help));
  }
  /// A check over several fields. It runs on objects whose own keys are free of mistakes.
  Table& check(std::function<void(const T&, const Report&)> check) {
    checks_.push_back(std::move(check));
    return *this;
  }

  /// Reads a map. After mistakes the result is incomplete: look at the diagnostics.
  [[nodiscard]] T read(const yaml::Node& node, Diagnostics& diagnostics, const std::string& path = {}) const {
    T value{};
    read_into(node, Site{diagnostics, path}, value);
    return value;
  }

  /// Reads over the values that `value` has.
  void read_into(const yaml::Node& node, const Site& site, T& value) const {
    const std::size_t before = site.diagnostics.size();
    if (!check_keys(node, *this, site))
      return;
    for (std::size_t i = 0; i < fields_.size(); ++i) {
      if (const yaml::Node* given = node.find(fields_[i].key))
        accesses_[i].read(*given, site.below(fields_[i].key), value);
    }
    if (site.diagnostics.size() != before)
      return;
    for (const auto& check : checks_)
      check(value, Report(node, site));
  }

  /// Every value, defaults included; reads back to an equal value.
  [[nodiscard]] yaml::Node write(const T& value) const {
    yaml::Node node = yaml::map();
    for (std::size_t i = 0; i < fields_.size(); ++i) {
      if (std::optional<yaml::Node> written = accesses_[i].write(value))
        node.set(fields_[i].key, std::move(*written));
    }
    return node;
  }

private:
  struct Access {
    std::function<void(const yaml::Node&, const Site&, T&)> read;
    std::function<std::optional<yaml::Node>(const T&)> write;
  };

  template <class M> Table& add(std::string key, M T::* member, Codec<detail::Plain<M>> codec, bool required, std::string help) {
    assert(find(key) == nullptr && "a key is declared once");
    constexpr bool optional = detail::OptionalOf<M>::optional;
    FieldInfo info{.key = std::move(key),
                   .shape = codec.shape,
                   .help = std::move(help),
                   .required = required,
                   .optional = optional,
                   .default_value = {}};
    Access access;
    access.read = [member, read = codec.read](const yaml::Node& node, const Site& site, T& value) {
      if constexpr (optional) {
        detail::Plain<M> plain = (value.*member).value_or(detail::Plain<M>{});
        read(node, site, plain);
        value.*member = std::move(plain);
      } else {
        read(node, site, value.*member);
      }
    };
    access.write = [member, write = codec.write](const T& value) -> std::optional<yaml::Node> {
      if constexpr (optional)
        return value.*member ? std::optional<yaml::Node>(write(*(value.*member))) : std::nullopt;
      else
        return write(value.*member);
    };
    const bool nested = info.shape.kind == ShapeKind::object || info.shape.kind == ShapeKind::reference;
    if (!required && !nested)
      info.default_value = access.write(T{}).value_or(yaml::Node{});
    fields_.push_back(std::move(info));
    accesses_.push_back(std::move(access));
    return *this;
  }

  std::vector<Access> accesses_;
  std::vector<std::function<void(const T&, const Report&)>> checks_;
};

/// Reads a catalogue name, or an inline map, outside a table: the root of a file or a command-line argument.
template <class T>
T read_reference(const yaml::Node& node, const Table<T>& table, const Catalogue& catalogue, Diagnostics& diagnostics,
                 const std::string& path = {}) {
  T value{};
  detail::reference_codec(table, catalogue).read(node, Site{diagnostics, path}, value);
  return value;
}

} // namespace orrery
