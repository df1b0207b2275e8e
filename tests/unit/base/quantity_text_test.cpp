#include "sim/base/quantity_text.hpp"

#include <catch2/catch.hpp>

#include <limits>

namespace orrery::quantity_text_test {

namespace {

template <class Q> double si_of(const std::string& text) {
  QuantityError error;
  const double value = parse_quantity(text, dimension_of<Q>(), {}, error);
  INFO(text << ": " << error.message);
  REQUIRE(error.message.empty());
  return value;
}

template <class Q> std::string mistake(const std::string& text, const std::string& hint = {}) {
  QuantityError error;
  parse_quantity(text, dimension_of<Q>(), hint, error);
  return error.suggestion.empty() ? error.message : error.message + "; " + error.suggestion;
}

std::string number_mistake(const std::string& text) {
  QuantityError error;
  parse_number(text, error);
  return error.suggestion.empty() ? error.message : error.message + "; " + error.suggestion;
}

} // namespace

TEST_CASE("units give SI values, exact to the last bit where the unit is a power of ten") {
  CHECK(si_of<BytesPerSecond>("3.35 TB/s") == 3.35e12);
  CHECK(si_of<Bytes>("80GB") == 80e9);
  CHECK(si_of<Bytes>("80 GiB") == 80.0 * 1073741824.0);
  CHECK(si_of<BytesPerSecond>("400 Gb/s") == 50e9);
  CHECK(si_of<BytesPerSecond>("1 GiB/s") == 1073741824.0);
  CHECK(si_of<Seconds>("1.1 us") == 1.1e-6);
  CHECK(si_of<Seconds>("3 min") == 180);
  CHECK(si_of<Seconds>("2 d") == 172800);
  CHECK(si_of<Seconds>("1 y") == 31536000);
  CHECK(si_of<Watts>(" 700  W ") == 700);
  CHECK(si_of<Watts>("1.5 MW") == 1.5e6);
  CHECK(si_of<FlopsPerSecond>("989.5 TFLOP/s") == 989.5e12);
  CHECK(si_of<FlopsPerSecond>("400 TOPS") == 400e12);
  CHECK(si_of<Flops>("1e3 TFLOP") == 1e15);
  CHECK(si_of<Joules>("1 kWh") == 3.6e6);
  CHECK(si_of<Hertz>("1830 MHz") == 1.83e9);
  CHECK(si_of<DollarsPerJoule>("0.36 USD/kWh") == Approx(1e-7).epsilon(1e-15));
  CHECK(si_of<DollarsPerSecond>("36 USD/h") == Approx(0.01).epsilon(1e-15));
  CHECK(si_of<JoulesPerByte>("1 pJ/bit") == si_of<JoulesPerByte>("8 pJ/B"));
  CHECK(si_of<JoulesPerFlop>("0.7 pJ/FLOP") == 0.7e-12);
  CHECK(si_of<Seconds>("-.5 s") == -0.5);
}

TEST_CASE("mistakes in quantities say what to write") {
  CHECK(mistake<Watts>("700") == "'700', a number without a unit; write '700 W'");
  CHECK(mistake<Watts>("700", "kW") == "'700', a number without a unit; write '700 kW'");
  CHECK(mistake<Watts>("700 GB") == "'700 GB', which is a size");
  CHECK(mistake<Watts>("700 w") == "'700 w', with the unknown unit 'w'; write '700 W'");
  CHECK(mistake<BytesPerSecond>("400 Gbps") == "'400 Gbps', with the unknown unit 'Gbps'; write '400 GB/s' or '400 Gb/s'");
  CHECK(mistake<FlopsPerSecond>("989 TFLOPS") == "'989 TFLOPS', with the unknown unit 'TFLOPS'; write '989 TFLOP/s'");
  CHECK(mistake<Flops>("989 TFLOPS") == "'989 TFLOPS', with the unknown unit 'TFLOPS'; write '989 TFLOP'");
  CHECK(mistake<Bytes>("80 gb") == "'80 gb', with the unknown unit 'gb'; write '80 GB'");
  CHECK(mistake<Seconds>("3 hours") == "'3 hours', with the unknown unit 'hours'; write '3 h'");
  CHECK(mistake<Dollars>("3 $") == "'3 $', with the unknown unit '$'; write '3 USD'");
  CHECK(mistake<Bytes>("80 parsec") == "'80 parsec', with the unknown unit 'parsec'");
  CHECK(mistake<Bytes>("much") == "'much', not a number with a unit");
  CHECK(mistake<Bytes>("") == "'', not a number with a unit");
  CHECK(mistake<Bytes>("- GB") == "'- GB', not a number with a unit");
  CHECK(mistake<Bytes>("nan GB") == "'nan GB', not a number with a unit");
  CHECK(mistake<Bytes>("inf GB") == "'inf GB', not a number with a unit");
  CHECK(mistake<Bytes>("1e400 GB") == "'1e400 GB', a number out of range");
  CHECK(mistake<Bytes>("1e307 GB") == "'1e307 GB', a number out of range");
  CHECK(mistake<Bytes>("1e99999999999 GB") == "'1e99999999999 GB', a number out of range");
  CHECK(mistake<Bytes>("080 GB") == "'080 GB', a number with a leading zero; write '80 GB'");
  CHECK(mistake<Bytes>("0x10 GB") == "'0x10 GB', with the unknown unit 'x10 GB'");
  CHECK(mistake<Bytes>("1 GB GB") == "'1 GB GB', with the unknown unit 'GB GB'");
}

TEST_CASE("plain numbers") {
  QuantityError error;
  CHECK(parse_number("300e9", error) == 300e9);
  CHECK(parse_number("1E+3", error) == 1000);
  CHECK(parse_number("0", error) == 0);
  CHECK(parse_number("0.5", error) == 0.5);
  CHECK(parse_number("-2", error) == -2);
  CHECK(error.message.empty());
  CHECK(number_mistake("012") == "'012', a number with a leading zero; write '12'");
  CHECK(number_mistake("-007.5") == "'-007.5', a number with a leading zero; write '-7.5'");
  CHECK(number_mistake("1_000") == "'1_000', not a number; write '1000'");
  CHECK(number_mistake("1,000,000") == "'1,000,000', not a number; write '1000000'");
  CHECK(number_mistake("+4") == "'+4', not a number; write '4'");
  for (const char* text :
       {"0x1F", "0b1", "0o7", "inf", "-inf", ".inf", "nan", ".nan", "", "-", ".", "e5", "1e", "1e+-3", "1e-+3", "1 2", "1.2.3", "--1"})
    CHECK(number_mistake(text).find("not a number") != std::string::npos);
  CHECK(number_mistake("1e999").find("out of range") != std::string::npos);
  CHECK(number_mistake("0e999").empty());
}

TEST_CASE("quantities for people") {
  CHECK(format_quantity(Seconds{0.00123}) == "1.23 ms");
  CHECK(format_quantity(Seconds{0.00123456}, 4) == "1.235 ms");
  CHECK(format_quantity(Seconds{0.9999}) == "1 s");
  CHECK(format_quantity(Seconds{90}) == "90 s");
  CHECK(format_quantity(Seconds{600}) == "10 min");
  CHECK(format_quantity(Seconds{40 * 86400.0}) == "40 d");
  CHECK(format_quantity(Seconds{}) == "0 s");
  CHECK(format_quantity(Seconds{3e-12}) == "0.003 ns");
  CHECK(format_quantity(Seconds{-0.002}) == "-2 ms");
  CHECK(format_quantity(Watts{1.5e6}) == "1.5 MW");
  CHECK(format_quantity(Bytes{80e9}) == "80 GB");
  CHECK(format_quantity(Bytes{999.96e6}) == "1 GB");
  CHECK(format_quantity(BytesPerSecond{3.352e12}) == "3.35 TB/s");
  CHECK(format_quantity(FlopsPerSecond{989.4e12}) == "989 TFLOP/s");
  CHECK(format_quantity(Dollars{12345}) == "12345 USD");
  CHECK(format_quantity(DollarsPerSecond{1.0 / 3600}) == "1 USD/h");
  CHECK(format_quantity(DollarsPerJoule{0.08 / 3.6e6}) == "0.08 USD/kWh");
  CHECK(format_quantity(JoulesPerFlop{0.7e-12}) == "0.7 pJ/FLOP");
  CHECK(format_quantity(Watts{std::numeric_limits<double>::infinity()}) == "inf W");
  CHECK(format_number(0.4567) == "0.457");
  CHECK(format_number(0.04999999) == "0.05");
  CHECK(format_number(1234567) == "1234567");
  CHECK(format_number(12.345) == "12.3");
  CHECK(format_number(-0.0) == "0");
  CHECK(format_number(1e-9) == "1e-09");
}

TEST_CASE("dumped quantities are short where they can be") {
  CHECK(exact_quantity(BytesPerSecond{3.35e12}) == "3.35 TB/s");
  CHECK(exact_quantity(BytesPerSecond{50e9}) == "50 GB/s");
  CHECK(exact_quantity(Seconds{1.1e-6}) == "1.1 us");
  CHECK(exact_quantity(Seconds{6 * 365.0 * 86400}) == "6 y");
  CHECK(exact_quantity(Seconds{}) == "0 s");
  CHECK(exact_quantity(Watts{}) == "0 W");
  CHECK(exact_quantity(DollarsPerJoule{0.08 / 3.6e6}) == "0.08 USD/kWh");
  CHECK(exact_quantity(JoulesPerByte{}) == "0 J/B");
  CHECK(exact_quantity(Seconds{1e-320}) == "1e-320 s");
  CHECK(exact_quantity(Seconds{5e-324}) == "5e-324 s");
  CHECK(exact_quantity(Watts{1.7976931348623157e308}) == "1.7976931348623157e308 W");
  CHECK(exact_number(1e15) == "1e15");
  CHECK(exact_number(300e9) == "300000000000");
  CHECK(exact_number(0.1) == "0.1");
  CHECK(exact_number(-1.5e-7) == "-1.5e-7");
  CHECK(exact_number(-0.0) == "0");
  CHECK(exact_number(-std::numeric_limits<double>::infinity()) == "-inf");
  CHECK(exact_number(std::numeric_limits<double>::quiet_NaN()) == "nan");
}

} // namespace orrery::quantity_text_test
