#include "sim/engine/simgrid_network.hpp"

#include <simgrid/kernel/resource/Model.hpp>
#include <simgrid/kernel/routing/NetPoint.hpp>
#include <simgrid/kernel/routing/NetZoneImpl.hpp>
#include <simgrid/s4u.hpp>

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <csignal>
#include <exception>
#include <memory>
#include <utility>

namespace simgrid::kernel {
/// SimGrid 3.32 exports its clock but ships no header for it. Declared here to set it back to zero: of itself, the clock of a process only
/// goes on.
class EngineImpl {
public:
  static double now_;
};
} // namespace simgrid::kernel

namespace orrery::simgrid_network {

namespace {

namespace s4u = simgrid::s4u;
namespace kernel = simgrid::kernel;

/// A Comm takes whole bytes: ours are sent in units of 1/4096 byte, over links that are faster by the same factor.
constexpr double units_per_byte = 4096;

/// SimGrid ends flows that are due within this time together. It must exceed the spacing of doubles at the present clock.
constexpr double finest_precision = 1e-12;

/// All flows go from one pseudo host to another; the route is that of the flow which starts just now.
class FlatZone final : public kernel::routing::NetZoneImpl {
public:
  explicit FlatZone(const std::string& name) : NetZoneImpl(name) {}
  std::vector<kernel::resource::StandardLinkImpl*> route;

  void get_local_route(const kernel::routing::NetPoint* /*from*/, const kernel::routing::NetPoint* /*to*/, kernel::routing::Route* into,
                       double* /*latency*/) override {
    into->link_list_ = route;
  }
};

/// Our events, seen by SimGrid as one more model.
class EventModel final : public kernel::resource::Model {
public:
  EventModel() : Model("orrery events") {}
  Client* client = nullptr;
  std::exception_ptr error;

  double next_occurring_event(double now) override;
  void update_actions_state(double /*now*/, double /*delta*/) override {}
};

/// SimGrid takes the process's signal and terminate handlers when it starts. They stay the process's own.
class KeepHandlers {
public:
  KeepHandlers() : terminate_(std::get_terminate()) {
    for (std::size_t i = 0; i < signals.size(); ++i)
      sigaction(signals[i], nullptr, &actions_[i]);
  }
  ~KeepHandlers() {
    for (std::size_t i = 0; i < signals.size(); ++i)
      sigaction(signals[i], &actions_[i], nullptr);
    std::set_terminate(terminate_);
  }
  KeepHandlers(const KeepHandlers&) = delete;
  KeepHandlers& operator=(const KeepHandlers&) = delete;

private:
  static constexpr std::array<int, 4> signals = {SIGINT, SIGSEGV, SIGABRT, SIGTERM};
  std::array<struct sigaction, signals.size()> actions_{};
  std::terminate_handler terminate_;
};

struct Flow {
  std::uint32_t name = 0;
  double units = 0;
  std::vector<LinkLoad> route;
  s4u::CommPtr comm; ///< held until it ends: SimGrid reads it up to then
};

/// The one SimGrid of the process.
class Instance {
public:
  static Instance& get() {
    static auto* instance = new Instance; // SimGrid's own teardown is not safe to run
    return *instance;
  }

  void bind(const Network& network) {
    assert(live_ == 0);
    network_ = &network;
    bound_.assign(network.links.size(), false);
    delivered_.assign(network.links.size(), 0.0);
  }

  void start(std::uint32_t name, Bytes bytes, const std::vector<LinkLoad>& route) {
    if (live_ == 0 && !driving_)
      rewind();
    if (flows_.size() <= name)
      flows_.resize(name + 1);
    if (!flows_[name])
      flows_[name] = std::make_unique<Flow>();
    Flow& flow = *flows_[name];
    flow.name = name;
    flow.units = std::max(1.0, std::round(bytes.si() * units_per_byte));
    flow.route = route;
    zone_->route.clear();
    for (const LinkLoad& load : route)
      zone_->route.insert(zone_->route.end(), load.weight, link(load.link));
    flow.comm = s4u::Comm::sendto_init(from_, to_);
    flow.comm->set_data(&flow);
    flow.comm->set_payload_size(static_cast<std::uint64_t>(flow.units));
    ++live_;
    flow.comm->start();
  }

  void stop(std::uint32_t name) {
    Flow& flow = *flows_[name];
    const double left = flow.comm->get_remaining();
    s4u::CommPtr comm = flow.comm;
    end(flow, left);
    comm->cancel();
  }

  void drive(Client& client) {
    assert(!driving_);
    driving_ = true;
    model_->client = &client;
    engine_->run();
    model_->client = nullptr;
    driving_ = false;
    ended_.clear();
    if (std::exception_ptr error = std::exchange(model_->error, nullptr))
      std::rethrow_exception(error);
    assert(live_ == 0);
  }

  [[nodiscard]] std::vector<Bytes> delivered() const {
    std::vector<Bytes> bytes;
    for (double units : delivered_)
      bytes.emplace_back(units / units_per_byte);
    return bytes;
  }

  /// Comms that ended may go as soon as SimGrid has left its own loop over them.
  void release_ended() { ended_.clear(); }

  void stop_all() {
    for (const std::unique_ptr<Flow>& flow : flows_)
      if (flow && flow->comm)
        stop(flow->name);
  }

  /// Keeps SimGrid's tolerance above the spacing of doubles at `now`.
  void refine(double now) {
    if (now < coarser_from_)
      return;
    while (now >= coarser_from_)
      coarser_from_ *= 16;
    set_precision(coarser_from_ / first_coarser * finest_precision);
  }

private:
  static constexpr double first_coarser = 1024;

  Instance() {
    const KeepHandlers keep;
    std::array<std::string, 5> words = {"orrery", "--log=root.thres:error", "--cfg=network/model:CM02", "--cfg=network/TCP-gamma:0",
                                        "--cfg=network/crosstraffic:0"};
    std::array<char*, words.size() + 1> arguments{};
    for (std::size_t i = 0; i < words.size(); ++i)
      arguments[i] = words[i].data();
    int count = static_cast<int>(words.size());
    engine_ = new s4u::Engine(&count, arguments.data());
    s4u::Engine::set_config("maxmin/precision", 1e-9);
    set_precision(finest_precision);
    zone_ = new FlatZone("flat");
    // A zone takes no links once SimGrid has run. This one stands outside the platform, so that later runs can add theirs.
    shelf_ = new FlatZone("links");
    shelf_->set_network_model(zone_->get_network_model());
    from_ = zone_->create_host("from", {1.0});
    to_ = zone_->create_host("to", {1.0});
    model_ = std::make_shared<EventModel>();
    engine_->add_model(model_);
    s4u::Activity::on_completion_cb([this](const s4u::Activity& activity) {
      Flow* flow = activity.get_data<Flow>();
      if (flow->comm.get() != &activity)
        return;
      end(*flow, activity.get_remaining());
      model_->client->flow_ended(flow->name, s4u::Engine::get_clock());
    });
  }

  static void set_precision(double seconds) { s4u::Engine::set_config("surf/precision", seconds); }

  void rewind() {
    kernel::EngineImpl::now_ = 0;
    if (coarser_from_ != first_coarser)
      set_precision(finest_precision);
    coarser_from_ = first_coarser;
  }

  void end(Flow& flow, double left) {
    for (const LinkLoad& load : flow.route)
      delivered_[load.link] += (flow.units - left) * load.weight;
    ended_.push_back(std::move(flow.comm));
    flow.comm = nullptr;
    --live_;
  }

  kernel::resource::StandardLinkImpl* link(std::uint32_t index) {
    assert(index < bound_.size());
    while (links_.size() <= index) {
      s4u::Link* const link = shelf_->create_link("link " + std::to_string(links_.size()), {1.0});
      links_.push_back({link, link->get_impl()});
    }
    if (!bound_[index])
      links_[index].link->set_bandwidth(network_->links[index].bandwidth.si() * units_per_byte);
    bound_[index] = true;
    return links_[index].impl;
  }

  s4u::Engine* engine_ = nullptr;
  FlatZone* zone_ = nullptr;
  FlatZone* shelf_ = nullptr;
  s4u::Host* from_ = nullptr;
  s4u::Host* to_ = nullptr;
  std::shared_ptr<EventModel> model_;
  const Network* network_ = nullptr;
  struct BoundLink {
    s4u::Link* link;
    kernel::resource::StandardLinkImpl* impl; ///< asked for once: SimGrid finds it by a dynamic cast
  };
  std::vector<BoundLink> links_; ///< shared by all runs: link i has the bandwidth of the present network's link i
  std::vector<bool> bound_;
  std::vector<double> delivered_;
  std::vector<std::unique_ptr<Flow>> flows_;
  std::vector<s4u::CommPtr> ended_;
  std::size_t live_ = 0;
  double coarser_from_ = first_coarser;
  bool driving_ = false;
};

double EventModel::next_occurring_event(double now) {
  if (client == nullptr)
    return -1;
  Instance::get().release_ended();
  Instance::get().refine(now);
  try {
    const double next = client->reach(now);
    return next < 0 ? -1 : std::max(0.0, next - now);
  } catch (...) {
    error = std::current_exception();
    client = nullptr;
    Instance::get().stop_all();
    return -1;
  }
}

} // namespace

void bind(const Network& network) { Instance::get().bind(network); }
void start(std::uint32_t flow, Bytes bytes, const std::vector<LinkLoad>& route) { Instance::get().start(flow, bytes, route); }
void stop(std::uint32_t flow) { Instance::get().stop(flow); }
void drive(Client& client) { Instance::get().drive(client); }
std::vector<Bytes> delivered() { return Instance::get().delivered(); }
std::string settings() { return "SimGrid 3.32, network/model CM02, network/TCP-gamma 0, network/crosstraffic 0"; }

} // namespace orrery::simgrid_network
