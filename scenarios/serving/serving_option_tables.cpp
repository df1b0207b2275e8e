#include "scenarios/serving/serving_option_tables.hpp"

#include "hardware/catalogue.hpp"
#include "hardware/tables.hpp"

namespace orrery {

const Table<KvTierChoice>& kv_tier_table() {
  using K = KvTierChoice;
  static const Choices<K::Place> places = {{"host", K::Place::host}, {"storage", K::Place::storage}};
  static const Table<K> table =
      Table<K>("kv_tier", "Memory below that of the devices that KV blocks go to.")
          .choice("place", &K::place, places, {.help = "of the node: its host memory or its drives"})
          .reference("tier", &K::tier, tier_table(), tier_catalogue(), {.help = "instead of place: another memory of every node"})
          .quantity("capacity", &K::capacity, {.above = Bytes{}, .unit_hint = "GB", .help = "of a node, for KV blocks; by default all"})
          .quantity("latency", &K::latency, {.max = Seconds{10}, .unit_hint = "us", .help = "of a transfer"})
          .check([](const K& choice, const Report& report) {
            if (choice.place.has_value() == choice.tier.has_value())
              report.error("", choice.place ? "both 'place' and 'tier'" : "neither 'place' nor 'tier'", "one of them");
          });
  return table;
}

const Table<KvCopies>& kv_copies_table() {
  using K = KvCopies;
  static const Table<K> table =
      Table<K>("kv_copies", "How KV blocks are copied between device memory and the tiers below it.")
          .count("unit", &K::unit, {.min = 1, .max = 1'000'000, .help = "blocks side by side that go in one copy"})
          .flag("keep", &K::keep, {.help = "copies of sequences that came back stay valid: what they hold is not written again"})
          .flag("overlapped", &K::overlapped, {.help = "blocks move beside iterations; else iterations wait for them"});
  return table;
}

const Table<Fairness>& fairness_table() {
  using F = Fairness;
  static const Choices<F::Order> orders = {{"random", F::Order::random}, {"least_service", F::Order::least_service}};
  static const Table<F> table =
      Table<F>("fairness", "Priorities inside a class that change while requests run: those that fall behind are preempted.")
          .choice("order", &F::order, orders, {.help = "drawn at random, or who has got the fewest tokens first"})
          .count("every", &F::every, {.min = 1, .max = 1'000'000'000, .help = "iterations from one drawing to the next"});
  return table;
}

const Table<Autoscaling>& autoscaling_table() {
  using A = Autoscaling;
  static const Table<A> table =
      Table<A>("autoscaling", "Replicas started and stopped with the load.")
          .quantity("interval", &A::interval,
                    {.min = Seconds{1e-3}, .max = Seconds{1e6}, .unit_hint = "s", .required = true, .help = "between decisions"})
          .quantity("start_up", &A::start_up,
                    {.max = Seconds{1e6}, .unit_hint = "s", .required = true, .help = "from the decision to the first request"})
          .count("least", &A::least, {.min = 1, .max = 100'000, .help = "replicas that always serve"})
          .number("target", &A::target, {.above = 0, .max = 1e6, .help = "requests present in a replica that are aimed at"})
          .quantity("window", &A::window, {.max = Seconds{1e6}, .unit_hint = "s", .help = "of arrivals behind a forecast; 0 = reactive"})
          .number("margin", &A::margin, {.max = 100, .help = "of a forecast, in standard deviations of the arrival rate"});
  return table;
}

const Table<RolloutOptions>& rollouts_table() {
  using R = RolloutOptions;
  static const Table<R> table =
      Table<R>("rollouts", "Steps of reinforcement learning: responses are sampled, then trained on.")
          .count("steps", &R::steps, {.min = 1, .max = 100'000, .help = "that are simulated"})
          .count("responses", &R::responses, {.min = 1, .max = 10'000'000, .help = "that a step trains on"})
          .number("surplus", &R::surplus,
                  {.max = 100, .help = "responses under way beyond those, as a share; they go on in the next step; 0 = synchronous"})
          .quantity("training_step", &R::training_step, {.max = Seconds{1e6}, .unit_hint = "s", .help = "after each generation phase"});
  return table;
}

const Table<GoodputOptions>& goodput_table() {
  using G = GoodputOptions;
  static const Table<G> table =
      Table<G>("goodput", "Search for the highest rate that keeps the target.")
          .number("tolerance", &G::tolerance, {.above = 0, .max = 1, .help = "relative, of the rate"})
          .count("most_doublings", &G::most_doublings, {.min = 1, .max = 40, .help = "of the scenario's rate, up or down"});
  return table;
}

} // namespace orrery
