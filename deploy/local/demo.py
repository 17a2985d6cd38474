"""Walks the main job on the running stack: from an invitation to a billed job.

Prints each step with its real request and answer. Secrets in what is printed are
shortened. Exits 1 at the first answer that is not the expected one.
"""

import http.client
import json
import secrets
import sys
import time
import urllib.parse

import payments
import stack
from environment import ROOT, read_env_file

ENV = read_env_file()
# Where it listens, also when the system chose the port.
ADDRESS = payments.gateway_address(stack.record("gateway"))
SECRETS = {"password", "token", "passkey", "access_token"}


def shorten(value, name=""):
    """Cuts secrets to their first characters and long texts to their first words."""
    if isinstance(value, dict):
        return {key: shorten(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [shorten(item) for item in value]
    if isinstance(value, str):
        limit = 6 if name in SECRETS else 64
        return value if len(value) <= limit else value[:limit] + "…"
    return value


def show(body):
    return json.dumps(shorten(body), ensure_ascii=False)


def call(method, path, body=None, token=None, expect=200):
    headers = {"Content-Type": "application/json"} if body is not None else {}
    if token:
        headers["Authorization"] = "Token " + token
    print(f"  {method} {path}" + (f"  {show(body)}" if body is not None else ""))
    connection = http.client.HTTPConnection(ADDRESS, timeout=10)
    connection.request(method, path, json.dumps(body) if body is not None else None, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    value = json.loads(text) if text else None
    print(f"  → {answer.status} {show(value)}")
    if answer.status != expect:
        sys.exit(f"expected {expect}; the demo stops here")
    return value


def step(title):
    print(f"\n{title}")


def await_answer(path, is_done, what, token=None):
    """Asks until the answer is there; the gateway looks at the others each second."""
    headers = {"Authorization": "Token " + token} if token else {}
    for _ in range(100):
        connection = http.client.HTTPConnection(ADDRESS, timeout=10)
        connection.request("GET", path, headers=headers)
        value = json.loads(connection.getresponse().read())
        connection.close()
        if is_done(value):
            return
        time.sleep(0.1)
    sys.exit(f"{what} within 10 seconds: see `make status` and `make logs`")


def has_ended(job):
    return job["status"] not in ("queued", "running") and job.get("cost_cents") is not None


def pay(checkout_url):
    """Presses the button of the pay page; False where it is not the fake Stripe's."""
    page = urllib.parse.urlsplit(checkout_url)
    if page.hostname != "127.0.0.1":
        print(f"  A real Stripe is configured; pay at {checkout_url}")
        return False
    print(f"  POST {page.path}  action=pay")
    connection = http.client.HTTPConnection(page.netloc, timeout=10)
    connection.request("POST", page.path, "action=pay",
                       {"Content-Type": "application/x-www-form-urlencoded"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    print(f"  → {answer.status} {answer.headers['Location']}")
    if answer.status != 303:
        sys.exit("expected 303; the demo stops here")
    return True


def top_up(token):
    checkout = call("POST", "/api/billing/topup/session/", {"amount_dollars": 20}, token)
    if not pay(checkout["checkout_url"]):
        return
    await_answer("/api/billing/reserve/balance/", lambda value: value["balance_cents"] == 2000,
                 "the balance did not follow", token)
    call("GET", "/api/billing/reserve/balance/", token=token)
    call("GET", "/api/billing/reserve/ledger/?limit=1", token=token)


def main():
    step("1. The administrator logs in and makes a passkey; it is shown only here.")
    admin = call("POST", "/api/auth/token/", {"username": ENV["ADMIN_USERNAME"],
                                              "password": ENV["ADMIN_PASSWORD"]})["token"]
    passkey = call("POST", "/api/admin/passkeys/", {"expires_days": 7, "notes": "the demo"}, admin,
                   201)["passkey"]

    step("2. A newcomer signs up with it. A second use is refused.")
    name = "newcomer-" + secrets.token_hex(3)
    password = secrets.token_urlsafe(18)
    newcomer = {"username": name, "email": f"{name}@example.com", "password": password,
                "passkey": passkey}
    user = call("POST", "/api/auth/signup/", newcomer, expect=201)["user"]
    call("POST", "/api/auth/signup/", newcomer | {"username": name + "-2",
                                                  "email": f"{name}-2@example.com"}, expect=400)
    token = call("POST", "/api/auth/token/", {"username": name, "password": password})["token"]
    tenant = user["profile"]["tenant"]

    step("3. The administrator credits the newcomer's tenant with $5.00.")
    call("POST", "/api/billing/admin/reserve/adjust/",
         {"tenant_id": tenant, "amount_cents": 500, "reason": "Welcome credit"}, admin)
    call("GET", "/api/billing/reserve/balance/", token=token)

    step("4. The newcomer submits a job. Its cost is held, then captured when it ends.")
    job = {"type": "text.stats", "payload": {"text": (ROOT / "README.md").read_text()},
           "idempotency_key": secrets.token_hex(8)}
    job_id = call("POST", "/api/jobs/", job, token, 201)["id"]
    await_answer(f"/api/jobs/{job_id}/", has_ended, "the job did not end", token)
    call("GET", f"/api/jobs/{job_id}/", token=token)
    call("GET", f"/api/jobs/{job_id}/events/", token=token)

    step("5. The same key again is the same job, and no second charge.")
    again = call("POST", "/api/jobs/", job, token, 200)
    if again["id"] != job_id:
        sys.exit("the same idempotency key gave another job")
    call("GET", "/api/billing/reserve/ledger/", token=token)
    balance = call("GET", "/api/billing/reserve/balance/", token=token)
    if balance["balance_cents"] != 498:
        sys.exit("the balance should be 498 cents")

    step("6. With policy block and no funds, work is refused before it is queued.")
    call("PATCH", "/api/billing/profile/", {"low_balance_policy": "block"}, token)
    call("POST", "/api/billing/admin/reserve/adjust/",
         {"tenant_id": tenant, "amount_cents": -498, "reason": "Demo: empty the reserve"}, admin)
    call("POST", "/api/jobs/", job | {"idempotency_key": secrets.token_hex(8)}, token, 402)

    if ENV.get("STRIPE_FAKE", "true").lower() not in ("0", "false", "no", "off"):
        step("7. The newcomer pays $20 by card; the balance follows Stripe's word.")
        top_up(token)

    step("8. All six processes are healthy.")
    await_answer("/health", lambda value: value["status"] == "healthy", "not all were healthy")
    call("GET", "/health")
    print(f"\nThe stack is up at http://{ADDRESS}. The admin credentials are in .env "
          "(ADMIN_USERNAME, ADMIN_PASSWORD). `make down` stops it.")


if __name__ == "__main__":
    main()
