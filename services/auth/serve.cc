#include "services/auth/serve.h"

#include "libs/pg/feed_sweeper.h"
#include "libs/service/event_service.h"
#include "services/auth/announcement_service.h"
#include "services/auth/audit_service.h"
#include "services/auth/control_service.h"
#include "services/auth/janitor.h"
#include "services/auth/login.h"
#include "services/auth/password_recovery.h"
#include "services/auth/registration.h"
#include "services/auth/role_rates.h"
#include "services/auth/rpc_redeemer.h"
#include "services/auth/session_service.h"
#include "services/auth/signup_saga.h"
#include "services/auth/tenant_service.h"
#include "services/auth/token_service.h"
#include "services/auth/user_service.h"

namespace gatehouse::auth {
namespace {

pg::Options OneConnection(pg::Options options) {
  options.connections_max = 1;
  return options;
}

// What must be in the database before anybody is served: a signing key, and the rates
// that the settings name.
class Preparation {
 public:
  Preparation(pg::Database& db, KeyRing& keys, const RoleRates& rates)
      : db_(db), keys_(keys), rates_(rates) {}

  // Asked until it is OK; from the main thread.
  absl::Status Done() {
    if (is_done_) return absl::OkStatus();
    GH_RETURN_IF_ERROR(keys_.Ensure(db_));
    GH_RETURN_IF_ERROR(ApplyRoleRates(db_, rates_));
    is_done_ = true;
    return absl::OkStatus();
  }

 private:
  pg::Database& db_;
  KeyRing& keys_;
  const RoleRates rates_;
  bool is_done_ = false;
};

}  // namespace

int Serve(service::Process& process) {
  const config::Settings& settings = process.settings();
  const std::string& secret_key = settings.Text("SECRET_KEY");
  pg::Database db(process.DatabaseOptions());
  pg::Database control_db(OneConnection(process.DatabaseOptions()));
  const auto invitations = process.NewClient("invitations");
  const auto mailer = mail::MakeMailer(settings);

  PasswordHasher hasher;
  LoginThrottle throttle(db, secret_key);
  KeyRing keys(secret_key);
  CredentialIssuer issuer(keys, secret_key,
                          std::chrono::seconds(settings.Int("SESSION_COOKIE_AGE")));
  Login login(db, hasher, throttle, issuer, settings.Text("ADMIN_USERNAME"));
  RpcRedeemer redeemer(*invitations);
  SignupSaga saga(db, hasher, redeemer);
  SignupSweeper sweeper(saga, std::chrono::seconds(settings.Int("SIGNUP_SWEEP_SECONDS")));
  Registration registration(db, hasher, settings.Bool("OPEN_REGISTRATION"));
  PasswordRecovery recovery(db, hasher, throttle, issuer, *mailer, secret_key);
  ControlHub hub(control_db);
  AuditSealer sealer(db);
  Janitor janitor(db);
  pg::FeedHub feed(db, "auth");
  pg::FeedSweeper feed_sweeper(db, "auth");
  Preparation preparation(db, keys, ReadRates(settings));

  SessionService sessions(db, login, saga, registration, recovery, issuer, hub);
  TokenService tokens(db, hub);
  UserService users(db, hasher, hub);
  TenantService tenants(db, hub);
  ControlService control(db, hub);
  AuditService audit(db);
  AnnouncementService announcements(db, [&feed] { feed.Notify(); });
  service::EventService events(db, feed, "auth");
  service::Lifecycle lifecycle;
  lifecycle.ready = [&preparation] { return preparation.Done(); };
  return process.Serve({&sessions.rpc(), &tokens.rpc(), &users.rpc(), &tenants.rpc(),
                        &control.rpc(), &audit.rpc(), &announcements.rpc(), &events.rpc()},
                       &db, lifecycle);
}

}  // namespace gatehouse::auth
