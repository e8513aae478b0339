// What S2 does, without a socket, a clock or a thread: basins, streams, append, read, check tail.
//
// One thread calls, at a time; nothing in here blocks or waits. Every call takes `now`, milliseconds since
// the epoch; retention and delete-on-empty take effect when a call looks at a stream, as of that `now`. The
// service owns all data; what it returns is the caller's. Refusals are wire::ApiError with S2's status and
// code. Deletion is immediate: a deleted basin or stream is not found from then on, and its name is free.
// Source: S2 spec "basins", "streams", "append", "read", "check tail".
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "emulator/config.h"
#include "wire/types.h"

namespace s2::emulator {

inline constexpr std::size_t kMaxListLimit = 1000;  // entries a page; also the default

struct BasinInfo {
  std::string name;
  std::uint64_t created_at = 0;  // milliseconds
};

struct StreamInfo {
  std::string name;
  std::uint64_t created_at = 0;  // milliseconds
  std::optional<Cipher> cipher;
};

// What create and ensure did (`s2-provision-result`).
enum class Provision { created, updated, noop };
std::string_view name_of(Provision value);

template <class Info>
struct Provisioned {
  Provision what = Provision::created;
  Info info;
};

struct ListRequest {
  std::string prefix;
  std::string start_after;
  std::size_t limit = 0;  // 0, or more than kMaxListLimit: kMaxListLimit
};

template <class Info>
struct Page {
  std::vector<Info> values;
  bool has_more = false;
};

// Where a read starts.
struct FromSeqNum {
  std::uint64_t seq_num = 0;
};
struct FromTimestamp {
  std::uint64_t timestamp = 0;
};  // the first record at or after it
struct FromTailOffset {
  std::uint64_t tail_offset = 0;
};  // that many records before the tail
using ReadFrom = std::variant<FromSeqNum, FromTimestamp, FromTailOffset>;

struct ReadRequest {
  ReadFrom from = FromTailOffset{0};
  bool clamp = false;                      // beyond the tail means at the tail
  std::optional<std::uint64_t> count;      // records in all
  std::optional<std::uint64_t> bytes;      // metered bytes in all
  std::optional<std::uint64_t> until;      // only records with a timestamp below it
  std::optional<std::uint32_t> wait_secs;  // how long the caller will wait at the tail (its business)
  bool unary = false;                      // one batch; more than 1000 records or 1 MiB are never asked for
};

// S2 spec "read": a session without count, bytes and until follows; a unary read, or a bounded one, only with
// wait > 0.
bool may_follow(const ReadRequest& request);

// A read under way. A value that the caller keeps between steps; it holds no records. It stays with the
// stream that it was opened on: when that one is deleted, the next step is 404, even if the name is taken
// again.
struct ReadCursor {
  std::string basin;
  std::string stream;
  std::uint64_t stream_id = 0;  // unique for the life of the service
  std::uint64_t next_seq_num = 0;
  std::optional<std::uint64_t> count_left;
  std::optional<std::uint64_t> bytes_left;
  std::optional<std::uint64_t> until;
  bool may_follow = false;
};

struct ReadStep {
  enum class Kind {
    batch,    // `batch` has at least one record; its `tail` is set when it reaches the tail
    waiting,  // at the tail, and following: `tail` says where; step again after a Subscription told
    done,     // count, bytes or until is reached, or it is at the tail and may not follow
  };
  Kind kind = Kind::done;
  wire::ReadBatch batch;
  wire::StreamPosition tail;  // always: the stream's tail at this step
};

// For tests and for a look from outside.
struct StreamState {
  std::uint64_t stream_id = 0;
  wire::StreamPosition tail;
  std::uint64_t first_seq_num = 0;  // of the oldest record, or the tail's where there is none
  std::size_t records = 0;
  std::size_t metered_bytes = 0;
  std::string fencing_token;
  std::size_t subscriptions = 0;
};

struct Counters {
  std::uint64_t basins = 0;
  std::uint64_t streams = 0;
  std::uint64_t records = 0;        // held now
  std::uint64_t metered_bytes = 0;  // held now
  std::uint64_t appends = 0;        // committed since the service began, and so below
  std::uint64_t appends_refused = 0;
  std::uint64_t records_appended = 0;
  std::uint64_t records_read = 0;
};

// Interest in one stream. While it lives, its callback is called after records were committed to the stream,
// and once when the stream is gone (the next step of a cursor tells which). The call comes from inside a call
// of the Service, after the effect is complete: it should only mark who is to be woken; it may not call the
// Service (dropping a Subscription is fine). May outlive the Service.
class Subscription {
 public:
  Subscription() = default;

 private:
  friend class Service;
  explicit Subscription(std::shared_ptr<std::function<void()>> callback) : callback_(std::move(callback)) {}
  std::shared_ptr<std::function<void()>> callback_;
};

class Service {
 public:
  Service();
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // --- basins ---
  // With a request token, a repetition with the same configuration is a noop; else 409
  // resource_already_exists.
  Result<Provisioned<BasinInfo>> create_basin(std::string_view basin, const BasinConfig& config,
                                              const std::optional<std::string>& request_token,
                                              std::uint64_t now);
  Result<Provisioned<BasinInfo>> ensure_basin(std::string_view basin, const BasinConfig& config,
                                              std::uint64_t now);
  Result<Page<BasinInfo>> list_basins(const ListRequest& request) const;
  Result<BasinConfig> basin_config(std::string_view basin) const;
  Result<BasinConfig> reconfigure_basin(std::string_view basin, const BasinReconfiguration& change);
  Result<void> delete_basin(std::string_view basin);

  // --- streams ---
  Result<Provisioned<StreamInfo>> create_stream(std::string_view basin, std::string_view stream,
                                                const StreamConfigLayer& config,
                                                const std::optional<std::string>& request_token,
                                                std::uint64_t now);
  Result<Provisioned<StreamInfo>> ensure_stream(std::string_view basin, std::string_view stream,
                                                const StreamConfigLayer& config, std::uint64_t now);
  Result<Page<StreamInfo>> list_streams(std::string_view basin, const ListRequest& request,
                                        std::uint64_t now);
  // This and delete_stream: 404 stream_not_found in a missing basin too; the others say basin_not_found.
  Result<StreamConfig> stream_config(std::string_view basin, std::string_view stream, std::uint64_t now);
  Result<StreamConfig> reconfigure_stream(std::string_view basin, std::string_view stream,
                                          const StreamReconfiguration& change, std::uint64_t now);
  Result<void> delete_stream(std::string_view basin, std::string_view stream, std::uint64_t now);

  // --- records ---
  // Each of these three creates the stream where the basin says so, with `if_created` as its configuration
  // (`s2-stream-config`).

  // All of the input or nothing. Order of refusals: 422 for what is wrong with the input itself, 404, then
  // 412 for the fencing token, then 412 for match_seq_num, then 422 for a missing timestamp. The input is
  // used up when it succeeds.
  Result<wire::AppendAck> append(std::string_view basin, std::string_view stream, wire::AppendInput&& input,
                                 std::uint64_t now, const StreamConfigLayer& if_created = {});
  // What append() would refuse whatever the stream, without touching anything: for a session that opens.
  static Result<void> check_input(const wire::AppendInput& input);
  // 404, or whatever else an append would meet before it looks at the input; creates the stream as append
  // would. For an append session, which answers that before the first batch.
  Result<void> open_for_append(std::string_view basin, std::string_view stream, std::uint64_t now,
                               const StreamConfigLayer& if_created = {});

  Result<wire::StreamPosition> check_tail(std::string_view basin, std::string_view stream, std::uint64_t now,
                                          const StreamConfigLayer& if_created = {});

  // 416 with the tail: beyond the tail without clamp; at the tail when the request may not follow.
  Result<ReadCursor> open_read(std::string_view basin, std::string_view stream, const ReadRequest& request,
                               std::uint64_t now, const StreamConfigLayer& if_created = {});
  // The next batch (at most 1000 records, 1 MiB metered), and moves the cursor past it.
  Result<ReadStep> step(ReadCursor& cursor, std::uint64_t now);
  Result<Subscription> subscribe(const ReadCursor& cursor, std::function<void()> callback);

  // --- the rest ---
  // Retention and delete-on-empty for all streams, so that those who wait on one that nobody looks at are
  // told.
  void sweep(std::uint64_t now);
  void reset();  // forgets all basins; subscriptions are told
  Counters counters() const;
  Result<StreamState> stream_state(std::string_view basin, std::string_view stream) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace s2::emulator
