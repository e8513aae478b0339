// What the service holds: basins, their streams, and who is interested in them. For the service's own .cpp
// files.
//
// One thread at a time, like Service. Basin owns its streams, a Stream its records; subscriptions are owned
// by whoever subscribed.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "emulator/service.h"
#include "emulator/store.h"

namespace s2::emulator {

// A create with a request token may be repeated with the same token and configuration.
template <class Config>
struct Creation {
  std::string request_token;
  Config config;
  bool operator==(const Creation&) const = default;
};

struct Stream {
  std::uint64_t id = 0;
  std::uint64_t created_at = 0;
  StreamConfig config;
  std::optional<Cipher> cipher;
  std::optional<Creation<StreamConfigLayer>> creation;
  Store store;
  std::string fencing_token;
  std::uint64_t empty_since = 0;  // milliseconds; meaningful while the store is empty
  std::vector<std::weak_ptr<std::function<void()>>> subscriptions;

  void tell_subscriptions();
};

struct Basin {
  std::uint64_t created_at = 0;
  BasinConfig config;
  std::optional<Creation<BasinConfig>> creation;
  std::map<std::string, std::unique_ptr<Stream>, std::less<>> streams;
};

class Service::Impl {
 public:
  std::map<std::string, Basin, std::less<>> basins;
  std::uint64_t next_stream_id = 1;
  Counters counted;  // only what is counted since the service began

  Result<Basin*> find_basin(std::string_view name);
  // Looks at the stream as of `now`: what is beyond retention goes; so does the stream, if it was empty for
  // too long.
  Result<Stream*> find_stream(std::string_view basin, std::string_view stream, std::uint64_t now);
  // As find_stream, and creates it where the basin's `flag` says so.
  Result<Stream*> find_or_create(std::string_view basin, std::string_view stream, bool BasinConfig::* flag,
                                 const StreamConfigLayer& if_created, std::uint64_t now);
  Stream& add_stream(Basin& basin, std::string_view name, const StreamConfigLayer& config, std::uint64_t now);
  // Applies retention and delete-on-empty; false when the stream is gone (and `it` past it).
  bool age(Basin& basin, decltype(Basin::streams)::iterator it, std::uint64_t now);
  void remove(Basin& basin, decltype(Basin::streams)::iterator it);
  Result<wire::AppendAck> commit(Stream& stream, wire::AppendInput&& input, std::uint64_t now);
};

}  // namespace s2::emulator
