// Traffic drawn from laws: sessions, shared prefixes, trees, classes.
#include "workloads/requests/request_traffic.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <set>

namespace orrery::request_traffic_test {

namespace {

std::vector<std::uint32_t> blocks_of(const RequestStream& stream, const Request& request) {
  const auto begin = stream.blocks.begin() + request.prefix;
  return {begin, begin + request.prefix_blocks};
}

std::size_t common(const std::vector<std::uint32_t>& a, const std::vector<std::uint32_t>& b) {
  return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

Traffic chat() {
  return {.requests = 2000,
          .arrivals = PoissonArrivals{Hertz{5}},
          .input = LognormalLength{.median = 100, .sigma = 0.6, .min = 4, .max = 2000},
          .output = UniformLength{10, 200},
          .sessions = {.turns = 4, .most = 20, .think = Seconds{8}}};
}

} // namespace

TEST_CASE("the same seed gives the same requests, another seed others", "[traffic]") {
  const RequestStream a = generate_requests(chat(), 1);
  const RequestStream b = generate_requests(chat(), 1);
  const RequestStream c = generate_requests(chat(), 2);
  REQUIRE(a.requests.size() == 2000);
  int equal = 0;
  for (std::size_t i = 0; i < a.requests.size(); ++i) {
    CHECK(a.requests[i].arrival == b.requests[i].arrival);
    CHECK(a.requests[i].input == b.requests[i].input);
    equal += a.requests[i].input == c.requests[i].input ? 1 : 0;
  }
  CHECK(equal < 200);
}

TEST_CASE("a change of the lengths leaves the arrivals as they are", "[traffic]") {
  Traffic longer = chat();
  longer.input = FixedLength{700};
  longer.sessions = {};
  Traffic plain = chat();
  plain.sessions = {};
  const RequestStream a = generate_requests(plain, 1);
  const RequestStream b = generate_requests(longer, 1);
  for (std::size_t i = 0; i < a.requests.size(); ++i)
    REQUIRE(a.requests[i].arrival == b.requests[i].arrival);
}

TEST_CASE("turns of a session carry all that was said before", "[traffic]") {
  const RequestStream stream = generate_requests(chat(), 7);
  int sessions = 0;
  double think = 0;
  Seconds before;
  for (std::size_t i = 0; i < stream.requests.size(); ++i) {
    const Request& request = stream.requests[i];
    if (request.follows == no_request) {
      ++sessions;
      CHECK(request.arrival >= before);
      before = request.arrival;
      continue;
    }
    REQUIRE(request.follows == i - 1);
    const Request& last = stream.requests[i - 1];
    CHECK(request.input > last.input + last.output);
    CHECK(request.prefix_blocks == (request.input + request.output) / 16);
    CHECK(common(blocks_of(stream, last), blocks_of(stream, request)) == last.prefix_blocks);
    think += request.arrival.si();
  }
  CHECK(2000.0 / sessions == Approx(4).epsilon(0.15));
  CHECK(think / (2000 - sessions) == Approx(8).epsilon(0.15));
  // Sessions share nothing with one another.
  std::map<std::uint32_t, std::uint32_t> owner;
  std::uint32_t session = 0;
  for (const Request& request : stream.requests) {
    session += request.follows == no_request ? 1 : 0;
    for (const std::uint32_t block : blocks_of(stream, request))
      CHECK(owner.try_emplace(block, session).first->second == session);
  }
}

TEST_CASE("sessions end before their context outgrows its bound", "[traffic]") {
  Traffic traffic = chat();
  traffic.sessions.max_context = 1000;
  for (const Request& request : generate_requests(traffic, 3).requests)
    if (request.follows != no_request)
      CHECK(request.input + request.output <= 1000);
}

TEST_CASE("what a session begins with is drawn again until it fits", "[traffic]") {
  Traffic traffic{.requests = 2000, .input = LognormalLength{900, 1, 4, 5000}, .output = LognormalLength{140, 1, 2, 5000}};
  const RequestStream free = generate_requests(traffic, 3);
  traffic.max_context = 2047;
  const RequestStream bounded = generate_requests(traffic, 3);
  REQUIRE(bounded.requests.size() == 2000);
  std::size_t next = 0; // those of the free stream that fit, in their order
  for (const Request& request : bounded.requests) {
    CHECK(request.input + request.output <= 2047);
    while (next < free.requests.size() && free.requests[next].input + free.requests[next].output > 2047)
      ++next;
    if (next == free.requests.size())
      break;
    CHECK((free.requests[next].input == request.input && free.requests[next].output == request.output));
    ++next;
  }
  CHECK(next > 1000);
}

TEST_CASE("prompts of a group begin with its prefix", "[traffic]") {
  Traffic traffic{.requests = 4000, .input = FixedLength{30}, .prefix = {.tokens = 100, .groups = 4, .exponent = 1}, .block_tokens = 32};
  const RequestStream stream = generate_requests(traffic, 1);
  std::map<std::uint32_t, int> popularity;
  for (const Request& request : stream.requests) {
    CHECK(request.input == 130);
    REQUIRE(request.prefix_blocks == 3);
    ++popularity[blocks_of(stream, request).front()];
  }
  REQUIRE(popularity.size() == 4);
  // Shares 1, 1/2, 1/3, 1/4 of 25/12.
  CHECK(popularity[0] == Approx(4000 * 12.0 / 25).epsilon(0.06));
  CHECK(popularity[9] == Approx(4000 * 3.0 / 25).epsilon(0.15));
  traffic.sessions = {.turns = 3};
  const RequestStream chats = generate_requests(traffic, 1);
  for (const Request& request : chats.requests)
    CHECK(blocks_of(chats, request)[2] % 3 == 2);
}

TEST_CASE("samples of one prompt share it whole", "[traffic]") {
  const RequestStream stream = generate_requests(
      {.requests = 40, .input = UniformLength{100, 200}, .output = UniformLength{1, 50}, .continuations = {.width = 8}}, 1);
  REQUIRE(stream.requests.size() == 40);
  for (std::size_t i = 0; i < 40; ++i) {
    const Request& first = stream.requests[i / 8 * 8];
    CHECK(stream.requests[i].input == first.input);
    CHECK(stream.requests[i].follows == no_request);
    CHECK(blocks_of(stream, stream.requests[i]) == blocks_of(stream, first));
    CHECK(stream.requests[i].prefix_blocks == first.input / 16);
  }
}

TEST_CASE("a tree search continues the kept answers of each level", "[traffic]") {
  const RequestStream stream = generate_requests(
      {.requests = 12, .input = FixedLength{64}, .output = FixedLength{32}, .continuations = {.width = 4, .levels = 3, .keep = 2}}, 1);
  REQUIRE(stream.requests.size() == 12);
  std::vector<RequestId> parents;
  for (std::size_t i = 4; i < 12; ++i) {
    const Request& request = stream.requests[i];
    parents.push_back(request.follows);
    const Request& parent = stream.requests[request.follows];
    CHECK(request.input == parent.input + parent.output);
    CHECK(parent.prefix_blocks == (parent.input + parent.output) / 16);
    CHECK(common(blocks_of(stream, parent), blocks_of(stream, request)) == parent.prefix_blocks);
  }
  CHECK(common(blocks_of(stream, stream.requests[4]), blocks_of(stream, stream.requests[5])) == 6);
  CHECK(parents == std::vector<RequestId>{0, 0, 1, 1, 4, 4, 5, 5});
}

TEST_CASE("classes get their shares and their own lengths", "[traffic]") {
  const RequestStream stream = generate_requests(
      {.requests = 10'000,
       .input = FixedLength{10},
       .classes = {{.name = "chat", .share = 3, .priority = 1, .ttft = Seconds{0.5}}, {.name = "batch", .input = FixedLength{5000}}}},
      1);
  REQUIRE(stream.classes.size() == 2);
  CHECK(stream.classes[0].ttft == Seconds{0.5});
  int batch = 0;
  for (const Request& request : stream.requests) {
    batch += request.service_class;
    CHECK(request.input == (request.service_class == 1 ? 5000 : 10));
  }
  CHECK(batch == Approx(2500).epsilon(0.06));
}

TEST_CASE("traffic ends with its number or its time", "[traffic]") {
  CHECK(generate_requests({}, 1).requests.size() == standard_requests);
  const RequestStream hour = generate_requests({.duration = Seconds{100}, .arrivals = PoissonArrivals{Hertz{10}}}, 1);
  CHECK(hour.requests.size() == Approx(1000).epsilon(0.15));
  CHECK(hour.requests.back().arrival <= Seconds{100});
  const RequestStream loop = generate_requests({.requests = 5, .arrivals = ClosedLoop{.concurrency = 3}}, 1);
  CHECK(loop.concurrency == 3);
  CHECK(loop.requests.size() == 5);
}

} // namespace orrery::request_traffic_test
