// A network of the run's own: the service in one network namespace, the writer in another, and between them a
// veth pair, which can be deleted and made again.
//
// What a deleted link does no proxy can: nothing is closed, nothing is reset, nothing answers, neither to the
// connections that stand nor to new ones; the addresses stay. The namespaces are nobody's but this process's
// (no name, no file): with it they go, however it ends, and the machine's own network is never touched.
// Needs Linux and CAP_SYS_ADMIN. From make() to the destructor the calling thread, and every thread that it
// starts, is in the service's namespace; all members are that thread's.
#pragma once

#include <memory>
#include <string>
#include <tl/expected.hpp>

namespace s2::scenarios {

class PrivateNetwork {
 public:
  // Linked. Error: one line, which says what was refused and why.
  static tl::expected<std::unique_ptr<PrivateNetwork>, std::string> make();
  ~PrivateNetwork();
  PrivateNetwork(const PrivateNetwork&) = delete;
  PrivateNetwork& operator=(const PrivateNetwork&) = delete;

  static constexpr const char* kServiceAddress = "10.77.0.1";

  tl::expected<void, std::string> cut();   // the link is deleted
  tl::expected<void, std::string> heal();  // and there again, with the same addresses

  // While it lives, the thread, and what it starts, is in the writer's namespace.
  class AtWriter {
   public:
    explicit AtWriter(const PrivateNetwork* network);  // null: stays where it is
    ~AtWriter();
    AtWriter(const AtWriter&) = delete;
    AtWriter& operator=(const AtWriter&) = delete;

   private:
    const PrivateNetwork* network_;
  };

 private:
  struct Files;
  explicit PrivateNetwork(std::unique_ptr<Files> files);
  tl::expected<void, std::string> prepare();
  std::unique_ptr<Files> files_;
};

// Why this machine gives no private network; empty: it does. Tried once, on a thread of its own.
const std::string& why_no_private_network();

}  // namespace s2::scenarios
