"""The objects of the fake Stripe, and what the API's requests do to them.

In memory: after a restart its customers are unknown. Not HTTP (fake_stripe.py) and not the
delivery of events.
"""

import threading
import time

from fake_stripe_events import new_id

SECONDS_OF = {"day": 86400, "week": 604800, "month": 2629800, "year": 31557600}
# What becomes of a charge without the customer, by the payment method: code, decline code.
# Those that Stripe has for tests, and short ones.
DECLINES = {}
for names, codes in (
        (("pm_declined", "pm_card_chargeDeclined"), ("card_declined", "generic_decline")),
        (("pm_insufficient_funds", "pm_card_chargeDeclinedInsufficientFunds"),
         ("card_declined", "insufficient_funds")),
        (("pm_stolen", "pm_card_chargeDeclinedStolenCard"), ("card_declined", "stolen_card")),
        (("pm_expired", "pm_card_chargeDeclinedExpiredCard"), ("expired_card", "expired_card")),
        (("pm_authentication", "pm_card_authenticationRequired"),
         ("authentication_required", "authentication_required"))):
    DECLINES |= {name: codes for name in names}


class Refused(Exception):
    """An answer that says no."""

    def __init__(self, status, kind, code, message, **more):
        super().__init__(message)
        self.status = status
        self.error = {"type": kind, "code": code, "message": message} | more


def invalid(code, message, **more):
    return Refused(400, "invalid_request_error", code, message, **more)


def required(form, name):
    if form.get(name) in (None, "", {}):
        raise invalid("parameter_missing", f"Missing required param: {name}.", param=name)
    return form[name]


def whole(value, name, least=1):
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise invalid("parameter_invalid_integer", f"Invalid integer: {value}",
                      param=name) from None
    if number < least:
        raise invalid("parameter_invalid_integer", "This value is too small.", param=name)
    return number


def listed(value):
    """A list that a form spells as items[0], items[1]…"""
    return [value[key] for key in sorted(value, key=int)] if isinstance(value, dict) else value


class Account:
    """One account at Stripe. Every method takes the lock itself."""

    def __init__(self, events, knobs, base):
        self.events = events
        self.knobs = knobs
        self.base = base
        self.lock = threading.RLock()
        self.things = {name: {} for name in (
            "customers", "sessions", "portals", "intents", "charges", "refunds", "subscriptions")}

    def _new(self, collection, prefix, kind, **members):
        thing = {"id": new_id(prefix), "object": kind, "created": int(time.time()),
                 "livemode": False} | members
        self.things[collection][thing["id"]] = thing
        return thing

    def find(self, collection, thing_id):
        with self.lock:
            thing = self.things[collection].get(thing_id)
        if thing is None:
            raise Refused(404, "invalid_request_error", "resource_missing",
                          f"No such {collection[:-1]}: '{thing_id}'", param="id")
        return thing

    def list(self, collection, query):
        """Newest first, as Stripe pages."""
        with self.lock:
            found = list(reversed(self.things[collection].values()))
        if "customer" in query:
            found = [one for one in found if one.get("customer") == query["customer"]]
        since = query.get("created", {})
        if isinstance(since, dict) and "gte" in since:
            found = [one for one in found if one["created"] >= int(since["gte"])]
        if "starting_after" in query:
            ids = [one["id"] for one in found]
            after = query["starting_after"]
            found = found[ids.index(after) + 1:] if after in ids else []
        limit = whole(query.get("limit", 10), "limit")
        return {"object": "list", "data": found[:limit], "has_more": len(found) > limit}

    def query(self, collection, query):
        """What the API lists: of a customer that is unknown, nothing."""
        if "customer" in query:
            self._customer(query)
        return self.list(collection, query)

    # Customers.

    def create_customer(self, form):
        with self.lock:
            return self._new("customers", "cus", "customer", name=form.get("name"),
                             email=form.get("email"), metadata=form.get("metadata", {}))

    def _customer(self, form):
        customer = required(form, "customer")
        if customer not in self.things["customers"]:
            raise invalid("resource_missing", f"No such customer: '{customer}'", param="customer")
        return customer

    def delete_customer(self, customer_id):
        with self.lock:
            customer = self.find("customers", customer_id)
            del self.things["customers"][customer_id]
        self.events.emit("customer.deleted", customer)
        return {"id": customer_id, "object": "customer", "deleted": True}

    def detach_method(self, method_id):
        with self.lock:
            owners = [one["customer"] for one in self.things["intents"].values()
                      if one["payment_method"] == method_id]
        method = {"id": method_id, "object": "payment_method", "type": "card", "customer": None}
        previous = {"customer": owners[-1] if owners else None}
        self.events.emit("payment_method.detached", method, previous)
        return method

    # Checkout.

    def create_session(self, form):
        mode = required(form, "mode")
        if mode not in ("payment", "subscription"):
            raise invalid("parameter_unknown", f"Invalid mode: {mode}", param="mode")
        required(form, "success_url")
        lines = listed(required(form, "line_items"))
        total, currency = 0, "usd"
        for line in lines:
            price = required(line, "price_data")
            currency = required(price, "currency")
            total += (whole(required(price, "unit_amount"), "unit_amount") *
                      whole(line.get("quantity", 1), "quantity"))
        with self.lock:
            customer = self._customer(form) if form.get("customer") else None
            session = self._new(
                "sessions", "cs_test", "checkout.session", mode=mode, status="open",
                payment_status="unpaid", amount_total=total, amount_subtotal=total,
                currency=currency, customer=customer, payment_intent=None, subscription=None,
                client_reference_id=form.get("client_reference_id"),
                metadata=form.get("metadata", {}), success_url=form["success_url"],
                cancel_url=form.get("cancel_url"), expires_at=int(time.time()) + 86400,
                payment_method_types=listed(form.get("payment_method_types", ["card"])))
            session["url"] = f"{self.base}/pay/{session['id']}"
            # What the customer's payment needs; not shown.
            session["_form"] = form
        return session

    def expire_session(self, session_id):
        with self.lock:
            session = self.find("sessions", session_id)
            if session["status"] != "open":
                raise invalid("resource_missing", "Only open sessions can be expired.")
            session.update(status="expired", url=None)
        self.events.emit("checkout.session.expired", session)
        return session

    def pay_session(self, session_id, action, method):
        """The customer presses a button of the pay page; the session."""
        with self.lock:
            session = self.find("sessions", session_id)
            if session["status"] != "open" or action not in ("pay", "later", "fail"):
                return session
            if action == "fail":
                self._pay(session, method, "requires_payment_method", ("card_declined",
                                                                       "generic_decline"))
                return session
            if session["customer"] is None:
                session["customer"] = self.create_customer({})["id"]
            session.update(status="complete", url=None)
            if session["mode"] == "subscription":
                session["payment_status"] = "paid"
                form = session["_form"]
                details = form.get("subscription_data", {}) | {
                    "customer": session["customer"], "items": form["line_items"]}
                session["subscription"] = self.create_subscription(details)["id"]
                self.events.emit("checkout.session.completed", session)
            elif action == "pay":
                session["payment_status"] = "paid"
                self._pay(session, method, "succeeded")
                self.events.emit("checkout.session.completed", session)
            else:
                intent = self._pay(session, method, "processing")
                self.events.emit("checkout.session.completed", session)
                self._settle_later(intent, session)
        return session

    def _pay(self, session, method, status, decline=None):
        data = session["_form"].get("payment_intent_data", {})
        intent = self._intent({"amount": session["amount_total"], "currency": session["currency"],
                               "metadata": data.get("metadata", {}),
                               "setup_future_usage": data.get("setup_future_usage")},
                              session["customer"], method, status)
        session["payment_intent"] = intent["id"]
        self._conclude(intent, status, decline)
        return intent

    # Payments.

    def create_intent(self, form):
        amount = whole(required(form, "amount"), "amount", 50)
        required(form, "currency")
        method = required(form, "payment_method")
        if form.get("confirm") != "true" or form.get("off_session") != "true":
            raise invalid("parameter_missing", "Only off_session with confirm is served here.")
        if method == "pm_missing":
            raise invalid("resource_missing", f"No such PaymentMethod: '{method}'",
                          param="payment_method")
        with self.lock:
            customer = self._customer(form)
            decline = DECLINES.get(method)
            status = "requires_payment_method" if decline else "succeeded"
            if method == "pm_processing":
                status = "processing"
            intent = self._intent(form | {"amount": amount}, customer, method, status)
            self._conclude(intent, status, decline)
            if status == "processing":
                self._settle_later(intent, None)
        if decline:
            raise Refused(402, "card_error", decline[0], "Your card was declined.",
                          decline_code=decline[1], payment_intent=intent)
        return intent

    def _intent(self, form, customer, method, status):
        return self._new("intents", "pi", "payment_intent", amount=int(form["amount"]),
                         amount_received=0, currency=form["currency"].lower(), customer=customer,
                         payment_method=method, status=status, latest_charge=None,
                         metadata=form.get("metadata", {}), description=form.get("description"),
                         setup_future_usage=form.get("setup_future_usage"),
                         last_payment_error=None)

    def _conclude(self, intent, status, decline=None):
        """Moves the money, or says why not."""
        intent["status"] = status
        if status == "succeeded":
            intent["amount_received"] = intent["amount"]
            charge = self._new("charges", "ch", "charge", payment_intent=intent["id"],
                               amount=intent["amount"], amount_refunded=0, refunded=False,
                               currency=intent["currency"], customer=intent["customer"],
                               metadata=dict(intent["metadata"]), paid=True, status="succeeded")
            intent["latest_charge"] = charge["id"]
            self.events.emit("charge.succeeded", charge)
            self.events.emit("payment_intent.succeeded", intent)
        elif status == "processing":
            self.events.emit("payment_intent.processing", intent)
        else:
            code, decline_code = decline or ("card_declined", "generic_decline")
            intent["last_payment_error"] = {"type": "card_error", "code": code,
                                            "decline_code": decline_code,
                                            "message": "Your card was declined."}
            self.events.emit("payment_intent.payment_failed", intent)

    def _settle_later(self, intent, session):
        """What is processing ends as the knob `async` says: succeed, fail, or hold."""
        if self.knobs["async"] == "hold":
            return
        timer = threading.Timer(self.knobs["async_ms"] / 1000, self.settle,
                                (intent["id"], self.knobs["async"], session))
        timer.daemon = True
        timer.start()

    def settle(self, intent_id, how, session=None):
        """Ends a payment that is processing."""
        with self.lock:
            intent = self.find("intents", intent_id)
            if intent["status"] != "processing":
                return intent
            if session is None:
                session = next((one for one in self.things["sessions"].values()
                                if one["payment_intent"] == intent_id), None)
            succeeds = how != "fail"
            self._conclude(intent, "succeeded" if succeeds else "requires_payment_method")
            if session is not None:
                session["payment_status"] = "paid" if succeeds else "unpaid"
                self.events.emit("checkout.session.async_payment_" +
                                 ("succeeded" if succeeds else "failed"), session)
        return intent

    def create_refund(self, form):
        with self.lock:
            charge_id = form.get("charge")
            if not charge_id:
                charge_id = self.find("intents", required(form, "payment_intent"))["latest_charge"]
            charge = self.find("charges", charge_id)
            left = charge["amount"] - charge["amount_refunded"]
            amount = whole(form.get("amount", left), "amount")
            if amount > left:
                raise invalid("charge_already_refunded", "Greater than what is left.")
            before = charge["amount_refunded"]
            charge["amount_refunded"] += amount
            charge["refunded"] = charge["amount_refunded"] == charge["amount"]
            refund = self._new("refunds", "re", "refund", amount=amount, charge=charge_id,
                               payment_intent=charge["payment_intent"], status="succeeded",
                               currency=charge["currency"], metadata=form.get("metadata", {}))
        self.events.emit("charge.refunded", charge, {"amount_refunded": before})
        return refund

    def create_portal(self, form):
        with self.lock:
            portal = self._new("portals", "bps", "billing_portal.session",
                               customer=self._customer(form),
                               return_url=form.get("return_url"), flow=form.get("flow_data"))
            portal["url"] = f"{self.base}/portal/{portal['id']}"
        return portal

    # Subscriptions.

    def create_subscription(self, form):
        with self.lock:
            now = int(time.time())
            items = [self._item(line) for line in listed(required(form, "items"))]
            status = "trialing" if form.get("trial_period_days") else "active"
            if form.get("payment_behavior") == "default_incomplete":
                status = "incomplete"
            subscription = self._new(
                "subscriptions", "sub", "subscription", customer=self._customer(form),
                status=status, metadata=form.get("metadata", {}), cancel_at_period_end=False,
                items={"object": "list", "data": items, "has_more": False}, discounts=[],
                current_period_start=now, current_period_end=now + self._period(items[0]))
        self.events.emit("customer.subscription.created", subscription)
        return subscription

    def _item(self, line):
        data = required(line, "price_data")
        recurring = required(data, "recurring")
        interval = required(recurring, "interval")
        if interval not in SECONDS_OF:
            raise invalid("parameter_unknown", f"Invalid interval: {interval}", param="interval")
        price = {"id": new_id("price"), "object": "price", "currency": required(data, "currency"),
                 "unit_amount": whole(required(data, "unit_amount"), "unit_amount", 0),
                 "recurring": {"interval": interval, "usage_type": "licensed",
                               "interval_count": whole(recurring.get("interval_count", 1),
                                                       "interval_count")},
                 "metadata": data.get("metadata", {}), "type": "recurring"}
        return {"id": new_id("si"), "object": "subscription_item", "price": price,
                "quantity": whole(line.get("quantity", 1), "quantity", 0)}

    @staticmethod
    def _period(item):
        recurring = item["price"]["recurring"]
        return SECONDS_OF[recurring["interval"]] * recurring["interval_count"]

    def update_subscription(self, subscription_id, form):
        """Also takes `status`, which Stripe changes only by itself."""
        with self.lock:
            subscription = self.find("subscriptions", subscription_id)
            change = {name: form[name] for name in ("status", "metadata") if name in form}
            if "cancel_at_period_end" in form:
                change["cancel_at_period_end"] = form["cancel_at_period_end"] == "true"
            if "items" in form:
                items = [self._item(line) for line in listed(form["items"])]
                change["items"] = {"object": "list", "data": items, "has_more": False}
            previous = {name: subscription[name] for name in change}
            subscription.update(change)
        self.events.emit("customer.subscription.updated", subscription, previous)
        return subscription

    def delete_subscription(self, subscription_id):
        with self.lock:
            subscription = self.find("subscriptions", subscription_id)
            now = int(time.time())
            subscription.update(status="canceled", canceled_at=now, ended_at=now)
        self.events.emit("customer.subscription.deleted", subscription)
        return subscription
