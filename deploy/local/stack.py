"""Starts, stops and watches the local stack. Usage: stack.py VERB [SERVICE].

Processes run in the background, one log file each under var/log. A process that
dies stays down, so that `status` can show why; `start SERVICE` brings it back.
"""

import argparse
import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import payments
import postgres
from environment import (ENV_FILE, IS_DEFAULT, ROOT, SERVICES, VAR, WITH_DATABASE, ensure_env_file,
                         fail, has_fake_stripe, private_directory, process_environment,
                         read_env_file, socket_directory, write_private)

BIN = pathlib.Path(os.environ.get("GATEHOUSE_BIN", ROOT / "build/bin"))
LOGS = VAR / "log"
RECORDS = VAR / "run"
READY_SECONDS = 20
# Everything that may run; the Stripe beside us first, since billing calls it.
PROCESSES = [payments.NAME, *SERVICES]


def wanted_processes():
    return PROCESSES if has_fake_stripe() else SERVICES


def start_time(pid):
    """Tells a process apart from a later one with the same number."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except OSError:
        return None


def record(service):
    try:
        return json.loads((RECORDS / f"{service}.json").read_text())
    except (OSError, ValueError):
        return None


def is_running(service):
    known = record(service)
    if not known or start_time(known["pid"]) != known["start_time"]:
        return False
    state = pathlib.Path(f"/proc/{known['pid']}/stat").read_text().rsplit(")", 1)[1].split()[0]
    return state != "Z"


def last_lines(service, count=8):
    try:
        return (LOGS / f"{service}.log").read_text(errors="replace").splitlines()[-count:]
    except OSError:
        return []


def make_keys():
    """A key pair per process, and the list of public keys that all of them read."""
    keep = private_directory(VAR / "secrets")
    public = []
    for service in SERVICES:
        made = subprocess.run([str(BIN / service), "keygen", str(keep)], text=True,
                              capture_output=True, check=False)
        if made.returncode != 0:
            fail(f"{service} keygen failed:\n{made.stderr}")
        public.append(made.stdout.strip())
    write_private(keep / "service-keys", "\n".join(public) + "\n")


def run_command(service, *command):
    """Runs a subcommand of a service in the stack's environment."""
    return subprocess.run([str(BIN / service), *command], env=process_environment(service),
                          text=True, capture_output=True, check=False, cwd=ROOT)


def migrate():
    for service in WITH_DATABASE:
        done = run_command(service, "migrate")
        if done.returncode != 0:
            fail(f"{service} migrate failed:\n{done.stdout}{done.stderr}")
        for line in done.stdout.splitlines():
            print(f"{service}: {line}")


def bootstrap():
    done = run_command("auth", "bootstrap")
    if done.returncode != 0:
        fail(f"auth bootstrap failed:\n{done.stdout}{done.stderr}")
    print(done.stdout.rstrip())


def spawn(service):
    """Starts a process; the returned descriptor yields its addresses when it is ready."""
    private_directory(LOGS)
    private_directory(RECORDS)
    ready_read, ready_write = os.pipe()
    env = process_environment(service) | {"READY_FD": str(ready_write)}
    command = [str(BIN / service)]
    if service == payments.NAME:
        command = payments.command(record("gateway"))
        env = {"PATH": env["PATH"], "READY_FD": str(ready_write)}
    with open(LOGS / f"{service}.log", "ab") as log:
        process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log, pass_fds=(ready_write,),
                                   start_new_session=True, cwd=ROOT)
    os.close(ready_write)
    known = {"pid": process.pid, "start_time": start_time(process.pid), "addresses": {}}
    (RECORDS / f"{service}.json").write_text(json.dumps(known))
    (RECORDS / f"{service}.pid").write_text(f"{process.pid}\n")
    if service == "gateway" and IS_DEFAULT:
        link = ROOT / "doorman.pid"
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(RECORDS / "gateway.pid", ROOT))
    return process, ready_read


def await_ready(service, process, ready_read):
    text, deadline = b"", time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        readable, _, _ = select.select([ready_read], [], [], 0.2)
        if readable:
            chunk = os.read(ready_read, 4096)
            if not chunk:
                break
            text += chunk
        if process.poll() is not None:
            break
    os.close(ready_read)
    if process.poll() is not None or not text:
        lines = "\n".join("  " + line for line in last_lines(service))
        why = f"exited with {process.returncode}" if process.poll() is not None else "is not ready"
        fail(f"{service} {why}; the end of its log:\n{lines}")
    known = record(service)
    known["addresses"] = dict(line.split("=", 1) for line in text.decode().split())
    (RECORDS / f"{service}.json").write_text(json.dumps(known))


def start(services):
    wanted = [s for s in services if not is_running(s)]
    if "gateway" in wanted:
        refuse_taken_port()
    if payments.NAME in wanted:
        await_ready(payments.NAME, *spawn(payments.NAME))
        payments.keep_port(record(payments.NAME)["addresses"]["http"])
    spawned = [(s, *spawn(s)) for s in wanted if s != payments.NAME]
    for service, process, ready_read in spawned:
        await_ready(service, process, ready_read)
    if "gateway" in wanted and is_running(payments.NAME):
        payments.tell_webhook(record(payments.NAME)["addresses"]["http"], record("gateway"))
    return wanted


def refuse_taken_port():
    port = int(read_env_file().get("GATEWAY_PORT", "8000"))  # 0: the system chooses
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            fail(f"port {port} is taken by another program; set GATEWAY_PORT in .env")


def stop(services):
    """SIGTERM, then SIGKILL after the drain time; returns when all have gone."""
    stopping = {s: record(s)["pid"] for s in services if is_running(s)}
    for pid in stopping.values():
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 15
    while any(is_running(s) for s in stopping) and time.monotonic() < deadline:
        time.sleep(0.02)
    for service, pid in stopping.items():
        if is_running(service):
            print(f"{service} did not drain in time; killed")
            os.kill(pid, signal.SIGKILL)
    for service in services:
        (RECORDS / f"{service}.json").unlink(missing_ok=True)
        (RECORDS / f"{service}.pid").unlink(missing_ok=True)
        (socket_directory() / f"{service}.sock").unlink(missing_ok=True)
        if service == "gateway" and IS_DEFAULT:
            (ROOT / "doorman.pid").unlink(missing_ok=True)
    return list(stopping)


def up(if_needed):
    if ENV_FILE.exists() and all(is_running(s) for s in wanted_processes()):
        print("the stack is up already; " + address_line())
        return
    ensure_env_file()
    private_directory(VAR)
    socket_directory()
    if not read_env_file().get("DATABASE_URL"):
        postgres.start_cluster()
    postgres.prepare_roles()
    make_keys()
    migrate()
    bootstrap()
    start(wanted_processes())
    if not if_needed:
        print("up; " + address_line())
    if has_fake_stripe():
        print("STRIPE_SECRET_KEY is not set: payments go to a fake Stripe at http://" +
              record(payments.NAME)["addresses"]["http"])
    if not read_env_file().get("REDIS_URL"):
        print("REDIS_URL is not set: limits are local to this gateway")


def address_line():
    address = payments.gateway_address(record("gateway"))
    return f"http://{address} — admin credentials are in .env (ADMIN_USERNAME, ADMIN_PASSWORD)"


def down():
    stopped = stop(list(reversed(PROCESSES)))
    postgres.stop_cluster()
    print("down" if stopped else "nothing was running")


def status():
    crashed = False
    for service in PROCESSES:
        known = record(service)
        if not known and service == payments.NAME and not (ENV_FILE.exists() and has_fake_stripe()):
            continue
        if is_running(service):
            where = " ".join(f"{k}={v}" for k, v in known["addresses"].items())
            print(f"{service:22} running  pid {known['pid']}  {where}")
        elif known:
            crashed = True
            print(f"{service:22} CRASHED  (was pid {known['pid']}); the end of its log:")
            print("\n".join("    " + line for line in last_lines(service)))
        else:
            print(f"{service:22} stopped")
    return 1 if crashed else 0


def health():
    address = payments.gateway_address(record("gateway")) if ENV_FILE.exists() else "127.0.0.1:8000"
    try:
        with urllib.request.urlopen(f"http://{address}/health", timeout=5) as answer:
            body, code = answer.read(), 0
    except urllib.error.HTTPError as error:
        body, code = error.read(), 1
    except OSError as error:
        fail(f"the gateway does not answer at {address}: {error}")
    print(json.dumps(json.loads(body), indent=2))
    return code


def logs(service):
    files = [str(LOGS / f"{s}.log") for s in ([service] if service else wanted_processes())]
    os.execvp("tail", ["tail", "-n", "40", "-F", *files])


def dbshell():
    env = postgres.connection_environment(postgres.superuser_url())
    os.execve(str(postgres.binaries() / "psql"), ["psql"], env)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verb", choices=["up", "down", "start", "stop", "status", "health", "logs",
                                         "migrate", "bootstrap", "dbshell"])
    parser.add_argument("service", nargs="?", choices=PROCESSES)
    parser.add_argument("--if-needed", action="store_true", help="say nothing more when all is up")
    arguments = parser.parse_args()
    if arguments.verb in ("start", "stop") and not arguments.service:
        parser.error("name a service: " + ", ".join(PROCESSES))
    if arguments.verb not in ("up", "down", "status", "health") and not (VAR / "secrets").exists():
        fail("there is no stack yet: run `make up`")
    if arguments.verb == "start":
        started = start([arguments.service])
        print(f"{arguments.service} " + ("started" if started else "runs already"))
        return 0
    if arguments.verb == "stop":
        stopped = stop([arguments.service])
        print(f"{arguments.service} " + ("stopped" if stopped else "was not running"))
        return 0
    verbs = {"up": lambda: up(arguments.if_needed), "down": down, "status": status,
             "health": health, "logs": lambda: logs(arguments.service), "migrate": migrate,
             "bootstrap": bootstrap, "dbshell": dbshell}
    return verbs[arguments.verb]() or 0


if __name__ == "__main__":
    sys.exit(main())
