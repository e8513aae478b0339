// See fault_proxy.h. The emulator's server on real sockets, with another handler of requests: one that passes
// them on.
#include "scenarios/fault_proxy.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <thread>

#include "emulator/asio_net.h"
#include "emulator/server.h"
#include "scenarios/proxy_relay.h"

namespace s2::scenarios {

class FaultProxy::Impl {
 public:
  Impl(const std::string& endpoint, std::uint64_t seed)
      : loop_(io_),
        upstream_(io_, endpoint),
        stage_(loop_, upstream_, seed),
        server_(std::make_unique<emulator::Server>(
            loop_, stage_.clock, stage_.moments, emulator::make_asio_listener(io_, "127.0.0.1", 0),
            [this](const emulator::ExchangePtr& exchange) { relay(stage_, exchange); })),
        work_(io_.get_executor()),
        thread_([this] { io_.run(); }) {}

  ~Impl() {
    call([this] {
      stage_.moments.observe(nullptr);
      server_->reset_connections();
      upstream_.close();
    });
    work_.reset();
    io_.stop();
    thread_.join();
  }

  template <class F>
  auto call(F&& what) -> decltype(what()) {
    return emulator::call_on(io_, std::forward<F>(what));
  }

  boost::asio::io_context io_{1};
  emulator::AsioLoop loop_;
  Upstream upstream_;
  ProxyStage stage_;
  std::unique_ptr<emulator::Server> server_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::thread thread_;
};

FaultProxy::FaultProxy(const std::string& endpoint, std::uint64_t seed)
    : impl_(std::make_unique<Impl>(endpoint, seed)) {}
FaultProxy::~FaultProxy() = default;

std::string FaultProxy::endpoint() const {
  return "http://127.0.0.1:" + std::to_string(impl_->server_->port()) + impl_->upstream_.origin().path;
}

void FaultProxy::set_faults(const std::string& plan_json) {
  impl_->call([&] { impl_->stage_.faults.replace(plan_json); });
}

std::string FaultProxy::faults() const {
  return impl_->call([&] { return impl_->stage_.faults.to_json(); });
}

void FaultProxy::observe(emulator::Observer observer) {
  impl_->call([&] { impl_->stage_.moments.observe(std::move(observer)); });
}

void FaultProxy::stop_reading_at(std::uint64_t n) {
  impl_->call([&] { impl_->stage_.moments.stop_reading_at(n); });
}

void FaultProxy::cut(emulator::CutKind kind) {
  const auto cut = [impl = impl_.get(), kind] { impl->server_->cut(kind); };
  // From inside an observer it cannot be waited for; queued here, it comes before anything more is read.
  if (impl_->io_.get_executor().running_in_this_thread()) {
    boost::asio::post(impl_->io_, cut);
  } else {
    impl_->call(cut);
  }
}

void FaultProxy::heal() {
  impl_->call([&] { impl_->server_->heal(); });
}

void FaultProxy::let_ahead(std::size_t appends) {
  impl_->call([&] { impl_->stage_.ahead = appends; });
}

void FaultProxy::drain(std::chrono::milliseconds downtime) {
  std::promise<void> down;
  impl_->call([&] { impl_->server_->drain(downtime, [&down] { down.set_value(); }); });
  down.get_future().wait();
}

std::size_t FaultProxy::open_connections() const {
  return impl_->call([&] { return impl_->server_->open_connections(); });
}

std::size_t FaultProxy::appends_under_way() const {
  return impl_->call([&] { return impl_->stage_.under_way; });
}

}  // namespace s2::scenarios
