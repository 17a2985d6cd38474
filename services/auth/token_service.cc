#include "services/auth/token_service.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "gatehouse/auth/v1/token.methods.h"
#include "libs/base/uuid.h"
#include "libs/log/log.h"
#include "libs/rpc/page.h"
#include "libs/rpc/timestamp.h"
#include "libs/token/api_token.h"
#include "services/auth/audit_store.h"
#include "services/auth/auth_proto.h"
#include "services/auth/call_actor.h"
#include "services/auth/key_ring.h"
#include "services/auth/owner_store.h"
#include "services/auth/role_store.h"
#include "services/auth/token_request.h"
#include "services/auth/user_store.h"
#include "services/auth/user_token_store.h"

namespace gatehouse::auth {
namespace {

namespace json = boost::json;

constexpr std::size_t kDigestBytes = 32;
constexpr std::size_t kCredentialBytesMax = 8192;
constexpr std::size_t kHintCharacters = 4;
constexpr int kPageSizeDefault = 100;
constexpr int kPageSizeMax = 1000;
constexpr std::int64_t kYear1Seconds = -62135596800;
constexpr std::int64_t kYear10000Seconds = 253402300800;

absl::Status TokenNotFound() {
  return Error(absl::StatusCode::kNotFound, "TOKEN_NOT_FOUND", "the token is not valid");
}

absl::Status CredentialsInvalid() {
  return Error(absl::StatusCode::kUnauthenticated, "CREDENTIALS_INVALID", "invalid credentials");
}

absl::Status Check(const v1::LookupTokenRequest& request) {
  const bool is_digest = request.digest().size() == kDigestBytes && request.session_id().empty();
  const bool is_session = request.digest().empty() && IsUuid(request.session_id());
  if (is_digest || is_session) return absl::OkStatus();
  return Error(absl::StatusCode::kInvalidArgument, "DIGEST_INVALID",
               "a digest must have 32 bytes, a session id be a UUID; one of them");
}

absl::StatusOr<TokenOrder> OrderOf(const v1::CreateTokenRequest& request) {
  TokenOrder order{.kind = FromProto(request.kind()).value_or(CredentialKind::kToken),
                   .name = request.name(),
                   .scopes = {request.scopes().begin(), request.scopes().end()},
                   .expire_time = {}};
  if (request.has_expire_time()) {
    const auto& time = request.expire_time();
    if (time.seconds() < kYear1Seconds || time.seconds() >= kYear10000Seconds || time.nanos() < 0 ||
        time.nanos() > 999999999) {
      return FieldError("EXPIRE_TIME_INVALID", "expire_time", "must be a time");
    }
    order.expire_time = rpc::FromTimestamp(time);
  }
  GH_RETURN_IF_ERROR(Check(order, SystemClock().Now()));
  return order;
}

absl::StatusOr<UserTokenFilter> FilterOf(const v1::ListTokensRequest& request, const Actor& actor) {
  if (!request.user_id().empty() && !IsUuid(request.user_id())) {
    return FieldError("USER_ID_INVALID", "user_id", "must be a UUID");
  }
  UserTokenFilter filter{.user_id = request.user_id(),
                         .kind = FromProto(request.kind()),
                         .hides_admins = !IsTrusted(actor),
                         .viewer_id = actor.user_id};
  if (request.kind() != v1::CREDENTIAL_KIND_UNSPECIFIED && filter.kind != CredentialKind::kApi &&
      filter.kind != CredentialKind::kKey) {
    return FieldError("KIND_INVALID", "kind", "must be API or KEY");
  }
  return filter;
}

v1::Token ToProto(const UserToken& token) {
  v1::Token proto;
  proto.set_id(token.id);
  proto.set_user_id(token.user_id);
  proto.set_username(token.username);
  proto.set_kind(ToProto(token.kind));
  proto.set_name(token.name);
  for (const std::string& scope : token.scopes) proto.add_scopes(scope);
  proto.set_hint(token.hint);
  *proto.mutable_create_time() = rpc::ToTimestamp(token.create_time);
  if (token.expire_time) *proto.mutable_expire_time() = rpc::ToTimestamp(*token.expire_time);
  if (token.last_used_time) {
    *proto.mutable_last_used_time() = rpc::ToTimestamp(*token.last_used_time);
  }
  proto.set_is_revoked(token.is_revoked);
  return proto;
}

AuditEvent TokenEvent(const rpc::Call& call, const std::string& type, const UserToken& token,
                      std::int64_t tenant_id) {
  AuditEvent event = EventBy(call, type, "token/" + token.id, tenant_id);
  event.details_json = json::serialize(json::object{{"name", token.name},
                                                    {"scopes", json::value_from(token.scopes)},
                                                    {"user_id", token.user_id}});
  return event;
}

// The owner, locked. A token is made for who may log in only; and when everything of
// the owner's is revoked while the owner's own request for one is under way, that
// request does not outlive it.
absl::StatusOr<User> LockMaker(pg::Tx& tx, const Actor& actor, const std::string& text) {
  const std::optional<User> found = FindUser(tx, text, UserKey::kAny);
  if (!found) return UserNotFound();
  GH_RETURN_IF_ERROR(CheckMayTouch(actor, *found));
  GH_RETURN_IF_ERROR(CheckMayMakeFor(actor, *found));
  const std::optional<Owner> owner = LockOwner(tx, found->id);
  if (!owner || !owner->is_active) return UserNotFound();
  std::optional<User> user = FindUserById(tx, found->id);
  if (!user) return UserNotFound();
  if (actor.user_id == user->id && user->epoch != found->epoch) return CredentialsInvalid();
  return *std::move(user);
}

// A new token, made under the lock of its owner.
struct Making {
  std::string id;
  std::string text;
  TokenOrder order;
};

absl::StatusOr<UserToken> Make(pg::Tx& tx, const rpc::Call& call, const std::string& user,
                               const Making& making) {
  // A commit that was in doubt.
  if (auto known = FindUserToken(tx, making.id)) return *std::move(known);
  const Actor actor = ActorOf(call);
  GH_ASSIGN_OR_RETURN(const User owner, LockMaker(tx, actor, user));
  GH_RETURN_IF_ERROR(CheckPresented(tx, call));
  const std::vector<std::string> role_scopes = ScopesOf(tx, owner.role);
  GH_RETURN_IF_ERROR(CheckScopes(making.order, HeldScopes(owner.permissions, role_scopes), actor));
  if (CountLiveUserTokens(tx, owner.id) >= kLiveUserTokensMax) {
    return Error(absl::StatusCode::kResourceExhausted, "TOKENS_TOO_MANY",
                 "a user may have 1000 live tokens and keys");
  }
  NewCredential credential{.id = making.id,
                           .user_id = owner.id,
                           .kind = making.order.kind,
                           .digest = token::TokenDigest(making.text),
                           .name = making.order.name,
                           .hint = making.text.substr(making.text.size() - kHintCharacters),
                           .expire_time = making.order.expire_time};
  if (!making.order.scopes.empty()) credential.scopes = making.order.scopes;
  InsertCredential(tx, credential);
  std::optional<UserToken> made = FindUserToken(tx, making.id);
  AppendEvent(tx, TokenEvent(call, "token_created", *made, owner.tenant.id));
  return *std::move(made);
}

absl::Status Revoke(pg::Tx& tx, const rpc::Call& call, const v1::RevokeTokenRequest& request) {
  const auto revoked = RevokeCredential(
      tx, request.id(),
      {.user_id = request.user_id(), .kinds = {CredentialKind::kApi, CredentialKind::kKey}});
  if (!revoked) return TokenNotFound();
  const std::optional<User> owner = FindUserById(tx, revoked->user_id);
  // Rolls back what was just done.
  if (!owner || !CheckMayTouch(ActorOf(call), *owner).ok()) return TokenNotFound();
  if (!revoked->is_new) return absl::OkStatus();
  AppendEvent(tx, TokenEvent(call, "token_revoked", *FindUserToken(tx, revoked->credential_id),
                             revoked->tenant_id));
  return absl::OkStatus();
}

// By the text of a credential; nullopt for any that does not live. `end`: when that
// text ends, which for a signed one is before its session.
std::optional<CredentialRow> FindPresented(pg::Tx& tx, const std::string& credential,
                                           std::optional<Time>* end) {
  std::optional<CredentialRow> row;
  if (LooksSigned(credential)) {
    const absl::StatusOr<token::Claims> claims =
        token::VerifyJwt(PublishedKeys(tx), credential, kIssuer, kAudience, SystemClock().Now());
    if (!claims.ok()) return std::nullopt;
    row = LookupSession(tx, claims->session_id, claims->epoch);
    if (row && row->user_id != claims->subject) return std::nullopt;
    *end = claims->expire_time;
    return row;
  }
  if (!token::LooksLikeApiToken(credential)) return std::nullopt;
  row = LookupCredential(tx, token::TokenDigest(credential));
  if (row) *end = row->expire_time;
  return row;
}

}  // namespace

TokenService::TokenService(pg::Database& db, ControlHub& hub)
    : db_(db), hub_(hub), rpc_(v1::TokenService::kFullName) {
  using Api = v1::TokenService;
  const rpc::Policy readers{.callers = {"gateway", "jobs"}};
  const rpc::Policy gateway{.callers = {"gateway"}};
  rpc_.Unary(Api::kLookupToken, readers,
             [this](rpc::Call&, const v1::LookupTokenRequest& r) { return LookupToken(r); })
      .Unary(Api::kValidateToken, readers,
             [this](rpc::Call&, const v1::ValidateTokenRequest& r) { return ValidateToken(r); })
      .Unary(
          Api::kCreateToken, gateway,
          [this](rpc::Call& call, const v1::CreateTokenRequest& r) { return CreateToken(call, r); })
      .Unary(
          Api::kListTokens, gateway,
          [this](rpc::Call& call, const v1::ListTokensRequest& r) { return ListTokens(call, r); })
      .Unary(Api::kRevokeToken, gateway, [this](rpc::Call& call, const v1::RevokeTokenRequest& r) {
        return RevokeToken(call, r);
      });
}

absl::StatusOr<v1::LookupTokenResponse> TokenService::LookupToken(
    const v1::LookupTokenRequest& request) {
  GH_RETURN_IF_ERROR(Check(request));
  using Found = std::optional<CredentialRow>;
  GH_ASSIGN_OR_RETURN(const Found found, db_.Read([&](pg::Tx& tx) -> absl::StatusOr<Found> {
    if (!request.digest().empty()) return LookupCredential(tx, request.digest());
    return LookupSession(tx, request.session_id(), request.epoch());
  }));
  if (!found) return TokenNotFound();
  v1::LookupTokenResponse response = ToProto(*found);
  const std::optional<RecordedUse> use = NoteUse(*found);
  if (use && use->was_extended) {
    if (use->expire_time) *response.mutable_expire_time() = rpc::ToTimestamp(*use->expire_time);
    response.set_was_extended(use->is_persistent);
  }
  return response;
}

std::optional<RecordedUse> TokenService::NoteUse(const CredentialRow& credential) {
  using Use = std::optional<RecordedUse>;
  if (!credential.use_is_stale) return std::nullopt;
  const absl::StatusOr<Use> use = db_.Statement(
      [&](pg::Tx& tx) -> absl::StatusOr<Use> { return RecordUse(tx, credential.credential_id); });
  if (use.ok()) return *use;
  // The credential is valid all the same.
  log::Warning("a token's use was not recorded", {{"reason", Reason(use.status())}});
  return std::nullopt;
}

absl::StatusOr<v1::ValidateTokenResponse> TokenService::ValidateToken(
    const v1::ValidateTokenRequest& request) {
  if (request.token().empty() || request.token().size() > kCredentialBytesMax) {
    return CredentialsInvalid();
  }
  std::optional<Time> end;
  using Found = std::optional<CredentialRow>;
  GH_ASSIGN_OR_RETURN(const Found found, db_.Read([&](pg::Tx& tx) -> absl::StatusOr<Found> {
    return FindPresented(tx, request.token(), &end);
  }));
  if (!found) return CredentialsInvalid();
  if (found->password_change_required) {
    return Error(absl::StatusCode::kPermissionDenied, "PASSWORD_CHANGE_REQUIRED",
                 "the password must be changed first");
  }
  const std::vector<std::string> scopes =
      EffectiveScopes(found->scopes, found->permissions, found->role_scopes)
          .value_or(HeldScopes(found->permissions, found->role_scopes));
  GH_RETURN_IF_ERROR(CheckAllows(scopes, request.path()));
  NoteUse(*found);
  v1::ValidateTokenResponse response;
  *response.mutable_principal() = PrincipalOf(*found);
  for (const std::string& scope : scopes) response.add_scopes(scope);
  if (end) *response.mutable_expire_time() = rpc::ToTimestamp(*end);
  return response;
}

absl::StatusOr<v1::CreateTokenResponse> TokenService::CreateToken(
    rpc::Call& call, const v1::CreateTokenRequest& request) {
  GH_ASSIGN_OR_RETURN(const TokenOrder order, OrderOf(request));
  const Making making{
      .id = UuidV7(), .text = token::NewApiToken(PrefixOf(order.kind)), .order = order};
  const auto make = [&](pg::Tx& tx) { return Make(tx, call, request.user(), making); };
  GH_ASSIGN_OR_RETURN(const UserToken made,
                      pg::RepeatInDoubt([&] { return db_.InTransaction(make); }));
  v1::CreateTokenResponse response;
  *response.mutable_token() = ToProto(made);
  response.set_text(making.text);
  return response;
}

absl::StatusOr<v1::ListTokensResponse> TokenService::ListTokens(
    rpc::Call& call, const v1::ListTokensRequest& request) {
  GH_ASSIGN_OR_RETURN(const int limit,
                      rpc::PageLimit(request.page_size(), kPageSizeDefault, kPageSizeMax));
  GH_ASSIGN_OR_RETURN(const UserTokenFilter filter, FilterOf(request, ActorOf(call)));
  GH_ASSIGN_OR_RETURN(const std::optional<rpc::PagePosition> after,
                      rpc::ParsePageToken(request.page_token()));
  struct Page {
    std::vector<UserToken> tokens;
    std::int64_t total = 0;
  };
  // One more than asked for shows whether there is a next page.
  GH_ASSIGN_OR_RETURN(Page page, db_.Read([&](pg::Tx& tx) -> absl::StatusOr<Page> {
    return Page{ListUserTokens(tx, filter, after, limit + 1), CountUserTokens(tx, filter)};
  }));
  v1::ListTokensResponse response;
  if (page.tokens.size() > static_cast<std::size_t>(limit)) {
    page.tokens.resize(limit);
    response.set_next_page_token(
        rpc::PageToken({page.tokens.back().create_time, page.tokens.back().id}));
  }
  for (const UserToken& token : page.tokens) *response.add_tokens() = ToProto(token);
  response.set_total(page.total);
  return response;
}

absl::StatusOr<v1::RevokeTokenResponse> TokenService::RevokeToken(
    rpc::Call& call, const v1::RevokeTokenRequest& request) {
  const bool is_possible =
      IsUuid(request.id()) && (request.user_id().empty() || IsUuid(request.user_id()));
  if (!is_possible) return TokenNotFound();
  const auto revoke = [&](pg::Tx& tx) { return Revoke(tx, call, request); };
  GH_RETURN_IF_ERROR(pg::RepeatInDoubt([&] { return db_.InTransaction(revoke); }));
  hub_.Wake();
  return v1::RevokeTokenResponse();
}

}  // namespace gatehouse::auth
