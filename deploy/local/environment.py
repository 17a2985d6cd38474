"""The settings and paths of the local stack: .env, var/ and what derives from them.

Not a settings parser for the processes: those read .env by themselves (ENV_FILE).
"""

import hashlib
import json
import os
import pathlib
import pwd
import secrets
import stat
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# GATEHOUSE_STATE names another place for a second stack, with its own .env in it.
IS_DEFAULT = "GATEHOUSE_STATE" not in os.environ
VAR = pathlib.Path(os.environ.get("GATEHOUSE_STATE", ROOT / "var")).resolve()
ENV_FILE = ROOT / ".env" if IS_DEFAULT else VAR / ".env"
SERVICES = ["auth", "invitations", "billing", "jobs", "orchestrator_monitor", "gateway"]
WITH_DATABASE = [s for s in SERVICES if s != "gateway"]
FAKE_STRIPE_PORT = VAR / "fake-stripe-port"


def fail(message):
    print(message, file=sys.stderr)
    sys.exit(1)


def write_private(path, text):
    """Writes a file that only its owner can read, whole or not at all."""
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.rename(path)


def ensure_env_file():
    """Makes .env from .env.example with random secrets, if there is none."""
    if ENV_FILE.exists():
        return
    lines = []
    for line in (ROOT / ".env.example").read_text().splitlines():
        if line.endswith("=generate"):
            line = line[: -len("generate")] + secrets.token_urlsafe(32)
        lines.append(line)
    write_private(ENV_FILE, "\n".join(lines) + "\n")
    print("wrote .env with random secrets")


def read_env_file():
    values = {}
    for line in ENV_FILE.read_text().splitlines():
        line = line.strip()
        if line and not line.startswith("#") and "=" in line:
            name, value = line.split("=", 1)
            values[name.strip()] = value.strip().strip("'\"")
    return values


def private_directory(path):
    """Makes a 0700 directory of ours, or fails if it is somebody else's."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    info = path.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid():
        fail(f"{path} is not a directory of this user")
    path.chmod(0o700)
    return path


def short_name():
    """Tells apart the stacks on one machine."""
    return hashlib.sha256(str(VAR).encode()).hexdigest()[:8]


def socket_directory():
    """Where the processes' sockets are: in var/, or, where that path is too long
    for a socket's name (107 bytes), in a short one that var/ names."""
    wanted = VAR / "run"
    if len(str(wanted / "orchestrator_monitor.sock")) > 100:
        wanted = pathlib.Path(f"/tmp/gatehouse-{os.getuid()}-{short_name()}")
    private_directory(VAR)
    (VAR / "sockets").write_text(str(wanted) + "\n")
    return private_directory(wanted)


def postgres_place():
    """Data and socket directory of the private cluster, and the user it runs as.

    Root cannot run PostgreSQL, and the user postgres cannot enter root's home, so
    for root both are under /var/lib/gatehouse. Recorded in var/postgres.json.
    """
    record = VAR / "postgres.json"
    if record.exists():
        return json.loads(record.read_text())
    if os.getuid() == 0:
        base = pathlib.Path("/var/lib/gatehouse") / short_name()
        place = {"data": str(base / "data"), "socket": str(base / "run"), "user": "postgres"}
    else:
        user = pwd.getpwuid(os.getuid()).pw_name
        place = {"data": str(VAR / "postgres"), "socket": str(socket_directory()), "user": user}
    private_directory(VAR)
    write_private(record, json.dumps(place))
    return place


def secret(name, length=32, prefix=""):
    """A random secret of the stack, made once, kept in var/secrets."""
    path = private_directory(VAR / "secrets") / name
    if not path.exists():
        write_private(path, prefix + secrets.token_urlsafe(length))
    return path.read_text().strip()


def has_fake_stripe():
    """Whether payments go to a Stripe of our own: .env names no key of a real one, and
    does not say STRIPE_FAKE=false."""
    values = read_env_file()
    wanted = values.get("STRIPE_FAKE", "true").lower() not in ("0", "false", "no", "off")
    named = values.get("STRIPE_SECRET_KEY") or values.get("STRIPE_SECRET_KEY_FILE")
    return wanted and not named


def stripe_environment():
    """What billing needs of the Stripe beside it, once that has a port."""
    if not has_fake_stripe() or not FAKE_STRIPE_PORT.exists():
        return {}
    secret("stripe-key", prefix="sk_test_")
    secret("stripe-webhook-secret", prefix="whsec_")
    keep = VAR / "secrets"
    return {"STRIPE_API_BASE": "http://127.0.0.1:" + FAKE_STRIPE_PORT.read_text().strip(),
            "STRIPE_SECRET_KEY_FILE": str(keep / "stripe-key"),
            "STRIPE_WEBHOOK_SECRET_FILE": str(keep / "stripe-webhook-secret")}


def process_environment(service):
    """The environment of one process. Secrets go by file, never by value."""
    run, keep = socket_directory(), VAR / "secrets"
    env = {
        "PATH": "/usr/bin:/bin",
        "ENV_FILE": str(ENV_FILE),
        "GRPC_ADDRESS": f"unix:{run}/{service}.sock",
        "METRICS_ADDRESS": "127.0.0.1:0",
        "SERVICE_KEY_FILE": str(keep / f"{service}.key"),
        "SERVICE_KEYS_FILE": str(keep / "service-keys"),
    }
    for other in SERVICES:
        env[f"{other.upper()}_ADDRESS"] = f"unix:{run}/{other}.sock"
    if service == "billing":
        env |= stripe_environment()
        port = read_env_file().get("GATEWAY_PORT", "8000")
        if port != "0" and not read_env_file().get("PUBLIC_URL"):
            env["PUBLIC_URL"] = "http://127.0.0.1:" + port
    if service in WITH_DATABASE:
        env["DATABASE_URL_FILE"] = str(keep / f"{service}.database-url")
        env["OWNER_DATABASE_URL_FILE"] = str(keep / f"{service}.owner-database-url")
    else:
        # A batch of requests frees what it allocated at once: more than 7 pieces of a size.
        env["GLIBC_TUNABLES"] = "glibc.malloc.tcache_count=1024"
        env["HTTP_ADDRESS"] = "127.0.0.1:" + read_env_file().get("GATEWAY_PORT", "8000")
    for name in ("GATEHOUSE_FAILPOINTS", "TZ"):
        if name in os.environ:
            env[name] = os.environ[name]
    return env
