#include "sim/engine/pipeline.hpp"

#include "sim/engine/engine.hpp"
#include "sim/engine/pipeline_source.hpp"

namespace orrery {

StepTimeline simulate_step(const CostedGraph& graph, const StepOptions& options) {
  PipelineSource source(graph, options);
  Engine engine(source.network());
  StepTimeline timeline;
  timeline.step = source.step(engine.run(source));
  timeline.events = engine.completed_count();
  timeline.replicas = graph.replicas;
  source.report(timeline);
  for (std::size_t i = 0; i < engine.delivered().size(); ++i)
    timeline.traffic.push_back({source.network().links[i].name, engine.delivered()[i]});
  return timeline;
}

} // namespace orrery
