// Values and mistakes of YAML text, for tests.
#pragma once

#include "sim/base/catalogue.hpp"
#include "sim/base/params.hpp"

#include <catch2/catch.hpp>

#include <string>

namespace orrery {

inline yaml::Node parsed(const std::string& text, const std::string& name = "t.yaml") {
  Diagnostics diagnostics;
  yaml::Node node = yaml::parse_yaml(text, name, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(diagnostics.empty());
  return node;
}

template <class T> std::string mistakes(const Table<T>& table, const std::string& text) {
  Diagnostics diagnostics;
  static_cast<void>(table.read(yaml::parse_yaml(text, "t.yaml", diagnostics), diagnostics));
  return diagnostics.render();
}

template <class T> T from_catalogue(const std::string& name, const Table<T>& table, const Catalogue& catalogue) {
  Diagnostics diagnostics;
  const T value = read_reference(yaml::scalar(name), table, catalogue, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(diagnostics.empty());
  return value;
}

} // namespace orrery
