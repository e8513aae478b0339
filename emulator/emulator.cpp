// See emulator.h. A Host on real sockets, with a thread of its own.
#include "emulator/emulator.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <thread>

#include "emulator/asio_net.h"
#include "emulator/host.h"

namespace s2::emulator {

class Emulator::Impl {
 public:
  explicit Impl(Options options) : loop_(io_), host_(loop_, std::move(options)), work_(io_.get_executor()) {
    const Options& checked = host_.world().options;
    host_.serve(make_asio_listener(io_, checked.host, checked.port));
    thread_ = std::thread([this] { io_.run(); });
  }

  ~Impl() {
    call([this] { host_.end(); });
    work_.reset();
    io_.stop();
    thread_.join();
  }

  template <class F>
  auto call(F&& what) -> decltype(what()) {
    return call_on(io_, std::forward<F>(what));
  }

  boost::asio::io_context io_{1};
  AsioLoop loop_;
  Host host_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::thread thread_;
};

Emulator::Emulator(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Emulator::~Emulator() = default;

std::string Emulator::endpoint() const {
  const std::string& host = impl_->host_.world().options.host;
  const bool is_v6 = host.find(':') != std::string::npos;
  return "http://" + (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(impl_->host_.server().port());
}

void Emulator::create_basin(const std::string& name, const std::string& config_json) {
  impl_->call([&] { impl_->host_.create_basin(name, config_json); });
}

void Emulator::set_faults(const std::string& plan_json) {
  impl_->call([&] { impl_->host_.world().faults.replace(plan_json); });
}

std::string Emulator::faults() const {
  return impl_->call([&] { return impl_->host_.world().faults.to_json(); });
}

std::string Emulator::history(const std::string& basin, const std::string& stream) const {
  return impl_->call([&] { return impl_->host_.world().history.lines(basin, stream); });
}

std::vector<std::pair<std::string, std::string>> Emulator::history_streams() const {
  return impl_->call([&] { return impl_->host_.world().history.streams(); });
}

void Emulator::advance_clock(std::chrono::milliseconds by) {
  impl_->call([&] { impl_->host_.advance_clock(by); });
}

void Emulator::reset() {
  impl_->call([&] { impl_->host_.reset(); });
}

void Emulator::observe(Observer observer) {
  impl_->call([&] { impl_->host_.world().moments.observe(std::move(observer)); });
}

void Emulator::stop_reading_at(std::uint64_t n) {
  impl_->call([&] { impl_->host_.world().moments.stop_reading_at(n); });
}

void Emulator::cut(CutKind kind) {
  const auto cut = [impl = impl_.get(), kind] { impl->host_.server().cut(kind); };
  // From inside an Observer it cannot be waited for; queued here, it comes before anything more is read.
  if (impl_->io_.get_executor().running_in_this_thread()) {
    boost::asio::post(impl_->io_, cut);
  } else {
    impl_->call(cut);
  }
}

void Emulator::heal() {
  impl_->call([&] { impl_->host_.server().heal(); });
}

void Emulator::drain(std::chrono::milliseconds downtime) {
  std::promise<void> down;
  impl_->call([&] { impl_->host_.server().drain(downtime, [&down] { down.set_value(); }); });
  down.get_future().wait();
}

std::size_t Emulator::open_connections() const {
  return impl_->call([&] { return impl_->host_.server().open_connections(); });
}

}  // namespace s2::emulator
