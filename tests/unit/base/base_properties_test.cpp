// Laws that hold for every input, on random ones.
#include "sim/base/percentile.hpp"
#include "sim/base/quantity_text.hpp"
#include "sim/base/yaml.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck.h>

#include <cmath>
#include <cstring>

namespace orrery::base_properties_test {

namespace {

/// Any finite double of moderate exponent, or a short decimal one.
double any_value() {
  if (*rc::gen::arbitrary<bool>())
    return *rc::gen::inRange(-1000000, 1000000) * std::pow(10.0, *rc::gen::inRange(-20, 30));
  const double mantissa = static_cast<double>(*rc::gen::arbitrary<std::int64_t>());
  return std::ldexp(mantissa, *rc::gen::inRange(-200, 100));
}

std::string any_text() {
  return *rc::gen::container<std::string>(
      rc::gen::oneOf(rc::gen::inRange<char>(0x20, 0x7F), rc::gen::element<char>('\n', '\t', ':', '#', '-', '"', '\'', '\\', ',', '[', '{',
                                                                                '&', '*', '!', '|', '>', '%', '@', '`', ' ', '~', '?')));
}

yaml::Node any_node(int depth) {
  switch (*rc::gen::inRange(0, depth > 0 ? 5 : 2)) {
  case 0:
    return {};
  case 1:
  case 2:
    return yaml::scalar(any_text());
  case 3: {
    yaml::Node node = yaml::sequence();
    for (int n = *rc::gen::inRange(0, 4); n > 0; --n)
      node.items.push_back(any_node(depth - 1));
    return node;
  }
  default: {
    yaml::Node node = yaml::map();
    for (int n = *rc::gen::inRange(0, 4); n > 0; --n)
      node.set(any_text(), any_node(depth - 1));
    return node;
  }
  }
}

template <class Q> void round_trips(double si) {
  const std::string text = exact_quantity(Q{si});
  QuantityError error;
  const double back = parse_quantity(text, dimension_of<Q>(), {}, error);
  RC_LOG() << text;
  RC_ASSERT(error.message.empty());
  RC_ASSERT(back == si);
}

} // namespace

TEST_CASE("a dumped quantity reads back to the same double") {
  CHECK(rc::check([] {
    const double si = any_value();
    round_trips<Seconds>(si);
    round_trips<Hertz>(si);
    round_trips<Bytes>(si);
    round_trips<Flops>(si);
    round_trips<Joules>(si);
    round_trips<Dollars>(si);
    round_trips<BytesPerSecond>(si);
    round_trips<FlopsPerSecond>(si);
    round_trips<Watts>(si);
    round_trips<JoulesPerByte>(si);
    round_trips<JoulesPerFlop>(si);
    round_trips<DollarsPerSecond>(si);
    round_trips<DollarsPerJoule>(si);
  }));
}

TEST_CASE("a dumped number reads back to the same double") {
  CHECK(rc::check([] {
    const double value = any_value();
    QuantityError error;
    RC_ASSERT(parse_number(exact_number(value), error) == value);
    RC_ASSERT(error.message.empty());
  }));
}

TEST_CASE("a quantity shown to people is within its digits") {
  CHECK(rc::check([] {
    const double si = any_value();
    RC_PRE(si == 0 || (std::abs(si) > 1e-12 && std::abs(si) < 1e20));
    QuantityError error;
    const double back = parse_quantity(format_quantity(Seconds{si}), dimension_of<Seconds>(), {}, error);
    RC_ASSERT(error.message.empty());
    RC_ASSERT(std::abs(back - si) <= 0.0051 * std::abs(si));
  }));
}

TEST_CASE("a written document reads back to the same values") {
  CHECK(rc::check([] {
    yaml::Node node = any_node(4);
    if (node.is_null())
      node = yaml::sequence();
    const std::string text = yaml::to_yaml(node);
    RC_LOG() << text;
    Diagnostics diagnostics;
    const yaml::Node back = yaml::parse_yaml(text, "t.yaml", diagnostics);
    RC_LOG() << diagnostics.render();
    RC_ASSERT(diagnostics.empty());
    RC_ASSERT(back == node);
  }));
}

TEST_CASE("any text is read or refused, and what is read can be written") {
  CHECK(rc::check([] {
    const std::string text = any_text();
    Diagnostics diagnostics;
    const yaml::Node node = yaml::parse_yaml(text, "t.yaml", diagnostics);
    if (!diagnostics.empty() || node.is_null())
      return;
    Diagnostics again;
    const yaml::Node back = yaml::parse_yaml(yaml::to_yaml(node), "t.yaml", again);
    RC_ASSERT(again.empty());
    RC_ASSERT(yaml::to_yaml(back) == yaml::to_yaml(node));
  }));
}

TEST_CASE("a percentile lies between its neighbours: of two values the median is the mean") {
  const auto of = [](std::vector<double> values, double share) { return percentile(values, share); };
  CHECK(of({3}, 0.9) == 3);
  CHECK(of({1, 3}, 0.5) == 2);
  CHECK(of({1, 2, 4}, 0.5) == 2);
  CHECK(of({0, 10}, 0.94) == Approx(9.4));
  CHECK(of({0, 10}, 1) == 10);
  CHECK(of({4, 1, 3, 2}, 0) == 1);
  CHECK(of({4, 1, 3, 2}, 1) == 4);
  CHECK(of({4, 1, 3, 2}, 0.5) == 2.5);
  CHECK(of({4, 1, 3, 2}, 0.9) == Approx(3.7));
  CHECK(of({7}, 0.99) == 7);
}

} // namespace orrery::base_properties_test
