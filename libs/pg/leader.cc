#include "libs/pg/leader.h"

#include "libs/log/log.h"
#include "libs/pg/connection.h"

namespace gatehouse::pg {
namespace {

constexpr std::chrono::seconds kPatience{2};

constexpr char kTryLock[] = R"(
SELECT pg_try_advisory_lock(hashtextextended($1, 0)))";

// A frozen process keeps its connection: the server must end it, or nobody leads.
constexpr char kLimitIdleness[] = R"(
SET idle_session_timeout = '3s')";

// The lock lives as long as the session, so an answer shows that it is still held.
constexpr char kConfirm[] = "SELECT 1";

}  // namespace

Leader::Leader(const Database& db, const std::string& name) : url_(db.options().url), name_(name) {}

Leader::~Leader() = default;

bool Leader::Lead() {
  try {
    if (session_ == nullptr) {
      session_ = Connect(url_, {.statement_timeout = kPatience});
      pqxx::nontransaction(*session_).exec(kLimitIdleness);
    }
    pqxx::nontransaction tx(*session_);
    if (leads_) {
      tx.exec(kConfirm);
      return true;
    }
    leads_ = tx.exec_params1(kTryLock, name_)[0].as<bool>();
    if (leads_) log::Info("leading", {{"role", name_}});
  } catch (const std::exception& error) {
    log::Warning("cannot lead", {{"role", name_}, {"text", error.what()}});
    leads_ = false;
    session_.reset();
  }
  return leads_;
}

}  // namespace gatehouse::pg
