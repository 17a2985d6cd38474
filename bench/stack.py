"""A stack of our real programs for a benchmark, beside any other that runs."""

import http.client
import json
import os
import pathlib
import secrets
import shutil
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]


class Stack:
    """Use as a context manager: up when it begins, gone when it ends."""

    def __init__(self, **settings):
        self.state = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-bench-"))
        self.password = secrets.token_urlsafe(24)
        defaults = {"ENV": "development", "ADMIN_USERNAME": "admin",
                    "ADMIN_EMAIL": "admin@example.com", "ADMIN_PASSWORD": self.password,
                    "SECRET_KEY": secrets.token_urlsafe(32), "GATEWAY_PORT": "0",
                    "HTTPS_ONLY": "false", "LOG_LEVEL": "warning", "ACCESS_LOG": "false",
                    "AUTH_RATE_LIMIT": "0", "STRIPE_FAKE": "false"}
        # None takes a default away.
        chosen = {k: v for k, v in (defaults | settings).items() if v is not None}
        text = "".join(f"{k}={v}\n" for k, v in chosen.items())
        (self.state / ".env").write_text(text)
        (self.state / ".env").chmod(0o600)

    def verb(self, *words):
        done = subprocess.run(["python3", str(ROOT / "deploy/local/stack.py"), *words], text=True,
                              env=os.environ | {"GATEHOUSE_STATE": str(self.state)},
                              capture_output=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stdout + done.stderr)
        return done.stdout

    def __enter__(self):
        self.verb("up")
        return self

    def __exit__(self, *_):
        self.verb("down")
        place = json.loads((self.state / "postgres.json").read_text())
        shutil.rmtree(pathlib.Path(place["data"]).parent, ignore_errors=True)
        shutil.rmtree(self.state, ignore_errors=True)

    def record(self, service):
        return json.loads((self.state / "run" / f"{service}.json").read_text())

    def pid(self, service):
        return self.record(service)["pid"]

    def address(self):
        return self.record("gateway")["addresses"]["http"]

    def database_url(self, service):
        return (self.state / "secrets" / f"{service}.database-url").read_text().strip()

    def call(self, method, path, body=None, token=None):
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if token:
            headers["Authorization"] = "Token " + token
        connection = http.client.HTTPConnection(self.address(), timeout=10)
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        value = json.loads(answer.read())
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {value}")
        return value

    def admin_token(self):
        return self.call("POST", "/api/auth/token/", {"username": "admin",
                                                      "password": self.password})["token"]
