"""Logins per second, and what a storm of them does to requests that only show a token."""

import os
import pathlib
import re
import statistics
import subprocess

import measure

SCRIPT = pathlib.Path(__file__).with_name("logins.lua")
USERS = 16
PATH = "/api/v1/auth/me"


def storm(stack, connections, seconds, password):
    """wrk as a process that logs in as fast as it can."""
    env = os.environ | {"BENCH_USERS": str(USERS), "BENCH_PASSWORD": password}
    return subprocess.Popen(["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "-s",
                             str(SCRIPT), f"http://{stack.address()}"], text=True,
                            stdout=subprocess.PIPE, env=env)


def counts(text):
    ok, refused = re.search(r"logins: (\d+) refused: (\d+)", text).groups()
    return int(ok), int(refused)


def logins(stack, password):
    """Logins per second, and per CPU-second of auth."""
    runs = []
    for _ in range(measure.PAIRS):
        before = measure.cpu_seconds(stack.pid("auth"))
        ok, _ = counts(storm(stack, 4, measure.SECONDS, password).communicate()[0])
        used = measure.cpu_seconds(stack.pid("auth")) - before
        runs.append((ok / measure.SECONDS, ok / used))
    return [statistics.median(column) for column in zip(*runs)]


def reads(stack, token):
    """The p99 in milliseconds of 200 reads per second: at a fixed rate, since clients
    that wait for each other would hide what is slow."""
    command = ["hey", "-z", f"{measure.SECONDS}s", "-c", "2", "-q", "100", "-H",
               f"Authorization: Bearer {token}", f"http://{stack.address()}{PATH}"]
    text = subprocess.run(command, text=True, capture_output=True, check=True).stdout
    if set(re.findall(r"\[(\d+)\]\s+\d+ responses", text)) != {"200"}:
        raise RuntimeError("a run with failed requests counts for nothing:\n" + text)
    return float(re.search(r"99% in ([\d.]+) secs", text).group(1)) * 1000


def run(stack):
    admin = stack.admin_token()
    password = "bench-plover-quartz-61"
    for i in range(USERS):
        stack.call("POST", "/api/v1/users", {"username": f"bench{i}", "password": password,
                                             "email": f"bench{i}@example.com"}, admin)
    per_second, per_cpu_second = logins(stack, password)
    login = {"username": "bench0", "password": password}
    token = stack.call("POST", "/api/v1/auth/login", login)["access_token"]
    calm, stormy, refused = [], [], 0
    for _ in range(measure.PAIRS):
        calm.append(reads(stack, token))
        attack = storm(stack, 64, measure.SECONDS + 2, password)
        stormy.append(reads(stack, token))
        refused += counts(attack.communicate()[0])[1]
    calm_ms, storm_ms = statistics.median(calm), statistics.median(stormy)
    allowed = max(3 * calm_ms, calm_ms + 2)
    text = ("| | |\n|---|---|\n"
            f"| logins/s, 4 connections | {per_second:.1f} |\n"
            f"| logins per CPU-second of auth | {per_cpu_second:.1f} |\n"
            f"| p99 of reads, calm, ms | {calm_ms:.2f} |\n"
            f"| p99 of reads under 64 connections of logins, ms | {storm_ms:.2f} |\n"
            f"| allowed, ms | {allowed:.2f} |\n"
            f"| logins refused as OVERLOADED during the storms | {refused} |")
    method = ("argon2id, 19 MiB, t = 2, on niced threads (half of the cores) with a bounded queue. "
              f"Reads are GET {PATH} with a signed token, 200 per second on 2 connections (hey).")
    return ("Logins", method, text,
            [("logins per second and core", "≥ 80", per_cpu_second),
             ("p99 of reads under a login storm ÷ allowed", "≤ 1", storm_ms / allowed)])
