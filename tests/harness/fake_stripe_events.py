"""The events of the fake Stripe: signed, kept, and posted to the webhook until it takes them.

Not what leads to them (fake_stripe_account.py).
"""

import copy
import hashlib
import heapq
import hmac
import http.client
import itertools
import json
import secrets
import sys
import threading
import time
import urllib.parse

TRIES_MAX = 10
# Of a window in which events are put into the opposite order.
REORDER_SECONDS = 0.2
DELIVERY_SECONDS = 10


def new_id(prefix):
    return f"{prefix}_{secrets.token_hex(12)}"


def signature(payload, keys, now):
    """The header Stripe-Signature, with one v1 per key."""
    parts = [f"t={now}"]
    for key in keys:
        signed = hmac.new(key.encode(), f"{now}.".encode() + payload, hashlib.sha256)
        parts.append("v1=" + signed.hexdigest())
    return ",".join(parts)


def post(url, payload, header):
    """Posts an event; the status of the answer, or a text that says why there is none."""
    parts = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=DELIVERY_SECONDS)
    try:
        connection.request("POST", parts.path or "/", payload,
                           {"Content-Type": "application/json; charset=utf-8",
                            "User-Agent": "Stripe/1.0 (fake)", "Stripe-Signature": header})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()


class Events:
    """Thread-safe. One thread delivers; a delivery that fails is tried again later."""

    def __init__(self, keys, webhook_url, knobs):
        self.keys = keys
        self.webhook_url = webhook_url
        self.knobs = knobs
        self.kept = {}  # By id, in order: the event, and how its deliveries ended.
        self._queue = []  # A heap of (due, number, event id, tries so far).
        self._number = itertools.count()
        self._changed = threading.Condition()
        threading.Thread(target=self._deliver, daemon=True).start()

    def emit(self, kind, thing, previous=None, idempotency_key=None):
        """Appends an event about `thing` as it is now."""
        data = {"object": copy.deepcopy(thing)}
        if previous is not None:
            data["previous_attributes"] = previous
        event = {"id": new_id("evt"), "object": "event", "api_version": "2024-06-20",
                 "created": int(time.time()), "data": data, "livemode": False,
                 "pending_webhooks": 1, "type": kind,
                 "request": {"id": new_id("req"), "idempotency_key": idempotency_key}}
        with self._changed:
            self.kept[event["id"]] = {"event": event, "deliveries": []}
            due = time.monotonic() + self.knobs["delay_ms"] / 1000
            if self.knobs["reorder"]:
                due = self._reordered(due)
            for _ in range(max(1, self.knobs["duplicate"])):
                self._push(due, event["id"], 0)
        return event

    def resend(self, event_id):
        """Delivers a kept event once more; False when there is none."""
        with self._changed:
            if event_id not in self.kept:
                return False
            self._push(time.monotonic(), event_id, 0)
        return True

    def shown(self):
        with self._changed:
            return [{**one["event"], "deliveries": list(one["deliveries"])}
                    for one in self.kept.values()]

    def _reordered(self, due):
        """Before everything that waits, so that a burst arrives the last one first."""
        waiting = [entry[0] for entry in self._queue if entry[3] == 0]
        return min([due + REORDER_SECONDS] + [first - 0.000001 for first in waiting])

    def _push(self, due, event_id, tries):
        heapq.heappush(self._queue, (due, next(self._number), event_id, tries))
        self._changed.notify()

    def _next(self):
        with self._changed:
            while True:
                left = self._queue[0][0] - time.monotonic() if self._queue else None
                if left is not None and left <= 0 and self.webhook_url:
                    return heapq.heappop(self._queue)
                # Without a webhook everything waits until there is one.
                self._changed.wait(None if left is None else max(left, 0.05))

    def _deliver(self):
        while True:
            _, _, event_id, tries = self._next()
            with self._changed:
                kept, url = self.kept[event_id], self.webhook_url
            payload = json.dumps(kept["event"], separators=(",", ":")).encode()
            status = post(url, payload, signature(payload, self.keys, int(time.time())))
            kept["deliveries"].append({"status": status, "time": time.time()})
            if isinstance(status, int) and 200 <= status < 300:
                continue
            print(f"{event_id} {kept['event']['type']}: {status}", file=sys.stderr, flush=True)
            if tries + 1 < TRIES_MAX:
                with self._changed:
                    self._push(time.monotonic() + min(0.1 * 2 ** tries, 3), event_id, tries + 1)

    def set_webhook(self, url):
        with self._changed:
            self.webhook_url = url
            self._changed.notify()
