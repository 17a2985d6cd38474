#include "tests/billing_history/world.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "libs/base/secret.h"
#include "libs/pg/testing.h"

namespace gatehouse::history {
namespace {

using harness::Environment;
using harness::Process;
using pg::testing::Cluster;

// Rows are logged under the lock that their writers hold, so a tenant's sequence is the
// order of commits; what is rolled back takes its log along.
constexpr char kLog[] = R"(
CREATE SCHEMA history;
CREATE SEQUENCE history.sequence;
CREATE TABLE history.accounts (sequence bigint, transaction_id xid8, write_time timestamptz,
  tenant_id bigint, settled_nanos bigint, held_nanos bigint, entry_count bigint);
CREATE TABLE history.holds (sequence bigint, transaction_id xid8, write_time timestamptz, key uuid,
  tenant_id bigint, state text, estimate_nanos bigint, held_nanos bigint, captured_nanos bigint,
  capture_count bigint, expire_time timestamptz, was_bound boolean);
CREATE FUNCTION history.log_account() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO history.accounts VALUES (nextval('history.sequence'), pg_current_xact_id(),
    clock_timestamp(), NEW.tenant_id, NEW.settled_nanos, NEW.held_nanos, NEW.entry_count);
  RETURN NULL;
END $$;
CREATE FUNCTION history.log_hold() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO history.holds VALUES (nextval('history.sequence'), pg_current_xact_id(),
    clock_timestamp(), NEW.key, NEW.tenant_id, NEW.state, NEW.estimate_nanos, NEW.held_nanos,
    NEW.captured_nanos, NEW.capture_count, NEW.expire_time, NEW.bind_time IS NOT NULL);
  RETURN NULL;
END $$;
CREATE TRIGGER log AFTER INSERT OR UPDATE ON billing.accounts
  FOR EACH ROW EXECUTE FUNCTION history.log_account();
CREATE TRIGGER log AFTER INSERT OR UPDATE ON billing.holds
  FOR EACH ROW EXECUTE FUNCTION history.log_hold();
)";

constexpr char kAccounts[] = "SELECT tenant_id, settled_nanos, held_nanos, entry_count";
constexpr char kHolds[] = R"(
SELECT key, tenant_id, state, estimate_nanos, held_nanos, captured_nanos, capture_count,
  (extract(epoch FROM expire_time) * 1000000)::bigint)";
constexpr char kVersion[] =
    ", sequence, transaction_id::text, (extract(epoch FROM write_time) * 1000000)::bigint ";
constexpr char kEntries[] = R"(
SELECT id, tenant_id, coalesce(entry_number, 0), debit_account, credit_account, amount_nanos,
  entry_type, balance_after_nanos, coalesce(job_id::text, ''), notes,
  coalesce(cause_id::text, ''), transaction_id::text
FROM billing.ledger_entries)";

AccountRow ToAccount(const pqxx::row& row) {
  return {.tenant = row[0].as<std::int64_t>(),
          .settled_nanos = row[1].as<std::int64_t>(),
          .held_nanos = row[2].as<std::int64_t>(),
          .entry_count = row[3].as<std::int64_t>()};
}

HoldRow ToHold(const pqxx::row& row) {
  return {.key = row[0].as<std::string>(),
          .tenant = row[1].as<std::int64_t>(),
          .state = row[2].as<std::string>(),
          .estimate_nanos = row[3].as<std::int64_t>(),
          .held_nanos = row[4].as<std::int64_t>(),
          .captured_nanos = row[5].as<std::int64_t>(),
          .capture_count = row[6].as<std::int64_t>(),
          .expire_micros = row[7].as<std::int64_t>(),
          .was_bound = row[8].as<bool>()};
}

EntryRow ToEntry(const pqxx::row& row) {
  return {.id = row[0].as<std::string>(),
          .tenant = row[1].as<std::int64_t>(),
          .number = row[2].as<std::int64_t>(),
          .debit = row[3].as<std::string>(),
          .credit = row[4].as<std::string>(),
          .amount_nanos = row[5].as<std::int64_t>(),
          .type = row[6].as<std::string>(),
          .balance_after_nanos = row[7].as<std::int64_t>(),
          .job = row[8].as<std::string>(),
          .notes = row[9].as<std::string>(),
          .cause = row[10].as<std::string>(),
          .transaction = std::stoull(row[11].as<std::string>())};
}

CaptureRow ToCapture(const pqxx::row& row) {
  return {.key = row[0].as<std::string>(),
          .number = row[1].as<std::int64_t>(),
          .amount_nanos = row[2].as<std::int64_t>(),
          .entry_id = row[3].as<std::string>()};
}

// Logged rows have kVersion last.
template <typename Row>
Version<Row> ToVersion(const pqxx::row& row, Row value) {
  const int last = static_cast<int>(row.size()) - 1;
  return {.sequence = row[last - 2].as<std::int64_t>(),
          .transaction = std::stoull(row[last - 1].as<std::string>()),
          .write_micros = row[last].as<std::int64_t>(),
          .row = std::move(value)};
}

std::string NewDirectory() {
  char path[] = "/tmp/gh-XXXXXX";  // Short: a socket's name has at most 107 bytes.
  if (mkdtemp(path) == nullptr) std::abort();
  return path;
}

std::string TextOf(const std::optional<std::int64_t>& value) {
  return value ? absl::StrCat(*value) : "NULL";
}

}  // namespace

Terms TermsOf(const Tenancy& tenancy) {
  Terms terms;
  if (tenancy.overdraft_nanos) {
    terms.floor_nanos = -*tenancy.overdraft_nanos;
  } else if (tenancy.policy == "block") {
    terms.floor_nanos = 0;
  }
  if (tenancy.policy == "limited") terms.ceiling_nanos = tenancy.ceiling_nanos;
  return terms;
}

World::World() : directory_(NewDirectory()) {}

World::~World() {
  clients_.clear();
  replicas_.clear();
  database_.reset();
  std::filesystem::remove_all(directory_);
}

std::string World::MakeKeys() {
  std::ofstream(directory_ + "/env").close();
  std::string list;
  for (const char* name : {"billing", "jobs", "gateway"}) {
    Process keygen(name, {}, directory_ + "/keygen." + name);
    if (keygen.Run({"keygen", directory_}) != 0) return "keygen failed: " + keygen.Log();
    list += keygen.Log();
  }
  std::ofstream(directory_ + "/service-keys") << list;
  return "";
}

std::unique_ptr<rpc::PassportIssuer> World::IssuerOf(const std::string& process) {
  std::ifstream file(directory_ + "/" + process + ".key");
  std::string text;
  file >> text;
  auto key = token::SigningKey::FromSeed(process, *Base64UrlDecode(text));
  return std::make_unique<rpc::PassportIssuer>(process, *std::move(key), clock_);
}

std::string World::Start(const std::vector<Tenancy>& tenancies) {
  if (std::string problem = MakeKeys(); !problem.empty()) return problem;
  jobs_ = IssuerOf("jobs");
  gateway_ = IssuerOf("gateway");
  database_ = std::make_unique<pg::testing::TestDatabase>("auth", std::vector<pg::Migration>());
  for (int i = 0; i < kReplicas; ++i) {
    const std::string name = absl::StrCat(directory_, "/billing-", i);
    const std::string address = "unix:" + name + ".sock";
    replicas_.push_back(std::make_unique<Process>(
        "billing",
        Environment{{"ENV", "development"},
                    {"ENV_FILE", directory_ + "/env"},
                    {"LOG_LEVEL", "warning"},
                    {"GRPC_ADDRESS", address},
                    {"METRICS_ADDRESS", "127.0.0.1:0"},
                    {"SERVICE_KEY_FILE", directory_ + "/billing.key"},
                    {"SERVICE_KEYS_FILE", directory_ + "/service-keys"},
                    {"AUTH_ADDRESS", "unix:" + directory_ + "/nobody.sock"},
                    {"DATABASE_URL", database_->Url("gatehouse_billing")},
                    {"OWNER_DATABASE_URL", database_->Url("gatehouse_billing_owner")}},
        name + ".log"));
    clients_.push_back({std::make_unique<rpc::Client>("billing", address, jobs_.get()),
                        std::make_unique<rpc::Client>("billing", address, gateway_.get())});
  }
  if (replicas_[0]->Run({"migrate"}) != 0) return "migrate failed: " + replicas_[0]->Log();
  Cluster::Get().Execute(database_->name(), kLog);
  for (const Tenancy& tenancy : tenancies) {
    if (tenancy.policy.empty()) continue;
    Cluster::Get().Execute(
        database_->name(),
        absl::StrCat("INSERT INTO billing.accounts (tenant_id, policy, overdraft_max_nanos, "
                     "ceiling_nanos) VALUES (",
                     tenancy.tenant, ", '", tenancy.policy, "', ", TextOf(tenancy.overdraft_nanos),
                     ", ", tenancy.ceiling_nanos.value_or(0), ")"));
  }
  for (int i = 0; i < kReplicas; ++i) {
    if (std::string problem = StartReplica(i); !problem.empty()) return problem;
  }
  return "";
}

std::string World::StartReplica(int replica) {
  Process& process = *replicas_[static_cast<std::size_t>(replica)];
  return process.Start() ? "" : "billing does not start: " + process.Log();
}

std::string World::KillReplica(int replica) {
  replicas_[static_cast<std::size_t>(replica)]->Kill();
  return StartReplica(replica);
}

std::string World::KillReplicas() {
  for (const auto& process : replicas_) process->Kill();
  std::string problems;
  for (int i = 0; i < kReplicas; ++i) problems += StartReplica(i);
  return problems;
}

std::string World::KillDatabase() {
  Cluster::Get().Crash();
  return "";
}

std::string World::KillDatabaseAndReplica(int replica) {
  Cluster::Get().CrashAndStayDown();
  replicas_[static_cast<std::size_t>(replica)]->Kill();
  Cluster::Get().Restart();
  return StartReplica(replica);
}

namespace {

template <typename Row>
std::vector<Row> Rows(pg::Tx& tx, const std::string& sql, Row (*to_row)(const pqxx::row&)) {
  std::vector<Row> rows;
  for (const pqxx::row& row : tx.exec(sql)) rows.push_back(to_row(row));
  return rows;
}

pg::Options AsSuperuser(const std::string& database) {
  pg::Options options;
  options.url = Cluster::Get().Url(database, "");
  options.connections_max = 1;
  options.statement_timeout = std::chrono::minutes(10);
  return options;
}

}  // namespace

bool World::AwaitNothingReserved() {
  pg::Database db(AsSuperuser(database_->name()));
  return harness::Eventually(
      [&] {
        const auto open = db.Read([](pg::Tx& tx) -> absl::StatusOr<int> {
          return tx.exec("SELECT count(*) FROM billing.holds WHERE state = 'reserved'")[0][0]
              .as<int>();
        });
        return open.ok() && *open == 0;
      },
      std::chrono::seconds(20));
}

Books World::ReadBooks() {
  pg::Database db(AsSuperuser(database_->name()));
  const auto books = db.InTransaction([](pg::Tx& tx) -> absl::StatusOr<Books> {
    tx.exec("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");  // All of one moment.
    Books read;
    read.accounts = Rows(tx, absl::StrCat(kAccounts, " FROM billing.accounts"), ToAccount);
    read.holds =
        Rows(tx, absl::StrCat(kHolds, ", bind_time IS NOT NULL FROM billing.holds"), ToHold);
    read.captures = Rows(tx,
                         "SELECT hold_key, capture_number, amount_nanos, "
                         "coalesce(entry_id::text, '') FROM billing.captures",
                         ToCapture);
    read.entries = Rows(tx, kEntries, ToEntry);
    for (const pqxx::row& row :
         tx.exec(absl::StrCat(kAccounts, kVersion, "FROM history.accounts ORDER BY sequence"))) {
      read.account_versions.push_back(ToVersion(row, ToAccount(row)));
    }
    for (const pqxx::row& row : tx.exec(absl::StrCat(kHolds, ", was_bound", kVersion,
                                                     "FROM history.holds ORDER BY sequence"))) {
      read.hold_versions.push_back(ToVersion(row, ToHold(row)));
    }
    return read;
  });
  if (!books.ok()) {
    std::cerr << books.status() << std::endl;
    std::abort();
  }
  return *books;
}

int World::VerifyLedger(std::string* said) {
  const std::string log = directory_ + "/verify";
  std::filesystem::remove(log);
  Process verify("billing", replicas_[0]->environment(), log);
  const int code = verify.Run({"verify-ledger"});
  *said = verify.Log();
  return code;
}

}  // namespace gatehouse::history
