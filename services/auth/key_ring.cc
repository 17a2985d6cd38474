#include "services/auth/key_ring.h"

#include <sodium.h>

#include <optional>
#include <utility>

#include "libs/base/secret.h"
#include "services/auth/control_store.h"
#include "services/auth/credential.h"
#include "services/auth/key_store.h"

namespace gatehouse::auth {
namespace {

constexpr char kSealPurpose[] = "gatehouse signing key seal";
constexpr std::size_t kSeedBytes = crypto_sign_SEEDBYTES;
// A token is as old as its transaction when it is handed out, and clocks differ.
constexpr std::chrono::seconds kRetireMargin{60};

const unsigned char* Data(const std::string& text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

unsigned char* Data(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

void Wipe(std::string& secret) { sodium_memzero(secret.data(), secret.size()); }

// The nonce, then the box.
std::string Seal(const std::string& sealing_key, const std::string& seed) {
  const std::string nonce = RandomBytes(crypto_secretbox_NONCEBYTES);
  std::string box(crypto_secretbox_MACBYTES + seed.size(), '\0');
  crypto_secretbox_easy(Data(box), Data(seed), seed.size(), Data(nonce), Data(sealing_key));
  return nonce + box;
}

// False unless it was sealed under this very key.
bool Open(const std::string& sealing_key, const std::string& sealed, std::string& seed) {
  constexpr std::size_t kSealedBytes =
      crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES + kSeedBytes;
  if (sealed.size() != kSealedBytes) return false;
  seed.assign(kSeedBytes, '\0');
  return crypto_secretbox_open_easy(Data(seed), Data(sealed) + crypto_secretbox_NONCEBYTES,
                                    sealed.size() - crypto_secretbox_NONCEBYTES, Data(sealed),
                                    Data(sealing_key)) == 0;
}

absl::Status SecretKeyWrong(const std::string& kid) {
  return Error(absl::StatusCode::kFailedPrecondition, "SECRET_KEY_WRONG",
               "the signing key " + kid + " was not sealed under this SECRET_KEY");
}

}  // namespace

KeyRing::KeyRing(const std::string& secret_key)
    : has_secret_(!secret_key.empty()), sealing_key_(DeriveKey(secret_key, kSealPurpose)) {}

KeyRing::~KeyRing() { Wipe(sealing_key_); }

absl::Status KeyRing::Ensure(pg::Database& db) {
  if (!has_secret_) {
    return Error(absl::StatusCode::kFailedPrecondition, "SECRET_KEY_MISSING",
                 "SECRET_KEY is needed to seal the keys of access tokens");
  }
  return pg::RepeatInDoubt([&] {
    return db.InTransaction([&](pg::Tx& tx) -> absl::Status {
      LockKeys(tx);
      const std::vector<KeyRow> present = ListKeys(tx);
      for (const KeyRow& row : present) GH_RETURN_IF_ERROR(Unseal(row).status());
      if (!present.empty()) return absl::OkStatus();
      GH_RETURN_IF_ERROR(Publish(tx, std::chrono::seconds(0)).status());
      AppendKeysChange(tx);
      return absl::OkStatus();
    });
  });
}

absl::StatusOr<std::string> KeyRing::Sign(pg::Tx& tx, token::Claims claims) {
  const std::optional<KeyRow> row = FindActiveKey(tx);
  if (!row) {
    return Error(absl::StatusCode::kInternal, "SIGNING_KEY_MISSING",
                 "there is no active key for access tokens");
  }
  Key key;
  {
    std::lock_guard lock(mutex_);
    if (active_ && active_->kid() == row->kid && active_->public_key() == row->public_key) {
      key = active_;
    }
  }
  if (!key) {
    GH_ASSIGN_OR_RETURN(key, Unseal(*row));
    std::lock_guard lock(mutex_);
    active_ = key;
  }
  claims.issuer = kIssuer;
  claims.audience = kAudience;
  return token::SignJwt(*key, claims);
}

absl::StatusOr<std::string> KeyRing::Rotate(pg::Tx& tx, std::chrono::seconds wait) {
  LockKeys(tx);
  DeleteRetiredKeys(tx);
  // Under another SECRET_KEY the new key would be one that nobody can sign with.
  for (const KeyRow& row : ListKeys(tx)) GH_RETURN_IF_ERROR(Unseal(row).status());
  GH_ASSIGN_OR_RETURN(std::string kid, Publish(tx, wait));
  RetireOtherKeys(tx, kid, std::chrono::seconds(kAccessLifeMax + kRetireMargin).count());
  AppendKeysChange(tx);
  return kid;
}

absl::StatusOr<KeyRing::Key> KeyRing::Unseal(const KeyRow& row) const {
  std::string seed;
  if (!Open(sealing_key_, row.sealed_seed, seed)) return SecretKeyWrong(row.kid);
  absl::StatusOr<token::SigningKey> key = token::SigningKey::FromSeed(row.kid, seed);
  Wipe(seed);
  if (!key.ok()) return std::move(key).status();
  // A seed that was moved here from another row signs what nobody can verify.
  if (key->public_key() != row.public_key) return SecretKeyWrong(row.kid);
  return std::make_shared<const token::SigningKey>(*std::move(key));
}

absl::StatusOr<std::string> KeyRing::Publish(pg::Tx& tx, std::chrono::seconds wait) const {
  std::string seed = RandomBytes(kSeedBytes);
  const std::string kid = "k_" + HexEncode(RandomBytes(5));
  const std::string sealed = Seal(sealing_key_, seed);
  const absl::StatusOr<token::SigningKey> key = token::SigningKey::FromSeed(kid, seed);
  Wipe(seed);
  if (!key.ok()) return key.status();
  KeyRow row;
  row.kid = kid;
  row.public_key = key->public_key();
  row.sealed_seed = sealed;
  InsertKey(tx, row, wait.count());
  return kid;
}

token::KeySet PublishedKeys(pg::Tx& tx) {
  token::KeySet keys;
  for (const KeyRow& row : ListKeys(tx)) keys.Add(row.kid, row.public_key);
  return keys;
}

std::string DeriveKey(const std::string& secret_key, const std::string& purpose) {
  return HmacSha256(secret_key, purpose);
}

}  // namespace gatehouse::auth
