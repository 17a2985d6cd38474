"""The Stripe that the local stack runs beside it, as long as .env names no real one.

Not that program itself (tests/harness/fake_stripe.py).
"""

import http.client
import json
import socket
import sys

from environment import FAKE_STRIPE_PORT, ROOT, VAR, read_env_file, secret, write_private

NAME = "fake_stripe"
PROGRAM = ROOT / "tests/harness/fake_stripe.py"
WEBHOOK_PATH = "/api/billing/webhook/"


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def usual_port():
    """The port it had the last time, which billing and open pages know; 0: any."""
    try:
        port = int(FAKE_STRIPE_PORT.read_text())
    except (OSError, ValueError):
        return 0
    return port if is_free(port) else 0


def gateway_address(record):
    """Where the gateway listens or will; empty while nobody knows."""
    if record:
        return record["addresses"].get("http", "")
    port = read_env_file().get("GATEWAY_PORT", "8000")
    return "" if port == "0" else f"127.0.0.1:{port}"


def webhook_url(record):
    address = gateway_address(record)
    return f"http://{address}{WEBHOOK_PATH}" if address else ""


def command(gateway_record):
    """How to start it."""
    secret("stripe-webhook-secret", prefix="whsec_")
    return [sys.executable, str(PROGRAM), "--port", str(usual_port()),
            "--webhook-url", webhook_url(gateway_record),
            "--secret-file", str(VAR / "secrets" / "stripe-webhook-secret")]


def keep_port(address):
    write_private(FAKE_STRIPE_PORT, address.rsplit(":", 1)[1] + "\n")


def tell_webhook(address, gateway_record):
    """Tells it where the gateway listens by now."""
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("POST", "/_knobs",
                           json.dumps({"webhook_url": webhook_url(gateway_record)}))
        connection.getresponse().read()
    except OSError as error:
        print(f"{NAME} does not answer: {error}", file=sys.stderr)
    finally:
        connection.close()
