// Histories as an emulator writes them: what was delivered decides. Source: the contract, "History".
#include <sstream>

#include "emulator/history.h"
#include "tests/emulator/test_client.h"

namespace s2::emulator::test {
namespace {

std::vector<nlohmann::json> lines_of(const Emulator& emulator, const std::string& stream = "s") {
  std::vector<nlohmann::json> lines;
  std::istringstream text(emulator.history(kBasin, stream));
  for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

std::string kinds(const std::vector<nlohmann::json>& lines) {
  std::string out;
  for (const auto& line : lines) {
    const auto& event = line["event"];
    const auto& what = event.contains("Start") ? event["Start"] : event["Finish"];
    out += (out.empty() ? "" : " ") + (what.is_string() ? what.get<std::string>() : what.begin().key());
  }
  return out;
}

TEST(Histories, AppendsTailsAndWholeReadsAreWrittenAsTheFormatHasThem) {
  Endpoint endpoint;
  Client client = endpoint.client();
  client.append("s", {"a", "b"});
  client.append("s", {"c"}, {{"match_seq_num", 9}, {"fencing_token", ""}});
  client.tail("s");
  client.request("GET", "/v1/streams/s/records?seq_num=0");
  client.request("GET", "/v1/streams/s/records?seq_num=1");          // not from the beginning
  client.request("GET", "/v1/streams/s/records?seq_num=0&count=1");  // not to the end
  const auto lines = lines_of(endpoint.emulator);
  ASSERT_EQ(kinds(lines),
            "Append AppendSuccess Append AppendDefiniteFailure CheckTail CheckTailSuccess Read ReadSuccess");
  const std::uint64_t a = record_hash("a"), b = record_hash("b");
  EXPECT_EQ(lines[0]["event"]["Start"]["Append"], (nlohmann::json{{"num_records", 2},
                                                                  {"record_hashes", {a, b}},
                                                                  {"set_fencing_token", nullptr},
                                                                  {"fencing_token", nullptr},
                                                                  {"match_seq_num", nullptr}}));
  EXPECT_EQ(lines[1]["event"]["Finish"]["AppendSuccess"]["tail"], 2);
  EXPECT_EQ(lines[2]["event"]["Start"]["Append"]["match_seq_num"], 9);
  EXPECT_EQ(lines[2]["event"]["Start"]["Append"]["fencing_token"], "");
  EXPECT_EQ(lines[4]["event"]["Start"], "CheckTail");
  EXPECT_EQ(lines[7]["event"]["Finish"]["ReadSuccess"],
            (nlohmann::json{{"tail", 2}, {"stream_hash", chain_hash(chain_hash(0, a), b)}}));
  EXPECT_EQ(lines[3]["kind"], "seq_num_mismatch");
  EXPECT_EQ(lines[3]["tail"], 2);
  EXPECT_EQ(lines[7]["record_hashes"], (nlohmann::json{a, b}));
  EXPECT_EQ(lines[0]["op_id"], lines[1]["op_id"]);
  EXPECT_EQ(lines[0]["client_id"], lines[1]["client_id"]);
}

TEST(Histories, TheHashOfARecordIsXxh3) {
  EXPECT_EQ(record_hash(""), 0x2d06800538d394c2ULL);  // XXH3-64 of nothing, as its authors publish it
}

TEST(Histories, ALostAckIsIndefiniteComesLastAndItsClientIsNotUsedAgain) {
  Endpoint endpoint;
  endpoint.emulator.set_faults(R"([{"match":{"op":"append","times":1},"fault":{"cut":"after_commit"}}])");
  endpoint.client().append("s", {"a"});
  Client client = endpoint.client();
  client.append("s", {"b"});
  client.append("s", {"c"});
  const auto lines = lines_of(endpoint.emulator);
  ASSERT_EQ(kinds(lines), "Append Append AppendSuccess Append AppendSuccess AppendIndefiniteFailure");
  EXPECT_EQ(lines[0]["client_id"], lines[5]["client_id"]);
  EXPECT_NE(lines[0]["client_id"], lines[1]["client_id"]);
  EXPECT_EQ(lines[1]["client_id"], lines[3]["client_id"]);
}

TEST(Histories, AnErrorThatPromisesNothingIsIndefiniteAndOneThatDoesIsDefinite) {
  Endpoint endpoint;
  endpoint.emulator.set_faults(
      R"([{"match":{"op":"append","times":1},"fault":{"status":503,"code":"unavailable"}},
                                   {"match":{"op":"append","times":1},"fault":{"status":429}},
                                   {"match":{"op":"append","times":1},"fault":{"status":429,"when":"after_commit"}}])");
  Client client = endpoint.client();
  for (int n = 0; n < 3; ++n) client.append("s", {"a"});
  EXPECT_EQ(kinds(lines_of(endpoint.emulator)),
            "Append Append AppendDefiniteFailure Append AppendIndefiniteFailure AppendIndefiniteFailure");
}

TEST(Histories, AHungAppendAndOneStillUnderWayAreIndefinite) {
  Endpoint endpoint;
  endpoint.emulator.set_faults(R"([{"match":{"op":"append"},"fault":{"hang":"after_commit"}}])");
  Client client = endpoint.client();
  const auto id = client.open("POST", "/v1/streams/s/records", {{"content-type", "application/json"}}, false);
  client.send(id, R"({"records":[{"body":"a"}]})", true);
  client.wait_until([&] { return lines_of(endpoint.emulator).size() == 2; });
  EXPECT_EQ(kinds(lines_of(endpoint.emulator)), "Append AppendIndefiniteFailure");
}

TEST(Histories, AFenceIsNamedInTheAppendThatSetsIt) {
  Endpoint endpoint;
  Client client = endpoint.client();
  client.request("POST", "/v1/streams/s/records",
                 R"({"records":[{"headers":[["","fence"]],"body":"mine"}]})");
  EXPECT_EQ(lines_of(endpoint.emulator).at(0)["event"]["Start"]["Append"]["set_fencing_token"], "mine");
}

TEST(Histories, ARefusalNamesItsReasonAndOnlyTheLongestReadListsItsRecords) {
  Endpoint endpoint;
  Client client = endpoint.client();
  client.append("s", {"a"}, {{"fencing_token", "theirs"}});
  client.append("s", {"a"});
  client.request("GET", "/v1/streams/s/records?seq_num=0");
  client.append("s", {"b"});
  client.request("GET", "/v1/streams/s/records?seq_num=0");
  const auto lines = lines_of(endpoint.emulator);
  ASSERT_EQ(lines.size(), 10U);
  EXPECT_EQ(lines[1]["kind"], "fencing_token_mismatch");
  EXPECT_EQ(lines[1]["fencing_token"], "");
  EXPECT_FALSE(lines[5].contains("record_hashes"));
  EXPECT_EQ(lines[9]["record_hashes"], (nlohmann::json{record_hash("a"), record_hash("b")}));
}

TEST(Histories, FramesOfASessionThatOverlapHaveClientsOfTheirOwn) {
  Endpoint endpoint;
  Client client = endpoint.client();
  Session session = Session::append(client, "s");
  std::string many;
  for (int n = 0; n < 3; ++n) {
    wire::AppendInput input;
    input.records.resize(1);
    many += Session::frame(input);
  }
  client.send(session.id(), many);
  session.frames(3);
  std::map<int, bool> busy;
  for (const auto& line : lines_of(endpoint.emulator)) {
    bool& is_busy = busy[line["client_id"]];
    EXPECT_EQ(is_busy, !line["event"].contains("Start"));
    is_busy = line["event"].contains("Start");
  }
}

TEST(Histories, AReadSessionFromTheBeginningIsAReadOnceItHasReachedTheTail) {
  Endpoint endpoint;
  Client client = endpoint.client();
  client.append("s", {"a", "b"});
  Session reader(client, "GET", "/v1/streams/s/records?seq_num=0");
  reader.frames(2);
  const auto lines = lines_of(endpoint.emulator);
  ASSERT_EQ(kinds(lines), "Append AppendSuccess Read ReadSuccess");
  EXPECT_EQ(lines[3]["event"]["Finish"]["ReadSuccess"]["tail"], 2);
}

}  // namespace
}  // namespace s2::emulator::test
