#include "libs/pg/testing.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>

#include "libs/base/secret.h"
#include "libs/pg/testing_process.h"

namespace gatehouse::pg::testing {
namespace {

constexpr char kServerUser[] = "postgres";

// Waits for the test program to end in whatever way, ends every process that
// works in directory $1, and removes the directory.
constexpr char kKeeper[] = R"sh(
read -r _
cd /
for round in $(seq 100); do
  signal=QUIT
  [ "$round" -gt 20 ] && signal=KILL
  running=$(find /proc/[0-9]*/cwd -maxdepth 0 -lname "$1*" | cut -d / -f 3)
  [ -z "$running" ] && rm -rf "$1" && break
  kill -"$signal" $running
  sleep 0.1
done
)sh";

std::string UserToBe() { return ::getuid() == 0 ? kServerUser : ""; }

using ServerSession = std::unique_ptr<PGconn, void (*)(PGconn*)>;

void ExecuteIn(PGconn* session, const std::string& sql) {
  PGresult* result = PQexec(session, sql.c_str());
  const ExecStatusType status = PQresultStatus(result);
  PQclear(result);
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) Die(PQerrorMessage(session), "");
}

std::string Quote(const std::string& name) { return '"' + name + '"'; }

// What psql does with its variables: :'auth_password' becomes a literal.
void ReplaceVariables(std::string& sql,
                      const std::function<std::string(const std::string&)>& value_of) {
  for (std::size_t begin = sql.find(":'"); begin != std::string::npos; begin = sql.find(":'")) {
    const std::size_t end = sql.find('\'', begin + 2);
    const std::string variable = sql.substr(begin + 2, end - begin - 2);
    sql.replace(begin, end - begin + 1, "'" + value_of(variable) + "'");
  }
}

}  // namespace

Cluster& Cluster::Get() {
  static Cluster cluster;
  return cluster;
}

Cluster::Cluster()
    : secret_(RandomBytes(32)), binaries_(FindBinaries()), admin_(nullptr, PQfinish) {
  if (!UserToBe().empty()) {
    as_server_ = {"setpriv", "--reuid=" + UserToBe(), "--regid=" + UserToBe(), "--init-groups"};
  }
  directory_ = MakeDirectory(UserToBe());
  StartKeeper();
  Initialize();
  Restart();
}

Cluster::~Cluster() {
  admin_.reset();
  ::kill(postmaster_, SIGQUIT);
  Wait(postmaster_);
  ::close(keeper_);
  Wait(keeper_pid_);
}

void Cluster::StartKeeper() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) Die("cannot make a pipe", "");
  keeper_ = ends[1];
  keeper_pid_ = Start({.command = {"sh", "-c", kKeeper, "keeper", directory_},
                       .directory = "/",
                       .output_file = "/dev/null",
                       .standard_input = ends[0]});
  ::close(ends[0]);
}

void Cluster::Initialize() {
  const std::string password_file = directory_ + "/password";
  const std::string log = directory_ + "/initdb.log";
  WriteFile(password_file, Password("postgres"), UserToBe());
  WriteFile(log, "", UserToBe());
  std::vector<std::string> command = as_server_;
  for (const std::string& word :
       {binaries_ + "/initdb", std::string("-D"), directory_ + "/data", std::string("-U"),
        std::string("postgres"), std::string("-A"), std::string("scram-sha-256"),
        "--pwfile=" + password_file, std::string("-E"), std::string("UTF8"),
        std::string("--locale=C.UTF-8"), std::string("-N"), std::string("--no-instructions")}) {
    command.push_back(word);
  }
  const int code = Wait(Start({.command = command, .directory = directory_, .output_file = log}));
  if (code != 0) Die("initdb failed", log);
}

bool Cluster::TryStart() {
  const std::string log = directory_ + "/server.log";
  WriteFile(log, "", UserToBe());
  std::vector<std::string> command = as_server_;
  for (const std::string& word : {binaries_ + "/postgres", std::string("-D"), directory_ + "/data",
                                  std::string("-k"), directory_}) {
    command.push_back(word);
  }
  for (const char* setting :
       {"listen_addresses=", "fsync=off", "full_page_writes=off", "max_connections=100",
        "shared_buffers=32MB", "dynamic_shared_memory_type=mmap", "max_wal_size=256MB",
        "deadlock_timeout=100ms", "log_min_messages=fatal"}) {
    command.push_back("-c");
    command.push_back(setting);
  }
  postmaster_ = Start({.command = command, .directory = directory_, .output_file = log});
  const std::string address = "host='" + directory_ + "' port=5432 connect_timeout=2";
  for (int round = 0; round < 6000; ++round) {
    if (PQping(address.c_str()) == PQPING_OK) return true;
    if (::waitpid(postmaster_, nullptr, WNOHANG) == postmaster_) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  Die("the server does not answer", log);
}

void Cluster::Crash() {
  CrashAndStayDown();
  Restart();
}

void Cluster::CrashAndStayDown() {
  std::lock_guard lock(admin_mutex_);
  admin_.reset();
  ::kill(postmaster_, SIGKILL);
  Wait(postmaster_);
  // Sessions outlive the postmaster for a moment, and still answer.
  for (std::vector<pid_t> orphans; !(orphans = ProcessesIn(directory_ + "/data")).empty();) {
    for (const pid_t orphan : orphans) ::kill(orphan, SIGKILL);
  }
}

void Cluster::Restart() {
  // After a crash the server refuses to start until the last orphan has gone.
  for (int attempt = 0; attempt < 200; ++attempt) {
    if (TryStart()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  Die("the server does not start", directory_ + "/server.log");
}

std::string Cluster::Password(const std::string& role) const {
  return HexEncode(HmacSha256(secret_, role)).substr(0, 32);
}

std::string Cluster::Url(const std::string& database, const std::string& role) const {
  const std::string user = role.empty() ? "postgres" : role;
  return "postgresql://" + user + ":" + Password(user) + "@/" + database + "?host=" + directory_ +
         "&port=5432";
}

ServerSession Cluster::Connect(const std::string& database) const {
  ServerSession session(PQconnectdb(Url(database, "").c_str()), PQfinish);
  if (PQstatus(session.get()) != CONNECTION_OK) {
    Die(PQerrorMessage(session.get()), directory_ + "/server.log");
  }
  PQsetNoticeProcessor(
      session.get(), [](void*, const char*) {}, nullptr);
  return session;
}

void Cluster::Execute(const std::string& database, const std::string& sql) {
  if (database != "postgres") {
    ExecuteIn(Connect(database).get(), sql);
    return;
  }
  // Every test makes and drops a database, so this session is kept.
  std::lock_guard lock(admin_mutex_);
  if (admin_ == nullptr) admin_ = Connect(database);
  ExecuteIn(admin_.get(), sql);
}

void Cluster::PrepareRoles(const std::string& database) {
  std::string sql = ReadFile(GATEHOUSE_ROLES_SQL);
  const std::string suffix = "_password";
  ReplaceVariables(sql, [&](const std::string& variable) {
    return Password("gatehouse_" + variable.substr(0, variable.size() - suffix.size()));
  });
  Execute(database, sql);
}

std::string Cluster::Template(const std::string& schema, const std::vector<Migration>& migrations) {
  std::string key = schema;
  for (const Migration& migration : migrations) {
    key += '\0' + migration.name + '\0' + migration.sql;
  }
  std::lock_guard lock(mutex_);
  std::string& name = templates_[key];
  if (!name.empty()) return name;
  const std::string made = "template_" + std::to_string(templates_.size());
  Execute("postgres", "CREATE DATABASE " + Quote(made));
  PrepareRoles(made);
  const auto applied = Migrate(Url(made, "gatehouse_" + schema + "_owner"), schema, migrations);
  if (!applied.ok()) Die("migrating: " + std::string(applied.status().message()), "");
  Execute("postgres", "ALTER DATABASE " + Quote(made) + " WITH ALLOW_CONNECTIONS false");
  return name = made;
}

TestDatabase::TestDatabase(const std::string& schema, const std::vector<Migration>& migrations) {
  static std::atomic<int> number = 0;
  name_ = "test_" + std::to_string(++number);
  Cluster& cluster = Cluster::Get();
  cluster.Execute("postgres", "CREATE DATABASE " + Quote(name_) + " TEMPLATE " +
                                  Quote(cluster.Template(schema, migrations)));
  // A copy does not inherit the rights on the database itself.
  cluster.Execute("postgres", R"(
    DO $$
    DECLARE
        role text;
    BEGIN
        REVOKE ALL ON DATABASE ")" +
                                  name_ + R"(" FROM PUBLIC;
        FOR role IN SELECT rolname FROM pg_roles WHERE rolname LIKE 'gatehouse\_%' LOOP
            EXECUTE format('GRANT CONNECT ON DATABASE ")" +
                                  name_ + R"(" TO %I', role);
        END LOOP;
    END $$)");
  Options options;
  options.url = Url("gatehouse_" + schema);
  db_ = std::make_unique<Database>(options);
}

TestDatabase::~TestDatabase() {
  db_.reset();
  Cluster::Get().Execute("postgres", "DROP DATABASE " + Quote(name_) + " WITH (FORCE)");
}

std::string TestDatabase::Url(const std::string& role) const {
  return Cluster::Get().Url(name_, role);
}

}  // namespace gatehouse::pg::testing
