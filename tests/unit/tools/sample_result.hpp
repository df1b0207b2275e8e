// A Result made by hand: figures of a plausible run, not predictions.
#pragma once

#include "scenarios/result.hpp"

namespace orrery::sample {

inline TrainingResult job() {
  TrainingResult job;
  job.name = "gpt3-175b";
  job.plan = {.tp = 8, .pp = 8, .dp = 16, .micro_batch = 1, .schedule = ScheduleKind::interleaved, .virtual_stages = 6};
  job.plan.recompute = Recompute::selective;
  job.plan.sequence_parallel = true;
  job.plan.zero = 1;
  job.devices = 1024;
  job.micro_batches = 96;
  job.parameters = 174.6e9;
  job.step_time = Seconds{8.5};
  job.tokens_per_second = 370086;
  job.tokens_per_second_per_device = 361.4;
  job.flop_rates = {{"full attention", "model FLOPs, whole attention square", FlopsPerSecond{403e12}, 0.4075},
                    {"causal attention", "model FLOPs, causal half", FlopsPerSecond{388e12}, 0.3923},
                    {"executed", "hardware FLOPs, recomputation counted", FlopsPerSecond{412e12}, 0.4166}};
  job.time = {{TimeKind::compute, "matmul", Seconds{5.0}},
              {TimeKind::compute, "attention", Seconds{0.75}},
              {TimeKind::compute, "elementwise", Seconds{0.5}},
              {TimeKind::communication, "tensor parallel", Seconds{1.25}},
              {TimeKind::communication, "gradient reduction", Seconds{0.125}},
              {TimeKind::bubble, "pipeline bubble", Seconds{0.75}},
              {TimeKind::optimizer, "optimizer", Seconds{0.125}}};
  job.memory.parameters = Bytes{5.5e9};
  job.memory.gradients = Bytes{11e9};
  job.memory.optimizer = Bytes{2.1e9};
  job.memory.activations = Bytes{30e9};
  job.memory.working_set = Bytes{1e9};
  job.memory.buffers = Bytes{0.1e9};
  job.memory.framework = Bytes{4e9};
  job.memory.fragmentation = Bytes{1.5e9};
  job.memory_capacity = Bytes{80e9};
  job.power = {.device_mean = Watts{560}, .device_peak = Watts{700}, .facility_mean = Watts{1.1e6}, .facility_peak = Watts{1.3e6}};
  job.power.energy_per_step = Joules{9.35e6};
  job.power.energy_per_token = Joules{2.97};
  job.goodput = Goodput{.goodput = 0.953, .checkpoint_share = 0.01, .lost_share = 0.02, .detection_share = 0.005, .restart_share = 0.012};
  job.goodput->expected_failures = 12.5;
  job.goodput->interval = Seconds{1800};
  job.goodput->mtbf = Seconds{86400};
  job.goodput_run_length = Seconds{30 * 86400.0};
  job.budget = Budget{.tokens = 300e9, .steps = 95367, .time = Seconds{850000}, .energy = Joules{9.4e11}, .cost = Dollars{1.9e6}};
  job.budget->capital = Dollars{1.85e6};
  job.budget->electricity = Dollars{5e4};
  job.budget->priced = true;
  job.budget->device_hours = 2.4e5;
  job.error_band = {.low = -0.06, .high = 0.07, .basis = "kernels held out"};
  job.method = {
      .kind = "simulate", .network = "CM02, TCP-gamma 0", .fold = "16 replicas as 1", .events = 12345, .simulate_minus_estimate = 0.002};
  return job;
}

inline Result result() {
  Result result;
  result.scenario = "GPT-3 175B on 1,024 H100";
  result.cluster = "128 x dgx-h100, rail fat tree";
  result.software = "megatron-core-2024";
  result.seed = 1;
  result.jobs = {job()};
  result.assumptions = {{"device h100-sxm-80gb", "units.tensor.energy", "no measurement read"},
                        {"device h100-sxm-80gb", "idle_power", "no measurement read"},
                        {"software megatron-core-2024", "kernel_launch", "eager dispatch"}};
  result.expectations = {{.metric = "step_time", .value = 8.5, .min = {}, .max = 9.0, .met = true}};
  return result;
}

/// One replica of two stages, two micro-batches. Spans of the compute stream touch; of the data stream two overlap.
inline std::vector<RecordedSpan> timeline() {
  std::vector<RecordedSpan> spans;
  for (int stage = 0; stage < 2; ++stage) {
    double at = stage / 3.0;
    for (const char* name : {"F0.0", "F0.1", "B0.0", "B0.1"}) {
      spans.push_back({.replica = 0,
                       .stage = stage,
                       .stream = "compute",
                       .name = name,
                       .micro_batch = name[3] - '0',
                       .begin = Seconds{at},
                       .end = Seconds{at + 1.0 / 3},
                       .power = Watts{600},
                       .memory = Bytes{40e9}});
      at += 1.0 / 3;
    }
    spans.push_back({.replica = 0,
                     .stage = stage,
                     .stream = "data",
                     .name = "reduce \"grads\"",
                     .micro_batch = -1,
                     .begin = Seconds{at},
                     .end = Seconds{at + 0.1}});
    spans.push_back({.replica = 0,
                     .stage = stage,
                     .stream = "data",
                     .name = "send",
                     .micro_batch = -1,
                     .begin = Seconds{at + 0.05},
                     .end = Seconds{at + 0.15}});
  }
  return spans;
}

} // namespace orrery::sample
