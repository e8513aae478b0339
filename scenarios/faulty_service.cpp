// See faulty_service.h.
#include "scenarios/faulty_service.h"

#include <utility>

#include "scenarios/fault_proxy.h"

namespace s2::scenarios {
namespace {

constexpr const char* kOwnBasin = "last-events";
constexpr std::size_t kAppendsAhead = 64;       // of a session, at an endpoint that may be far away
constexpr const char* kAnyToken = "any-token";  // the embedded emulator takes every one

// The calls that both forward: `Target` is an Emulator or a FaultProxy.
template <class Target>
class ServiceOver : public FaultyService {
 public:
  template <class... Arguments>
  explicit ServiceOver(Arguments&&... arguments) : target_(std::forward<Arguments>(arguments)...) {}

  void observe(emulator::Observer observer) override { target_.observe(std::move(observer)); }
  void set_faults(const std::string& plan_json) override { target_.set_faults(plan_json); }
  std::string faults() const override { return target_.faults(); }
  void stop_reading_at(std::uint64_t n) override { target_.stop_reading_at(n); }
  void cut(emulator::CutKind kind) override { target_.cut(kind); }
  void heal() override { target_.heal(); }
  void drain(std::chrono::milliseconds downtime) override { target_.drain(downtime); }
  std::size_t open_connections() const override { return target_.open_connections(); }

 protected:
  Target target_;
};

emulator::Options options_for(std::uint64_t seed, std::string host) {
  emulator::Options options;
  options.seed = seed;
  options.host = std::move(host);
  options.root_token = kAnyToken;  // it must have one off loopback
  return options;
}

class EmbeddedService final : public ServiceOver<emulator::Emulator> {
 public:
  EmbeddedService(std::uint64_t seed, std::string host) : ServiceOver(options_for(seed, std::move(host))) {
    target_.create_basin(kOwnBasin);
  }

  ServiceAddress for_writer() const override { return {target_.endpoint(), kOwnBasin, kAnyToken}; }
  ServiceAddress for_reader() const override { return for_writer(); }
  std::optional<std::string> history(const std::string& stream) const override {
    return target_.history(kOwnBasin, stream);
  }
  void one_at_a_time() override {}                              // it always does
  std::size_t appends_under_way() const override { return 0; }  // one that is whole is committed in one turn
};

class ProxiedService final : public ServiceOver<FaultProxy> {
 public:
  ProxiedService(ServiceAddress address, std::uint64_t seed)
      : ServiceOver(address.endpoint, seed), address_(std::move(address)) {
    target_.let_ahead(kAppendsAhead);
  }

  ServiceAddress for_writer() const override { return {target_.endpoint(), address_.basin, address_.token}; }
  ServiceAddress for_reader() const override { return address_; }
  std::optional<std::string> history(const std::string&) const override { return std::nullopt; }
  void one_at_a_time() override { target_.let_ahead(1); }
  std::size_t appends_under_way() const override { return target_.appends_under_way(); }

 private:
  const ServiceAddress address_;
};

}  // namespace

std::unique_ptr<FaultyService> make_embedded_service(std::uint64_t seed, std::string host) {
  return std::make_unique<EmbeddedService>(seed, std::move(host));
}

std::unique_ptr<FaultyService> make_proxied_service(ServiceAddress address, std::uint64_t seed) {
  return std::make_unique<ProxiedService>(std::move(address), seed);
}

}  // namespace s2::scenarios
