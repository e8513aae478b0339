// See host.h.
#include "emulator/host.h"

#include <boost/asio/ip/address.hpp>
#include <stdexcept>

#include "emulator/config.h"
#include "emulator/names.h"
#include "emulator/operation.h"
#include "emulator/request.h"
#include "emulator/resources.h"
#include "emulator/routes.h"

namespace s2::emulator {
namespace {

[[noreturn]] void refuse_option(const wire::ApiError& error) {
  throw std::invalid_argument(error.message);
}

void apply_init_json(Service& service, std::string_view text, std::uint64_t now) {
  const auto done = resources_from_json(text).and_then(
      [&](const Resources& resources) { return apply(resources, service, now); });
  if (!done) throw std::invalid_argument("init file: " + done.error());
}

void check_options(const Options& options) {
  boost::system::error_code bad_address;
  boost::asio::ip::make_address(options.host, bad_address);
  if (bad_address && options.host != "localhost") {
    throw std::invalid_argument("host " + options.host + " is neither an IP address nor localhost");
  }
  if (!wire::is_loopback(options.host) && options.root_token.empty()) {
    throw std::invalid_argument("host " + options.host + " is off loopback: a root token must be set");
  }
  if (options.auth == Auth::enforced && options.root_token.empty()) {
    throw std::invalid_argument("with enforced auth a root token must be set");
  }
}

// What the root token does not do is allowed by what was issued (access.h).
std::optional<wire::ApiError> forbidden(const World& world, const wire::RequestHead& head,
                                        const Operation& operation) {
  const std::string_view secret = bearer_of(head);
  if (secret == world.options.root_token) return std::nullopt;
  const AccessToken* token = world.access_tokens.of_secret(secret);
  if (token == nullptr) return refusal(401, "authn", "the access token was revoked");
  if (operation.op.find("access_token") != std::string_view::npos)
    return refusal(403, "permission_denied", "only the root token issues, lists and revokes access tokens");
  return refusal_for(*token, operation.op, operation.permissions, operation.basin, operation.stream);
}

}  // namespace

Host::Host(Loop& loop, Options options) : loop_(loop), world_(loop, std::move(options)) {
  check_options(world_.options);
  if (!world_.options.init_json.empty())
    apply_init_json(world_.service, world_.options.init_json, world_.clock.now_ms());
  if (!world_.options.faults_json.empty()) world_.faults.replace(world_.options.faults_json);
  world_.soon = [this](std::function<void()> work) { loop_.post(std::move(work)); };
  if (world_.options.auth == Auth::enforced) {
    world_.forbids = [this](const Exchange& exchange, const Operation& operation) {
      return forbidden(world_, exchange.head(), operation);
    };
  }
  world_.reset = [this](std::uint64_t except) { reset(except); };
}

Host::~Host() = default;

void Host::serve(std::unique_ptr<Listener> listener) {
  server_ =
      std::make_unique<Server>(loop_, world_.clock, world_.moments, std::move(listener),
                               [this](const ExchangePtr& exchange) { emulator::serve(world_, exchange); });
  world_.connections = [this] {
    return ConnectionCounts{server_->open_connections(), server_->connections_opened()};
  };
}

void Host::create_basin(const std::string& name, const std::string& config_json) {
  const auto config = basin_config_from_json(config_json);
  if (!config) refuse_option(config.error());
  create_basin(name, *config);
}

void Host::create_basin(const std::string& name, const BasinConfig& config) {
  if (const auto problem = basin_name_problem(name)) throw std::invalid_argument(*problem);
  const auto made = world_.service.create_basin(name, config, std::nullopt, world_.clock.now_ms());
  if (!made) refuse_option(made.error());
}

void Host::advance_clock(std::chrono::milliseconds by) {
  world_.clock.advance(by);
  world_.service.sweep(world_.clock.now_ms());
}

void Host::reset(std::uint64_t except_connection) {
  ++world_.generation;
  world_.service.reset();
  world_.access_tokens.clear();
  world_.faults.clear();
  world_.history.clear();
  world_.moments.restart_counts();
  server_->reset_connections(except_connection);
}

void Host::end() {
  world_.moments.observe(nullptr);
  server_->reset_connections();
}

}  // namespace s2::emulator
