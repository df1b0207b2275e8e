#include "scenarios/published/validate_request_run.hpp"

#include "hardware/catalogue.hpp"
#include "scenarios/data_files.hpp"
#include "scenarios/published/row_cells.hpp"
#include "scenarios/published/serving_predict.hpp"
#include "sim/base/percentile.hpp"
#include "workloads/tables.hpp"

#include <array>
#include <cmath>

namespace orrery {

namespace {

struct Latencies {
  std::vector<double> measured;
  std::vector<double> predicted;
};

LatencyScore score(const std::string& metric, Latencies latencies) {
  std::vector<double> errors;
  for (std::size_t i = 0; i < latencies.measured.size(); ++i)
    errors.push_back(std::abs(latencies.predicted[i] / latencies.measured[i] - 1));
  return {.metric = metric,
          .measured_median = percentile(latencies.measured, 0.5),
          .predicted_median = percentile(latencies.predicted, 0.5),
          .measured_p99 = percentile(latencies.measured, 0.99),
          .predicted_p99 = percentile(latencies.predicted, 0.99),
          .request_error = percentile(errors, 0.5)};
}

/// The machine and engine of the run, as its publisher states them.
ServingRow run_setup() {
  ServingRow row{.id = "request run"};
  row.cluster.name = row.id;
  row.cluster.node = load_node("rtx-4090-box");
  row.cluster.node.device = load_device("rtx-pro-6000-blackwell");
  row.cluster.node.devices = 1;
  row.cluster.fabric.kind = FabricKind::single_node;
  row.software = load_software("vllm-2026");
  row.software.serving.max_sequences = 128;
  row.software.serving.max_tokens = 2048;
  Diagnostics diagnostics;
  row.job.model = read_reference(yaml::scalar("llama3-8b"), model_table(), model_catalogue(), diagnostics);
  diagnostics.throw_if_any();
  return row;
}

} // namespace

RequestRunScore validate_request_run() {
  const std::string name = data_file("scenarios/validation/serving_requests.csv");
  constexpr std::array columns = {"input_toks", "output_toks", "arrival_s", "queued_s", "first_token_s", "last_token_s"};
  RequestStream stream;
  Latencies ttft;
  Latencies tpot;
  read_rows(read_csv(name), name, columns, [&](const Cells& cells) {
    const Request request{.arrival = Seconds{cells.number("arrival_s")},
                          .input = static_cast<std::uint32_t>(cells.count("input_toks")),
                          .output = static_cast<std::uint32_t>(cells.count("output_toks"))};
    stream.requests.push_back(request);
    ttft.measured.push_back(cells.number("first_token_s") - cells.number("queued_s"));
    tpot.measured.push_back((cells.number("last_token_s") - cells.number("first_token_s")) / (request.output - 1));
  });
  ServingPredictor predictor(load_calibration());
  const ServingRun run = predictor.simulate(run_setup(), stream);
  for (std::size_t i = 0; i < stream.requests.size(); ++i) {
    const RequestRecord& record = run.requests[i];
    ttft.predicted.push_back((record.first_token - record.arrival).si());
    tpot.predicted.push_back((record.end - record.first_token).si() / (stream.requests[i].output - 1));
  }
  return {.requests = static_cast<int>(stream.requests.size()), .latencies = {score("ttft_s", ttft), score("tpot_s", tpot)}};
}

} // namespace orrery
