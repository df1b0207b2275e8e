#include "workloads/requests/request_traffic.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace orrery {

namespace {

class Generator {
public:
  Generator(const Traffic& traffic, std::uint64_t seed)
      : traffic_(traffic), clock_(traffic.arrivals, seed), shape_(seed, "sessions"), class_draws_(seed, "classes"),
        groups_(group_law(traffic.prefix), seed, "prefixes"),
        limit_(traffic.requests.value_or(traffic.duration ? most_requests : standard_requests)) {
    stream_.block_tokens = static_cast<int>(traffic.block_tokens);
    add_classes(seed);
    for (std::uint32_t group = 0; group < traffic.prefix.groups; ++group)
      add_blocks(prefix_blocks());
    if (traffic.requests)
      stream_.requests.reserve(limit_);
    if (const auto* loop = std::get_if<ClosedLoop>(&traffic.arrivals))
      close_loop(stream_, *loop);
    stream_.stages = std::max(1, static_cast<int>(traffic.stages.size()));
  }

  RequestStream run() {
    for (std::uint32_t made = 0; (traffic_.stages.empty() ? stream_.requests.size() : made) < limit_; ++made) {
      const Seconds arrival = clock_.next();
      if (traffic_.duration && arrival > *traffic_.duration)
        break;
      if (traffic_.stages.empty())
        add_session(arrival);
      else
        add_task(arrival);
    }
    return std::move(stream_);
  }

private:
  struct ClassLengths {
    LengthSource input;
    LengthSource output;
  };

  static LengthLaw group_law(const SharedPrefix& prefix) {
    return ZipfLength{.exponent = prefix.exponent, .min = 1, .max = std::max(prefix.groups, 1U)};
  }

  [[nodiscard]] std::uint32_t prefix_blocks() const { return std::min(traffic_.prefix.tokens / traffic_.block_tokens, most_prefix_blocks); }

  /// Each stage is a class of its own.
  void add_stages(std::uint64_t seed) {
    tools_ = std::ranges::any_of(traffic_.stages, &TrafficStage::tool);
    const std::vector<std::string> services = traffic_services(traffic_);
    for (const TrafficStage& stage : traffic_.stages) {
      stream_.classes.push_back({.name = stage.name, .images = stage.steps.has_value()});
      lengths_.push_back({LengthSource(stage.input, seed, "input lengths of " + stage.name),
                          LengthSource(stage.output, seed, "output lengths of " + stage.name)});
      tool_draws_.emplace_back(seed, "times of " + stage.name);
      rounds_.emplace_back(stage.rounds, seed, "rounds of " + stage.name);
      const auto found = std::ranges::find(services, stage.service);
      const bool own = stage.service.empty() && !stage.tool();
      services_.push_back(own ? std::uint16_t{0} : static_cast<std::uint16_t>(found - services.begin() + 1));
    }
  }

  void add_task(Seconds arrival) {
    latest_.assign(traffic_.stages.size(), no_request);
    continued_.clear();
    const auto first = static_cast<RequestId>(stream_.requests.size());
    for (std::size_t i = 0; i < traffic_.stages.size(); ++i) {
      add_stage(i, no_request);
      if (traffic_.stages[i].back_to.empty())
        continue;
      const std::size_t from = place_of(traffic_.stages[i].back_to);
      for (std::uint32_t rounds = rounds_[i].next(); rounds > 1; --rounds)
        for (std::size_t k = from; k <= i; ++k)
          add_stage(k, k == from ? latest_[i] : no_request);
    }
    stream_.requests[first].arrival = arrival;
    share_contexts(first);
  }

  /// The request whose prompt and answer a model's next one in this stage begins with: that of the round before, or of another stage.
  [[nodiscard]] RequestId context_of(std::size_t i) const {
    const TrafficStage& stage = traffic_.stages[i];
    if (stage.tool() || stage.steps)
      return no_request;
    return latest_[i] != no_request || stage.continues.empty() ? latest_[i] : latest_[place_of(stage.continues)];
  }

  /// A stage of the task under way; `before` = the end of the round before, instead of the stages that it comes after.
  void add_stage(std::size_t i, RequestId before) {
    const TrafficStage& stage = traffic_.stages[i];
    const auto id = static_cast<RequestId>(stream_.requests.size());
    const RequestId context = context_of(i);
    Request request{.input = 0, .output = 0, .service_class = static_cast<std::uint16_t>(i), .service = services_[i]};
    const bool speaks = !stage.tool() && !stage.steps;
    if (stage.steps) { // the first pass is what the engine calls a prompt of one token
      request.input = 1;
      request.output = *stage.steps;
    } else if (speaks) {
      request.input = lengths_[i].input.next() + (context == no_request ? 0 : said(stream_.requests[context]));
      request.output = lengths_[i].output.next();
    }
    const auto follow = [&](RequestId other) {
      const Request& answer = stream_.requests[other];
      if (speaks && other != context && !traffic_.stages[answer.service_class].steps)
        request.input += answer.output;
      if (request.follows == no_request)
        request.follows = other;
      else
        stream_.joins.push_back({other, id});
    };
    if (before != no_request)
      follow(before);
    else
      for (const std::string& name : stage.after)
        follow(latest_[place_of(name)]);
    // What is continued has been said, whatever else comes between.
    if (before == no_request && context != no_request && std::ranges::find(stage.after, stage.continues) == stage.after.end())
      follow(context);
    stream_.requests.push_back(request);
    continued_.push_back(context);
    if (tools_)
      stream_.tool_times.push_back(stage.time ? *stage.time * tool_draws_[i].lognormal(0, stage.sigma) : Seconds{});
    latest_[i] = id;
  }

  /// Requests of the task that continue others begin as they do. The latest of a chain has the blocks of all of it.
  void share_contexts(RequestId first) {
    constexpr std::uint32_t none = ~std::uint32_t{};
    std::vector<std::uint32_t> places(continued_.size(), none);
    for (std::size_t i = continued_.size(); i-- > 0;) {
      Request& request = stream_.requests[first + i];
      const RequestId context = continued_[i];
      if (context == no_request && places[i] == none)
        continue;
      if (places[i] == none) {
        const std::uint32_t begun = places[context - first];
        places[i] = begun == none ? extend_blocks(0, 0, said(request))
                                  : extend_blocks(begun, blocks_of(said(stream_.requests[context])), said(request));
      }
      if (context != no_request && places[context - first] == none)
        places[context - first] = places[i];
      request.prefix = places[i];
      request.prefix_blocks = static_cast<std::uint16_t>(blocks_of(said(request)));
    }
  }

  [[nodiscard]] std::size_t place_of(const std::string& stage) const {
    return static_cast<std::size_t>(std::ranges::find(traffic_.stages, stage, &TrafficStage::name) - traffic_.stages.begin());
  }

  void add_classes(std::uint64_t seed) {
    const std::vector<TrafficClass> one(1, TrafficClass{.name = "default"});
    stream_.classes.clear();
    if (!traffic_.stages.empty())
      return add_stages(seed);
    double sum = 0;
    for (const TrafficClass& row : traffic_.classes.empty() ? one : traffic_.classes) {
      const std::string stream_name = traffic_.classes.empty() ? "" : " of " + row.name;
      stream_.classes.push_back(row.service());
      lengths_.push_back({LengthSource(row.input.value_or(traffic_.input), seed, "input lengths" + stream_name),
                          LengthSource(row.output.value_or(traffic_.output), seed, "output lengths" + stream_name)});
      shares_.push_back(sum += row.share);
    }
  }

  std::uint16_t draw_class() {
    if (shares_.size() == 1)
      return 0;
    const double at = class_draws_.uniform() * shares_.back();
    const auto found = static_cast<std::size_t>(std::ranges::upper_bound(shares_, at) - shares_.begin());
    return static_cast<std::uint16_t>(std::min(found, shares_.size() - 1));
  }

  /// Turns of a session: geometric on 1, 2, ...
  std::uint32_t draw_turns() {
    if (traffic_.sessions.turns <= 1)
      return 1;
    const double more = std::floor(std::log1p(-shape_.uniform()) / std::log1p(-1 / traffic_.sessions.turns));
    return static_cast<std::uint32_t>(std::min<double>(1 + more, traffic_.sessions.most));
  }

  /// Blocks of their own identity, after those that are there. Their place.
  std::uint32_t add_blocks(std::uint32_t count) {
    const auto place = static_cast<std::uint32_t>(stream_.blocks.size());
    for (std::uint32_t i = 0; i < count; ++i)
      stream_.blocks.push_back(next_block_++);
    return place;
  }

  /// Blocks that begin as `count` ones at `place`, then of their own, of a prompt of `tokens` tokens.
  std::uint32_t extend_blocks(std::uint32_t place, std::uint32_t count, std::uint32_t tokens) {
    const auto copy = static_cast<std::uint32_t>(stream_.blocks.size());
    for (std::uint32_t i = 0; i < count; ++i)
      stream_.blocks.push_back(stream_.blocks[place + i]);
    add_blocks(blocks_of(tokens) - std::min(count, blocks_of(tokens)));
    return copy;
  }

  [[nodiscard]] std::uint32_t blocks_of(std::uint32_t tokens) const { return std::min(tokens / traffic_.block_tokens, most_prefix_blocks); }

  void add_session(Seconds arrival) {
    const std::uint16_t service_class = draw_class();
    const std::uint32_t group = traffic_.prefix.groups > 1 ? groups_.next() - 1 : 0;
    const std::uint32_t shared = group * prefix_blocks();
    if (traffic_.continuations.width > 1 || traffic_.continuations.levels > 1)
      add_tree(arrival, service_class, shared);
    else
      add_turns(arrival, service_class, shared);
  }

  void add_turns(Seconds arrival, std::uint16_t service_class, std::uint32_t shared) {
    ClassLengths& lengths = lengths_[service_class];
    const std::uint32_t turns = draw_turns();
    const std::size_t first = stream_.requests.size();
    std::uint32_t context = traffic_.prefix.tokens;
    for (std::uint32_t turn = 0; turn < turns && stream_.requests.size() < limit_; ++turn) {
      Request request{.arrival = turn == 0 ? arrival : Seconds{shape_.exponential(traffic_.sessions.think.si())},
                      .service_class = service_class};
      do {
        request.input = context + lengths.input.next();
        request.output = lengths.output.next();
      } while (turn == 0 && traffic_.max_context && said(request) > *traffic_.max_context);
      if (turn > 0 && request.input + request.output > traffic_.sessions.max_context)
        break;
      if (turn > 0)
        request.follows = static_cast<RequestId>(stream_.requests.size() - 1);
      context = request.input + request.output;
      stream_.requests.push_back(request);
    }
    share_history(first, shared);
  }

  /// Tokens of a prompt and its answer.
  static std::uint32_t said(const Request& request) { return request.input + request.output; }

  /// Turns of one session begin alike, with what was said before; of a session of one turn only the shared prefix can be met again.
  void share_history(std::size_t first, std::uint32_t shared) {
    const bool alone = stream_.requests.size() - first < 2;
    const std::uint32_t place = alone ? shared : extend_blocks(shared, prefix_blocks(), said(stream_.requests.back()));
    for (std::size_t i = first; i < stream_.requests.size(); ++i) {
      stream_.requests[i].prefix = place;
      stream_.requests[i].prefix_blocks = static_cast<std::uint16_t>(alone ? prefix_blocks() : blocks_of(said(stream_.requests[i])));
    }
  }

  void add_tree(Seconds arrival, std::uint16_t service_class, std::uint32_t shared) {
    const Continuations& tree = traffic_.continuations;
    ClassLengths& lengths = lengths_[service_class];
    const std::uint32_t prompt = traffic_.prefix.tokens + lengths.input.next();
    const std::uint32_t place = extend_blocks(shared, prefix_blocks(), prompt);
    const Request root{.arrival = arrival,
                       .input = prompt,
                       .prefix = place,
                       .prefix_blocks = static_cast<std::uint16_t>(blocks_of(prompt)),
                       .service_class = service_class};
    std::size_t before = stream_.requests.size();
    for (std::uint32_t i = 0; i < tree.width && stream_.requests.size() < limit_; ++i) {
      stream_.requests.push_back(root);
      stream_.requests.back().output = lengths.output.next();
    }
    for (std::uint32_t level = 1; level < tree.levels; ++level) {
      const std::size_t begin = stream_.requests.size();
      const auto parents = static_cast<std::uint32_t>(std::min<std::size_t>({tree.keep, tree.width, begin - before}));
      for (std::uint32_t i = 0; i < parents; ++i)
        add_branches(static_cast<RequestId>(before + i), tree.width / parents + (i < tree.width % parents ? 1 : 0));
      before = begin;
    }
  }

  /// `count` requests that continue the answer to `parent`.
  void add_branches(RequestId parent, std::uint32_t count) {
    Request& continued = stream_.requests[parent];
    const std::uint32_t prompt = said(continued);
    continued.prefix = extend_blocks(continued.prefix, continued.prefix_blocks, prompt);
    continued.prefix_blocks = static_cast<std::uint16_t>(blocks_of(prompt));
    const Request from = continued;
    for (std::uint32_t i = 0; i < count && stream_.requests.size() < limit_; ++i)
      stream_.requests.push_back({.input = prompt,
                                  .output = lengths_[from.service_class].output.next(),
                                  .follows = parent,
                                  .prefix = from.prefix,
                                  .prefix_blocks = from.prefix_blocks,
                                  .service_class = from.service_class});
  }

  const Traffic& traffic_;
  RequestStream stream_;
  ArrivalClock clock_;
  RandomStream shape_;
  RandomStream class_draws_;
  LengthSource groups_;
  std::vector<ClassLengths> lengths_;
  std::vector<double> shares_;           ///< of the classes, added up
  std::vector<std::uint16_t> services_;  ///< of the stages
  std::vector<RandomStream> tool_draws_; ///< the same
  std::vector<LengthSource> rounds_;     ///< the same
  std::vector<RequestId> latest_;        ///< of the task under way: the latest request of each stage
  std::vector<RequestId> continued_;     ///< the same: by request, the one whose prompt and answer it begins with
  bool tools_ = false;                   ///< whether stages run tools
  std::uint32_t limit_;
  std::uint32_t next_block_ = 0;
};

} // namespace

void close_loop(RequestStream& stream, const ClosedLoop& loop) {
  stream.concurrency = loop.concurrency;
  stream.pause = loop.pause;
  for (Request& request : stream.requests)
    if (request.follows == no_request)
      request.arrival = Seconds{};
}

ServiceClass TrafficClass::service() const {
  return {.name = name,
          .priority = priority,
          .ttft = ttft.value_or(Seconds{}),
          .tpot = tpot.value_or(Seconds{}),
          .end_to_end = end_to_end.value_or(Seconds{}),
          .itl = itl.value_or(Seconds{}),
          .itl_within = itl_within.value_or(1)};
}

std::vector<std::string> traffic_services(const Traffic& traffic) {
  std::vector<std::string> names;
  for (const bool named : {true, false})
    for (const TrafficStage& stage : traffic.stages)
      if (stage.service.empty() != named && (named || stage.tool()) && std::ranges::find(names, stage.service) == names.end())
        names.push_back(stage.service);
  return names;
}

RequestStream generate_requests(const Traffic& traffic, std::uint64_t seed) { return Generator(traffic, seed).run(); }

} // namespace orrery
