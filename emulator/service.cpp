// Basins and streams as resources: create, ensure, list, configure, delete. Records are in
// service_records.cpp.
#include "emulator/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "emulator/errors.h"
#include "emulator/names.h"
#include "emulator/service_impl.h"

namespace s2::emulator {
namespace {

constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

// Milliseconds of a configured number of seconds after `from`; kNever where that does not fit.
std::uint64_t after(std::uint64_t from, std::uint64_t secs) {
  if (secs > (kNever - from) / 1000) return kNever;
  return from + secs * 1000;
}

// What create and ensure answer for a resource that is there already.
template <class Info, class Resource, class Config>
Result<Provisioned<Info>> created_before(const Resource& existing,
                                         const std::optional<std::string>& request_token,
                                         const Config& config, Info info, std::string_view what) {
  if (request_token && existing.creation == Creation<Config>{*request_token, config}) {
    return Provisioned<Info>{Provision::noop, std::move(info)};
  }
  return refuse(409, "resource_already_exists", fmt::format("{} \"{}\" already exists", what, info.name));
}

template <class Config>
std::optional<Creation<Config>> creation_of(const std::optional<std::string>& request_token,
                                            const Config& config) {
  if (!request_token) return std::nullopt;
  return Creation<Config>{*request_token, config};
}

// Walks the names after `start_after` that begin with `prefix`; `visit` gives the iterator to go on from.
template <class Map, class Info, class InfoOf>
Page<Info> page_of(Map& map, const ListRequest& request, InfoOf info_of) {
  const std::size_t limit = request.limit == 0 ? kMaxListLimit : std::min(request.limit, kMaxListLimit);
  Page<Info> page;
  auto it = request.start_after < request.prefix ? map.lower_bound(request.prefix)
                                                 : map.upper_bound(request.start_after);
  for (; it != map.end() && it->first.starts_with(request.prefix); ++it) {
    if (page.values.size() == limit) {
      page.has_more = true;
      break;
    }
    page.values.push_back(info_of(*it));
  }
  return page;
}

BasinInfo info_of(const std::string& name, const Basin& basin) {
  return BasinInfo{name, basin.created_at};
}

StreamInfo info_of(std::string_view name, const Stream& stream) {
  return StreamInfo{std::string(name), stream.created_at, stream.cipher};
}

tl::unexpected<wire::ApiError> no_stream(std::string_view basin, std::string_view stream) {
  return refuse(404, "stream_not_found", fmt::format("no stream \"{}\" in basin \"{}\"", stream, basin));
}

}  // namespace

std::string_view name_of(Provision value) {
  switch (value) {
    case Provision::created:
      return "created";
    case Provision::updated:
      return "updated";
    case Provision::noop:
      return "noop";
  }
  return "noop";
}

// By index: a callback may drop its own subscription, or another's, but cannot shorten the list.
void Stream::tell_subscriptions() {
  for (std::size_t i = 0; i < subscriptions.size(); ++i) {
    if (const auto callback = subscriptions[i].lock()) (*callback)();
  }
  std::erase_if(subscriptions, [](const auto& subscription) { return subscription.expired(); });
}

Result<Basin*> Service::Impl::find_basin(std::string_view name) {
  const auto it = basins.find(name);
  if (it == basins.end()) return refuse(404, "basin_not_found", fmt::format("no basin \"{}\"", name));
  return &it->second;
}

Result<Stream*> Service::Impl::find_stream(std::string_view basin, std::string_view stream,
                                           std::uint64_t now) {
  const Result<Basin*> found = find_basin(basin);
  if (!found) return tl::unexpected(found.error());
  const auto it = (*found)->streams.find(stream);
  if (it == (*found)->streams.end() || !age(**found, it, now)) return no_stream(basin, stream);
  return it->second.get();
}

Result<Stream*> Service::Impl::find_or_create(std::string_view basin, std::string_view stream,
                                              bool BasinConfig::* flag, const StreamConfigLayer& if_created,
                                              std::uint64_t now) {
  const Result<Basin*> found = find_basin(basin);
  if (!found) return tl::unexpected(found.error());
  const auto it = (*found)->streams.find(stream);
  if (it != (*found)->streams.end() && age(**found, it, now)) return it->second.get();
  if (!((*found)->config.*flag)) return no_stream(basin, stream);
  if (auto problem = stream_name_problem(stream)) return invalid(*std::move(problem));
  return &add_stream(**found, stream, if_created, now);
}

Stream& Service::Impl::add_stream(Basin& basin, std::string_view name, const StreamConfigLayer& config,
                                  std::uint64_t now) {
  auto stream = std::make_unique<Stream>();
  stream->id = next_stream_id++;
  stream->created_at = now;
  stream->empty_since = now;
  stream->config = merge(config, basin.config.default_stream_config);
  stream->cipher = basin.config.stream_cipher;
  return *basin.streams.emplace(std::string(name), std::move(stream)).first->second;
}

bool Service::Impl::age(Basin& basin, decltype(Basin::streams)::iterator it, std::uint64_t now) {
  Stream& stream = *it->second;
  if (const auto& age_secs = stream.config.retention.age_secs; age_secs && !stream.store.empty()) {
    const std::uint64_t age_ms = after(0, *age_secs);
    if (age_ms <= now) {
      const std::optional<std::uint64_t> last_gone = stream.store.expire(now - age_ms);
      if (last_gone && stream.store.empty()) stream.empty_since = after(*last_gone, *age_secs);
    }
  }
  const std::uint64_t min_age_secs = stream.config.delete_on_empty_min_age_secs;
  if (min_age_secs == 0 || !stream.store.empty() || after(stream.empty_since, min_age_secs) > now)
    return true;
  remove(basin, it);
  return false;
}

void Service::Impl::remove(Basin& basin, decltype(Basin::streams)::iterator it) {
  const std::unique_ptr<Stream> gone = std::move(it->second);
  basin.streams.erase(it);
  gone->tell_subscriptions();
}

Service::Service() : impl_(std::make_unique<Impl>()) {}
Service::~Service() = default;

Result<Provisioned<BasinInfo>> Service::create_basin(std::string_view basin, const BasinConfig& config,
                                                     const std::optional<std::string>& request_token,
                                                     std::uint64_t now) {
  if (auto problem = basin_name_problem(basin)) return invalid(*std::move(problem));
  const auto it = impl_->basins.find(basin);
  if (it != impl_->basins.end()) {
    return created_before(it->second, request_token, config, info_of(it->first, it->second), "basin");
  }
  const auto added = impl_->basins.emplace(std::string(basin), Basin{now, config, {}, {}}).first;
  added->second.creation = creation_of(request_token, config);
  return Provisioned<BasinInfo>{Provision::created, info_of(added->first, added->second)};
}

Result<Provisioned<BasinInfo>> Service::ensure_basin(std::string_view basin, const BasinConfig& config,
                                                     std::uint64_t now) {
  const auto it = impl_->basins.find(basin);
  if (it == impl_->basins.end()) return create_basin(basin, config, std::nullopt, now);
  const Provision what = it->second.config == config ? Provision::noop : Provision::updated;
  it->second.config = config;
  return Provisioned<BasinInfo>{what, info_of(it->first, it->second)};
}

Result<Page<BasinInfo>> Service::list_basins(const ListRequest& request) const {
  for (const std::string& filter : {request.prefix, request.start_after}) {
    if (auto problem = basin_filter_problem(filter)) return refuse(400, "bad_query", *std::move(problem));
  }
  return page_of<decltype(impl_->basins), BasinInfo>(
      impl_->basins, request, [](const auto& entry) { return info_of(entry.first, entry.second); });
}

Result<BasinConfig> Service::basin_config(std::string_view basin) const {
  return impl_->find_basin(basin).map([](Basin* found) { return found->config; });
}

Result<BasinConfig> Service::reconfigure_basin(std::string_view basin, const BasinReconfiguration& change) {
  return impl_->find_basin(basin).map(
      [&](Basin* found) { return found->config = apply(found->config, change); });
}

Result<void> Service::delete_basin(std::string_view basin) {
  const Result<Basin*> found = impl_->find_basin(basin);
  if (!found) return tl::unexpected(found.error());
  while (!(*found)->streams.empty()) impl_->remove(**found, (*found)->streams.begin());
  impl_->basins.erase(impl_->basins.find(basin));
  return {};
}

Result<Provisioned<StreamInfo>> Service::create_stream(std::string_view basin, std::string_view stream,
                                                       const StreamConfigLayer& config,
                                                       const std::optional<std::string>& request_token,
                                                       std::uint64_t now) {
  if (auto problem = stream_name_problem(stream)) return invalid(*std::move(problem));
  const Result<Basin*> found = impl_->find_basin(basin);
  if (!found) return tl::unexpected(found.error());
  const auto it = (*found)->streams.find(stream);
  if (it != (*found)->streams.end() && impl_->age(**found, it, now)) {
    return created_before(*it->second, request_token, config, info_of(stream, *it->second), "stream");
  }
  Stream& added = impl_->add_stream(**found, stream, config, now);
  added.creation = creation_of(request_token, config);
  return Provisioned<StreamInfo>{Provision::created, info_of(stream, added)};
}

Result<Provisioned<StreamInfo>> Service::ensure_stream(std::string_view basin, std::string_view stream,
                                                       const StreamConfigLayer& config, std::uint64_t now) {
  const Result<Stream*> existing = impl_->find_stream(basin, stream, now);
  if (!existing)
    return create_stream(basin, stream, config, std::nullopt, now);  // or its basin is not there: 404
  const StreamConfig wanted = merge(config, (*impl_->find_basin(basin))->config.default_stream_config);
  const Provision what = (*existing)->config == wanted ? Provision::noop : Provision::updated;
  (*existing)->config = wanted;
  return Provisioned<StreamInfo>{what, info_of(stream, **existing)};
}

Result<Page<StreamInfo>> Service::list_streams(std::string_view basin, const ListRequest& request,
                                               std::uint64_t now) {
  for (const std::string& filter : {request.prefix, request.start_after}) {
    if (auto problem = stream_filter_problem(filter)) return refuse(400, "bad_query", *std::move(problem));
  }
  const Result<Basin*> found = impl_->find_basin(basin);
  if (!found) return tl::unexpected(found.error());
  auto& streams = (*found)->streams;
  for (auto it = streams.begin(); it != streams.end();) {
    const auto here = it++;
    impl_->age(**found, here, now);
  }
  return page_of<decltype(Basin::streams), StreamInfo>(
      streams, request, [](const auto& entry) { return info_of(entry.first, *entry.second); });
}

Result<StreamConfig> Service::stream_config(std::string_view basin, std::string_view stream,
                                            std::uint64_t now) {
  const Result<Stream*> found = impl_->find_stream(basin, stream, now);
  if (!found) return no_stream(basin, stream);  // in a basin that is not there as well: so answers S2
  return (*found)->config;
}

Result<StreamConfig> Service::reconfigure_stream(std::string_view basin, std::string_view stream,
                                                 const StreamReconfiguration& change, std::uint64_t now) {
  const Result<Stream*> found = impl_->find_stream(basin, stream, now);
  if (!found) return tl::unexpected(found.error());
  const StreamConfigLayer& basin_default = (*impl_->find_basin(basin))->config.default_stream_config;
  (*found)->config = merge(apply(layer_of((*found)->config), change), basin_default);
  return (*found)->config;
}

Result<void> Service::delete_stream(std::string_view basin, std::string_view stream, std::uint64_t now) {
  const Result<Stream*> found = impl_->find_stream(basin, stream, now);
  if (!found) return no_stream(basin, stream);  // in a basin that is not there as well: so answers S2
  Basin& owner = **impl_->find_basin(basin);
  impl_->remove(owner, owner.streams.find(stream));
  return {};
}

void Service::sweep(std::uint64_t now) {
  for (auto& [name, basin] : impl_->basins) {
    for (auto it = basin.streams.begin(); it != basin.streams.end();) {
      const auto here = it++;
      impl_->age(basin, here, now);
    }
  }
}

void Service::reset() {
  while (!impl_->basins.empty()) {
    const auto it = impl_->basins.begin();
    while (!it->second.streams.empty()) impl_->remove(it->second, it->second.streams.begin());
    impl_->basins.erase(it);
  }
}

Counters Service::counters() const {
  Counters out = impl_->counted;
  out.basins = impl_->basins.size();
  for (const auto& [name, basin] : impl_->basins) {
    out.streams += basin.streams.size();
    for (const auto& [stream_name, stream] : basin.streams) {
      out.records += stream->store.size();
      out.metered_bytes += stream->store.metered_bytes();
    }
  }
  return out;
}

}  // namespace s2::emulator
