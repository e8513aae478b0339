// See emulator.h. Owns the thread, and wires clock, service, routes and sockets together.
#include "emulator/emulator.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <stdexcept>
#include <thread>

#include "emulator/config.h"
#include "emulator/names.h"
#include "emulator/request.h"
#include "emulator/resources.h"
#include "emulator/routes.h"
#include "emulator/server.h"
#include "emulator/world.h"

namespace s2::emulator {
namespace {

[[noreturn]] void refuse_option(const wire::ApiError& error) {
  throw std::invalid_argument(error.message);
}

void check_options(const Options& options) {
  boost::system::error_code bad_address;
  boost::asio::ip::make_address(options.host, bad_address);
  if (bad_address && options.host != "localhost") {
    throw std::invalid_argument("host " + options.host + " is neither an IP address nor localhost");
  }
  if (!is_loopback(options.host) && options.root_token.empty()) {
    throw std::invalid_argument("host " + options.host + " is off loopback: a root token must be set");
  }
  if (options.auth == Auth::enforced && options.root_token.empty()) {
    throw std::invalid_argument("with enforced auth a root token must be set");
  }
}

void apply_init_json(Service& service, std::string_view text, std::uint64_t now) {
  const auto done = resources_from_json(text).and_then(
      [&](const Resources& resources) { return apply(resources, service, now); });
  if (!done) throw std::invalid_argument("init file: " + done.error());
}

}  // namespace

class Emulator::Impl {
 public:
  explicit Impl(Options options) : world_(io_, std::move(options)), work_(io_.get_executor()) {
    check_options(world_.options);
    if (!world_.options.init_json.empty())
      apply_init_json(world_.service, world_.options.init_json, world_.clock.now_ms());
    if (!world_.options.faults_json.empty()) world_.faults.replace(world_.options.faults_json);
    world_.soon = [this](std::function<void()> work) { boost::asio::post(io_, std::move(work)); };
    world_.reset = [this](std::uint64_t except) { reset(except); };
    server_ =
        std::make_unique<Server>(io_, world_.clock, world_.moments, world_.options.host, world_.options.port,
                                 [this](const ExchangePtr& exchange) { serve(world_, exchange); });
    world_.connections = [this] {
      return ConnectionCounts{server_->open_connections(), server_->connections_opened()};
    };
    thread_ = std::thread([this] { io_.run(); });
  }

  ~Impl() {
    call([this] {
      world_.moments.observe(nullptr);
      server_->reset_connections();
    });
    work_.reset();
    io_.stop();
    thread_.join();
    server_.reset();
  }

  // Runs `what` on the emulator's thread and brings back its result, or what it threw.
  template <class F>
  auto call(F&& what) -> decltype(what()) {
    std::packaged_task<decltype(what())()> task(std::forward<F>(what));
    auto result = task.get_future();
    boost::asio::post(io_, [&task] { task(); });
    return result.get();
  }

  void reset(std::uint64_t except_connection) {
    ++world_.generation;
    world_.service.reset();
    world_.faults.clear();
    world_.history.clear();
    world_.moments.restart_counts();
    server_->reset_connections(except_connection);
  }

  boost::asio::io_context io_{1};
  World world_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

Emulator::Emulator(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Emulator::~Emulator() = default;

std::string Emulator::endpoint() const {
  const std::string& host = impl_->world_.options.host;
  const bool is_v6 = host.find(':') != std::string::npos;
  return "http://" + (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(impl_->server_->port());
}

void Emulator::create_basin(const std::string& name, const std::string& config_json) {
  if (const auto problem = basin_name_problem(name)) throw std::invalid_argument(*problem);
  const auto config = basin_config_from_json(config_json);
  if (!config) refuse_option(config.error());
  impl_->call([&] {
    const auto made =
        impl_->world_.service.create_basin(name, *config, std::nullopt, impl_->world_.clock.now_ms());
    if (!made) refuse_option(made.error());
  });
}

void Emulator::set_faults(const std::string& plan_json) {
  impl_->call([&] { impl_->world_.faults.replace(plan_json); });
}

std::string Emulator::faults() const {
  return impl_->call([&] { return impl_->world_.faults.to_json(); });
}

std::string Emulator::history(const std::string& basin, const std::string& stream) const {
  return impl_->call([&] { return impl_->world_.history.lines(basin, stream); });
}

std::vector<std::pair<std::string, std::string>> Emulator::history_streams() const {
  return impl_->call([&] { return impl_->world_.history.streams(); });
}

void Emulator::advance_clock(std::chrono::milliseconds by) {
  impl_->call([&] {
    impl_->world_.clock.advance(by);
    impl_->world_.service.sweep(impl_->world_.clock.now_ms());
  });
}

void Emulator::reset() {
  impl_->call([&] { impl_->reset(0); });
}

void Emulator::observe(Observer observer) {
  impl_->call([&] { impl_->world_.moments.observe(std::move(observer)); });
}

void Emulator::stop_reading_at(std::uint64_t n) {
  impl_->call([&] { impl_->world_.moments.stop_reading_at(n); });
}

void Emulator::cut(CutKind kind) {
  const auto cut = [impl = impl_.get(), kind] { impl->server_->cut(kind); };
  // From inside an Observer it cannot be waited for; queued here, it comes before anything more is read.
  if (impl_->io_.get_executor().running_in_this_thread()) {
    boost::asio::post(impl_->io_, cut);
  } else {
    impl_->call(cut);
  }
}

void Emulator::heal() {
  impl_->call([&] { impl_->server_->heal(); });
}

void Emulator::drain(std::chrono::milliseconds downtime) {
  std::promise<void> down;
  impl_->call([&] { impl_->server_->drain(downtime, [&down] { down.set_value(); }); });
  down.get_future().wait();
}

std::size_t Emulator::open_connections() const {
  return impl_->call([&] { return impl_->server_->open_connections(); });
}

}  // namespace s2::emulator
