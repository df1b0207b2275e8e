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

#include "sim/base/params_codec.hpp"

#include <algorithm>

namespace orrery {

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
  /// A std::string out of a list of names.
  template <class M> Table& word(std::string key, M T::* member, const std::vector<std::string>& names, FieldOptions options = {}) {
    Choices<std::string> choices;
    for (const std::string& name : names)
      choices.emplace_back(name, name);
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
  /// A map from the words of an enumeration to objects.
  template <class M>
  Table& object_map(std::string key, M T::* member, const Choices<detail::KeyOf<M>>& choices, const Table<detail::MappedOf<M>>& table,
                    FieldOptions options = {}) {
    return add(std::move(key), member, detail::map_codec(detail::choice_codec(choices), detail::object_codec(table)), options.required,
               std::move(options.help));
  }
  /// A std::variant, written as a map of one key that says which alternative follows: { matmul: { m: 1, ... } }. Names in the order of the
  /// alternatives.
  template <class M, class... Ts>
  Table& one_of(std::string key, M T::* member, const std::vector<std::string>& names, const Table<Ts>&... tables) {
    assert(names.size() == sizeof...(Ts));
    return add(std::move(key), member, detail::one_of_codec(names, tables...), false, {});
  }
  /// The name of a catalogue entry, or an inline map; an inline map may start from an entry by `base: NAME`. Table and catalogue outlive
  /// this.
  template <class M>
  Table& reference(std::string key, M T::* member, const Table<detail::Plain<M>>& table, const Catalogue& catalogue,
                   FieldOptions options = {}) {
    return add(std::move(key), member, detail::reference_codec(table, catalogue), options.required, std::move(options.help));
  }
  /// A value with a reader of its own.
  template <class M> Table& value(std::string key, M T::* member, Codec<detail::Plain<M>> codec, FieldOptions options = {}) {
    return add(std::move(key), member, std::move(codec), options.required, std::move(options.help));
  }
  /// A check over several fields. It runs on objects whose own keys are free of mistakes.
  Table& check(std::function<void(const T&, const Report&)> check) {
    checks_.push_back(std::move(check));
    return *this;
  }

  /// What else changes in an entry of a catalogue when values are laid over it.
  Table& overlaid(std::function<void(const TableInfo&, yaml::Node& entry, const yaml::Node& before)> change) {
    overlaid_ = std::move(change);
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
    run_checks(node, site, before, value);
  }

  /// What read() gives for a document that differs from that of `before` below the keys `changed` alone.
  [[nodiscard]] T read_changed(const yaml::Node& node, const T& before, const std::vector<std::string>& changed,
                               Diagnostics& diagnostics) const {
    T value{};
    const Site site{diagnostics, {}};
    const std::size_t mistakes = diagnostics.size();
    if (!check_keys(node, *this, site))
      return value;
    for (std::size_t i = 0; i < fields_.size(); ++i) {
      const yaml::Node* given = node.find(fields_[i].key);
      if (std::find(changed.begin(), changed.end(), fields_[i].key) == changed.end())
        accesses_[i].copy(before, value);
      else if (given != nullptr)
        accesses_[i].read(*given, site.below(fields_[i].key), value);
    }
    run_checks(node, site, mistakes, value);
    return value;
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
    std::function<void(const T& from, T& to)> copy;
  };

  /// Where nothing was wrong with the keys: `mistakes` were known before they were read.
  void run_checks(const yaml::Node& node, const Site& site, std::size_t mistakes, const T& value) const {
    if (site.diagnostics.size() != mistakes)
      return;
    for (const auto& check : checks_)
      check(value, Report(node, site));
  }

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
    access.copy = [member](const T& from, T& to) { to.*member = from.*member; };
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
