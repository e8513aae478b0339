// s2-bench: what the emulator costs, beside a peer measured by the same client in the same run.
//
//   s2-bench [--peer URL] [--appends N]      prints one JSON object; ci/bench starts the peer and keeps the
//   result
//
// Figures: median and p99 (microseconds) of a unary append of one 100-byte record on one connection, for ours
// and the peer; median milliseconds from construction to serving of an in-process emulator; the same for 100
// side by side.
#include <httplib.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "emulator/emulator.h"

namespace {

using Clock = std::chrono::steady_clock;

double micros_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
}

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))];
}

nlohmann::json append_latency(const std::string& endpoint, int appends) {
  httplib::Client client(endpoint);
  client.set_keep_alive(true);
  client.set_tcp_nodelay(true);
  const httplib::Headers headers{{"s2-basin", "bench-basin"}, {"authorization", "Bearer any-token"}};
  const auto basin = client.Put("/v1/basins/bench-basin", headers,
                                R"({"config":{"create_stream_on_append":true}})", "application/json");
  if (!basin || basin->status >= 300) {
    std::cerr << "s2-bench: " << endpoint << " does not create a basin\n";
    std::exit(3);
  }
  const std::string body = R"({"records":[{"body":")" + std::string(100, 'x') + R"("}]})";
  std::vector<double> micros;
  const int warm_up = appends / 10;
  for (int i = 0; i < appends + warm_up; ++i) {
    const auto begin = Clock::now();
    const auto answer = client.Post("/v1/streams/bench/records", headers, body, "application/json");
    if (!answer || answer->status != 200) {
      std::cerr << "s2-bench: append " << i << " failed at " << endpoint << "\n";
      std::exit(3);
    }
    if (i >= warm_up) micros.push_back(micros_since(begin));
  }
  return {{"appends", appends}, {"median_us", quantile(micros, 0.5)}, {"p99_us", quantile(micros, 0.99)}};
}

// Milliseconds until a health request was answered.
double start_millis(std::vector<std::unique_ptr<s2::emulator::Emulator>>& keep) {
  const auto begin = Clock::now();
  keep.push_back(std::make_unique<s2::emulator::Emulator>());
  httplib::Client client(keep.back()->endpoint());
  const auto health = client.Get("/health");
  if (!health || health->status != 200) {
    std::cerr << "s2-bench: an in-process emulator does not serve\n";
    std::exit(3);
  }
  return micros_since(begin) / 1000;
}

}  // namespace

int main(int argc, char** argv) {
  std::string peer;
  int appends = 2000;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--peer") {
      peer = argv[i + 1];
    } else if (flag == "--appends") {
      appends = std::atoi(argv[i + 1]);
    } else {
      std::cerr << "s2-bench: unknown flag " << flag << "\n";
      return 2;
    }
  }
  if (appends < 10) {
    std::cerr << "s2-bench: --appends takes a number of at least 10\n";
    return 2;
  }

  nlohmann::json result;
  {
    s2::emulator::Emulator emulator;
    result["unary_append"]["ours"] = append_latency(emulator.endpoint(), appends);
  }
  if (!peer.empty()) {
    result["unary_append"]["peer"] = append_latency(peer, std::min(appends, 500));
    result["unary_append"]["times_faster"] = result["unary_append"]["peer"]["median_us"].get<double>() /
                                             result["unary_append"]["ours"]["median_us"].get<double>();
  }
  std::vector<double> alone;
  for (int i = 0; i < 50; ++i) {
    std::vector<std::unique_ptr<s2::emulator::Emulator>> one;
    alone.push_back(start_millis(one));
  }
  std::vector<std::unique_ptr<s2::emulator::Emulator>> many;
  std::vector<double> beside;
  for (int i = 0; i < 100; ++i) beside.push_back(start_millis(many));
  result["start_ms"] = {{"median", quantile(alone, 0.5)},
                        {"max", quantile(alone, 1)},
                        {"beside_others_median", quantile(beside, 0.5)},
                        {"beside_others_max", quantile(beside, 1)}};
  std::cout << result.dump(2) << "\n";
  return 0;
}
