#!/usr/bin/env python3
"""A Stripe for development and tests: the part of its API that billing uses, a page to pay
on, signed events, and knobs that make it misbehave. State is in memory: after a restart it
is another account, which knows none of its customers.

  POST /v1/…               customers, checkout/sessions, billing_portal/sessions,
                           payment_intents, refunds, subscriptions; with any key "sk_…"
  GET  /pay/ID             where a session's customer pays: checkout sessions name it as url
  POST /pay/ID             action=pay | later | fail, payment_method=pm_…: a button of it
  GET  /portal/ID          the customer portal
  GET  /_events            what was posted to the webhook, and how that ended
  POST /_events/resend/ID  posts an event once more
  POST /_emit              {"type", "object", "previous_attributes"?}: any other event
  POST /_settle/ID         {"how": "succeed" | "fail"}: ends a payment that is processing
  POST /_knobs             {"duplicate": N, "reorder": bool, "delay_ms": N: of events,
                            "fail_next": N: requests that get 500 before anything is done,
                            and get it again as often as their key comes again,
                            "timeout_after_commit": N: requests that are done, never answered,
                            "async": "succeed" | "fail" | "hold", "async_ms": N: what is
                            processing, "webhook_url": …}; answers with all of them

Charges of pm_declined, pm_insufficient_funds, pm_stolen, pm_expired and pm_authentication are
declined, as are those of Stripe's own names for tests; pm_missing is unknown; pm_processing
takes its time; any other pm_… pays. A page to pay on, at the address printed at the start:

  curl -H 'Authorization: Bearer sk_test_x' -d mode=payment -d success_url=http://127.0.0.1/ \\
    -d 'line_items[0][quantity]=1' -d 'line_items[0][price_data][currency]=usd' \\
    -d 'line_items[0][price_data][unit_amount]=500' http://ADDRESS/v1/checkout/sessions
"""

import argparse
import http.server
import json
import os
import pathlib
import select
import signal
import sys
import threading
import urllib.parse

import fake_stripe_pages
from fake_stripe_account import Account, Refused, invalid
from fake_stripe_events import Events, new_id

BODY_BYTES_MAX = 1 << 20
KNOBS = {"duplicate": 1, "reorder": False, "delay_ms": 0, "fail_next": 0,
         "timeout_after_commit": 0, "async": "succeed", "async_ms": 200}


def nested(pairs):
    """a[b][0]=x as {"a": {"b": {"0": "x"}}}."""
    tree = {}
    for name, value in pairs:
        keys = name.replace("]", "").split("[")
        place = tree
        for key in keys[:-1]:
            place = place.setdefault(key, {})
            if not isinstance(place, dict):
                raise invalid("parameter_invalid", f"Invalid parameter: {name}")
        place[keys[-1] or str(len(place))] = value
    return tree


def shown(thing):
    """An object as the API shows it."""
    if isinstance(thing, dict):
        return {name: shown(value) for name, value in thing.items() if not name.startswith("_")}
    return [shown(one) for one in thing] if isinstance(thing, list) else thing


class Stripe:
    """What all requests share."""

    def __init__(self, keys, webhook_url, base):
        self.knobs = dict(KNOBS)
        self.events = Events(keys, webhook_url, self.knobs)
        self.account = Account(self.events, self.knobs, base)
        self.answers = {}  # By idempotency key: the request, its status and its answer.
        self.lock = threading.RLock()

    def take(self, knob):
        """Whether a knob that counts down is not at zero yet."""
        with self.lock:
            if self.knobs[knob] <= 0:
                return False
            self.knobs[knob] -= 1
            return True

    def once(self, key, request, do):
        """The answer under a key: (status, answer, whether it was given before)."""
        with self.lock:
            if key in self.answers:
                first, status, answer = self.answers[key]
                if first != request:
                    raise Refused(400, "idempotency_error", None,
                                  "Keys for idempotent requests can only be used with the same "
                                  "parameters they were first used with.")
                return status, answer, True
            status, answer = attempt(do)
            if key:
                self.answers[key] = (request, status, answer)
            return status, answer, False

    def turn(self, knobs):
        """Turns knobs, and says where all of them are."""
        for name, value in knobs.items():
            if name == "webhook_url":
                self.events.set_webhook(value)
            elif name in KNOBS:
                self.knobs[name] = type(KNOBS[name])(value)
            else:
                raise invalid("parameter_unknown", f"no such knob: {name}")
        return self.knobs | {"webhook_url": self.events.webhook_url}


def attempt(do):
    """(status, answer) of what may be refused."""
    try:
        return 200, json.dumps(shown(do()))
    except Refused as refused:
        return refused.status, json.dumps({"error": shown(refused.error)})


def api_call(account, method, path, form):
    """What a request of the API does, as a function; None where there is no such route."""
    parts = path.removeprefix("/v1/").split("/")
    routes = {
        ("POST", "customers"): account.create_customer,
        ("POST", "checkout/sessions"): account.create_session,
        ("POST", "billing_portal/sessions"): account.create_portal,
        ("POST", "payment_intents"): account.create_intent,
        ("POST", "refunds"): account.create_refund,
        ("POST", "subscriptions"): account.create_subscription,
    }
    whole = routes.get((method, "/".join(parts)))
    if whole:
        return lambda: whole(form)
    collections = {"customers": "customers", "checkout/sessions": "sessions",
                   "payment_intents": "intents", "charges": "charges", "refunds": "refunds",
                   "subscriptions": "subscriptions"}
    if method == "GET" and "/".join(parts) in collections:
        return lambda: account.query(collections["/".join(parts)], form)
    folder, last = "/".join(parts[:-1]), parts[-1]
    if method == "GET" and folder in collections:
        return lambda: account.find(collections[folder], last)
    if method == "DELETE" and folder == "customers":
        return lambda: account.delete_customer(last)
    if method == "DELETE" and folder == "subscriptions":
        return lambda: account.delete_subscription(last)
    if method == "POST" and folder == "subscriptions":
        return lambda: account.update_subscription(last, form)
    if method == "POST" and len(parts) == 4 and parts[1] == "sessions" and last == "expire":
        return lambda: account.expire_session(parts[2])
    if method == "POST" and len(parts) == 3 and parts[0] == "payment_methods" and last == "detach":
        return lambda: account.detach_method(parts[1])
    return None


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection. `stripe` is set on the class."""

    protocol_version = "HTTP/1.1"
    stripe = None

    def do_GET(self):
        self.dispatch()

    def do_POST(self):
        self.dispatch()

    def do_DELETE(self):
        self.dispatch()

    def dispatch(self):
        length = int(self.headers.get("Content-Length") or 0)
        if length > BODY_BYTES_MAX:
            self.close_connection = True
            return self.reply(413, b"{}")
        body = self.rfile.read(length).decode("utf-8", "replace")
        split = urllib.parse.urlsplit(self.path)
        if split.path.startswith("/v1/"):
            return self.api(split.path, body if self.command == "POST" else split.query)
        if split.path.startswith(("/pay/", "/portal/")):
            return self.page(split.path, body)
        status, answer = attempt(lambda: self.control(split.path, json.loads(body or "{}")))
        return self.reply(status, answer.encode())

    def api(self, path, encoded):
        authorization = self.headers.get("Authorization", "")
        if not authorization.startswith(("Bearer sk_", "Bearer rk_")):
            return self.fail(401, "invalid_request_error", "You did not provide an API key.")
        key = self.headers.get("Idempotency-Key", "") if self.command == "POST" else ""

        def do():
            if self.stripe.take("fail_next"):
                raise Refused(500, "api_error", None, "Something went wrong on Stripe's end.")
            form = nested(urllib.parse.parse_qsl(encoded, keep_blank_values=True))
            call = api_call(self.stripe.account, self.command, path, form)
            if call is None:
                raise Refused(404, "invalid_request_error", None,
                              f"Unrecognized request URL ({self.command}: {path}).")
            return call()

        try:
            status, answer, is_replay = self.stripe.once(key, (path, encoded), do)
        except Refused as refused:
            return self.fail(refused.status, refused.error["type"], refused.error["message"])
        if self.command == "POST" and self.stripe.take("timeout_after_commit"):
            return self.stay_silent()
        headers = {"Request-Id": new_id("req")}
        if is_replay:
            headers["Idempotent-Replayed"] = "true"
        return self.reply(status, answer.encode(), headers=headers)

    def stay_silent(self):
        """Until the client gives up."""
        self.close_connection = True
        select.select([self.connection], [], [], 120)

    def page(self, path, body):
        _, kind, thing_id = path.split("/", 2)
        account = self.stripe.account
        try:
            thing = account.find("sessions" if kind == "pay" else "portals", thing_id)
        except Refused:
            return self.reply(404, fake_stripe_pages.page("Not found", ""), "text/html")
        if kind == "portal":
            owned = account.list("subscriptions", {"customer": thing["customer"]})["data"]
            return self.reply(200, fake_stripe_pages.portal_page(thing, owned), "text/html")
        form = dict(urllib.parse.parse_qsl(body))
        action = form.get("action", "")
        if self.command == "POST":
            method = form.get("payment_method") or "pm_card_visa"
            # Methods that are stored belong to one customer.
            if method == "pm_card_visa":
                method = new_id("pm")
            try:
                thing = account.pay_session(thing_id, action, method)
            except Refused as refused:
                return self.reply(400, fake_stripe_pages.page(str(refused), ""), "text/html")
        if thing["status"] == "complete":
            where = thing["success_url"].replace("{CHECKOUT_SESSION_ID}", thing_id)
            return self.reply(303, b"", "text/html", {"Location": where})
        return self.reply(200, fake_stripe_pages.pay_page(thing, action == "fail"), "text/html")

    def control(self, path, body):
        events = self.stripe.events
        if path == "/_events":
            return events.shown()
        if self.command != "POST":
            raise Refused(404, "invalid_request_error", None, "no such page")
        if path == "/_knobs":
            return self.stripe.turn(body)
        if path == "/_emit":
            return events.emit(body["type"], body["object"], body.get("previous_attributes"))
        last = path.rsplit("/", 1)[1]
        if path.startswith("/_settle/"):
            return self.stripe.account.settle(last, body.get("how", "succeed"))
        if path.startswith("/_events/resend/") and events.resend(last):
            return {"id": last}
        raise Refused(404, "invalid_request_error", None, "no such page")

    def fail(self, status, kind, message):
        error = {"error": {"type": kind, "message": message}}
        self.reply(status, json.dumps(error).encode())

    def reply(self, status, body, kind="application/json", headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind + ("; charset=utf-8" if kind == "text/html" else ""))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except OSError:  # The client has left.
            self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    """A thread per connection; none holds up the end."""

    daemon_threads = True
    request_queue_size = 256


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--ready-fd", type=int, help="gets http=ADDRESS (default: READY_FD)")
    parser.add_argument("--webhook-url", default="", help="where events are posted")
    parser.add_argument("--secret-file", help="holds what signs them; several by commas "
                        "(default: STRIPE_WEBHOOK_SECRET)")
    arguments = parser.parse_args()
    secret = os.environ.get("STRIPE_WEBHOOK_SECRET", "whsec_fake")
    if arguments.secret_file:
        secret = pathlib.Path(arguments.secret_file).read_text(encoding="utf-8")
    keys = [key.strip() for key in secret.split(",") if key.strip()]
    server = Server(("127.0.0.1", arguments.port), Handler)
    address = f"127.0.0.1:{server.server_port}"
    Handler.stripe = Stripe(keys, arguments.webhook_url, "http://" + address)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    ready = arguments.ready_fd
    if ready is None and os.environ.get("READY_FD"):
        ready = int(os.environ["READY_FD"])
    if ready is not None:
        with os.fdopen(ready, "w") as pipe:
            pipe.write(f"http={address}\n")
    else:
        print(f"http={address}", flush=True)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
