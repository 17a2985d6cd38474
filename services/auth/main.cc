// The program `auth`: wiring only.
#include "libs/pg/database.h"
#include "libs/service/process.h"
#include "services/auth/audit_service.h"
#include "services/auth/auth_service.h"
#include "services/auth/control_service.h"
#include "services/auth/program.h"
#include "services/auth/rpc_redeemer.h"

namespace gatehouse::auth {
namespace {

int Serve(service::Process& process) {
  const config::Settings& settings = process.settings();
  pg::Database db(process.DatabaseOptions());
  pg::Options control_options = process.DatabaseOptions();
  control_options.connections_max = 1;
  pg::Database control_db(control_options);
  const auto invitations = process.NewClient("invitations");
  PasswordHasher hasher;
  RpcRedeemer redeemer(*invitations);
  SignupSaga saga(db, hasher, redeemer);
  SignupSweeper sweeper(saga, std::chrono::seconds(settings.Int("SIGNUP_SWEEP_SECONDS")));
  ControlHub hub(control_db);
  AuditSealer sealer(db);
  AuthService auth(db, hasher, saga, hub);
  ControlService control(hub);
  AuditService audit(db);
  return process.Serve({&auth.rpc(), &control.rpc(), &audit.rpc()}, &db);
}

}  // namespace
}  // namespace gatehouse::auth

int main(int argc, char** argv) {
  return gatehouse::service::Run(gatehouse::auth::AuthProgram(), argc, argv,
                                 gatehouse::auth::Serve);
}
