"""Money operations of billing over gRPC, against pgbench on the same PostgreSQL server.

On its own, with a stack of its own, and without writing the report:
    ninja -C build bench/money_bench programs
    python3 bench/money.py            all of it, as `make bench` does
    python3 bench/money.py hot        only our operations on one tenant (or: uniform)
BENCH_SECONDS and BENCH_PAIRS as everywhere; MONEY_CLIENTS (64) at once, on both sides;
GATEHOUSE_BIN names other programs to measure.
"""

import json
import os
import pathlib
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

import measure
from stack import ROOT, Stack

CLIENTS = int(os.environ.get("MONEY_CLIENTS", "64"))
TENANTS = {"hot": 1, "uniform": 10_000}
BENCH = str(ROOT / "build/bench/money_bench")
PEER = "money_peer"  # A database of its own.
TABLES = """
CREATE TABLE acct (id int PRIMARY KEY, posted bigint NOT NULL, held bigint NOT NULL DEFAULT 0);
CREATE TABLE entry (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, debit int NOT NULL,
  credit int NOT NULL, amount bigint NOT NULL, create_time timestamptz NOT NULL DEFAULT now());
INSERT INTO acct (id, posted) SELECT n, 1000000000000 FROM generate_series(0, 10000) n;
VACUUM ANALYZE acct;
"""
# The three statements of a transfer, without a row for revenue that all tenants would share.
TRANSFER = """
BEGIN;
UPDATE acct SET posted = posted - 7 WHERE id = :a AND posted - held >= 7;
INSERT INTO entry (debit, credit, amount) VALUES (:a, 0, 7);
UPDATE acct SET held = held + 1 WHERE id = :a;
COMMIT;
"""
ONE_STATEMENT = """
WITH u AS (UPDATE acct SET posted = posted - 7, held = held + 1
  WHERE id = :a AND posted - held >= 7 RETURNING id)
INSERT INTO entry (debit, credit, amount) SELECT id, 0, 7 FROM u;
"""
SHARED_REVENUE = TRANSFER.replace("held = held + 1 WHERE id = :a",
                                  "posted = posted + 7 WHERE id = 0")
RANDOM, CONSTANT = "\\set a random(1, 10000)", "\\set a 5"
SCRIPTS = {"hot": CONSTANT + TRANSFER, "uniform": RANDOM + TRANSFER,
           "hot, one statement": CONSTANT + ONE_STATEMENT,
           "uniform, one statement": RANDOM + ONE_STATEMENT,
           "uniform, one row for revenue": RANDOM + SHARED_REVENUE}
# On one row few clients do better than many: the goals are against the best of these.
PEERS = {name: (name, CLIENTS) for name in SCRIPTS} | {
    f"hot, {few} clients": ("hot", few) for few in (4, 16, 64) if few != CLIENTS}
HOT = ["hot"] + [name for name in PEERS if name.endswith(" clients")]


def libpq(url, database=None):
    """A URL as libpq's variables: an argument would stand in a process list."""
    parts = urllib.parse.urlsplit(url)
    return os.environ | {"PGHOST": urllib.parse.unquote(parts.netloc.rsplit("@", 1)[-1]),
                         "PGUSER": parts.username, "PGDATABASE": database or parts.path[1:],
                         "PGPASSWORD": urllib.parse.unquote(parts.password)}


def psql(env, sql):
    done = subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1"], input=sql, text=True,
                          capture_output=True, check=False, env=env)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return done.stdout.strip()


class Server:
    """The stack's PostgreSQL server, as billing and as its superuser see it."""

    def __init__(self, stack):
        place = json.loads((stack.state / "postgres.json").read_text())
        data = pathlib.Path(place["data"])
        self.pid = int((data / "postmaster.pid").read_text().split()[0])
        secret = (stack.state / "secrets/postgres-password").read_text().strip()
        host = urllib.parse.quote(place["socket"], safe="")
        url = f"postgresql://postgres:{urllib.parse.quote(secret)}@{host}/postgres"
        self.admin, self.peer = libpq(url), libpq(url, PEER)
        self.billing = libpq(stack.database_url("billing"))
        self.check_durable()
        psql(self.admin, f"DROP DATABASE IF EXISTS {PEER}")
        psql(self.admin, f"CREATE DATABASE {PEER}")
        psql(self.peer, TABLES)

    def check_durable(self):
        """Both sides must wait for the disk; also by the settings of roles and databases."""
        for env in (self.admin, self.billing):
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                value = psql(env, f"SHOW {setting}")
                if value != "on":
                    raise RuntimeError(f"{setting} is {value}: what may be lost is not measured")
        self.settings = "fsync, synchronous_commit, full_page_writes: on; shared_buffers " + \
            psql(self.admin, "SHOW shared_buffers")

    def cpu(self):
        """Of the server with its sessions, those that have ended too. None may be ending."""
        while psql(self.admin, "SELECT 1 FROM pg_stat_activity WHERE datname = "
                   f"'{PEER}' AND backend_type = 'client backend' LIMIT 1"):
            time.sleep(0.05)
        ended = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()[13:15]
        return measure.cpu_seconds(self.pid) + sum(map(int, ended)) / os.sysconf("SC_CLK_TCK")

    def settle(self):
        """Both sides begin without a debt of writes that the other one made."""
        psql(self.admin, "CHECKPOINT")


def money_bench(stack, *words):
    done = subprocess.run([BENCH, stack.record("billing")["addresses"]["grpc"],
                           str(stack.state / "secrets"), *map(str, words)], text=True,
                          capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError("operations failed: " + done.stderr + done.stdout)
    return json.loads(done.stdout) if done.stdout else None


def ours(stack, server, mode, rate=0):
    """One run of ours; `rate` operations per second, or as many as there can be."""
    server.settle()
    before = measure.cpu_seconds(stack.pid("billing")), server.cpu()
    run = money_bench(stack, "load", TENANTS[mode], CLIENTS, rate, measure.SECONDS)
    after = measure.cpu_seconds(stack.pid("billing")), server.cpu()
    micros = 1e6 / run["all_operations"]
    return {"rate": run["operations"] / run["seconds"], "p50": run["reserve_p50_ms"],
            "p99": run["reserve_p99_ms"], "service_us": (after[0] - before[0]) * micros,
            "postgres_us": (after[1] - before[1]) * micros,
            "client_us": run["cpu_seconds"] * micros}


def peer(server, name, rate=0):
    """One run of pgbench; see PEERS."""
    script, clients = PEERS[name]
    server.settle()
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "script.sql"
        path.write_text(SCRIPTS[script])
        command = ["pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", "2",
                   "-T", str(measure.SECONDS), "-f", str(path), "--log",
                   f"--log-prefix={folder}/times"]
        if rate:
            command += ["-R", f"{rate:.0f}"]
        used, postgres = resource.getrusage(resource.RUSAGE_CHILDREN), server.cpu()
        done = subprocess.run(command, text=True, capture_output=True, check=True, env=server.peer)
        postgres = server.cpu() - postgres
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        times = sorted(int(line.split()[2]) for log in pathlib.Path(folder).glob("times.*")
                       for line in log.read_text().splitlines())
    micros = 1e6 / len(times)
    return {"rate": float(re.search(r"tps = ([\d.]+)", done.stdout).group(1)),
            "p50": times[len(times) // 2] / 1000, "p99": times[int(len(times) * 0.99)] / 1000,
            "service_us": 0, "postgres_us": postgres * micros,
            "client_us": (now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime) * micros}


def verify(stack):
    """Every answered operation must be in books that add up."""
    env = {"PATH": os.environ["PATH"], "ENV_FILE": str(stack.state / ".env"),
           "DATABASE_URL_FILE": str(stack.state / "secrets/billing.database-url")}
    program = pathlib.Path(os.environ.get("GATEHOUSE_BIN", ROOT / "build/bin")) / "billing"
    done = subprocess.run([str(program), "verify-ledger"], text=True, capture_output=True,
                          check=False, env=env)
    if done.returncode != 0:
        raise RuntimeError("the books are wrong after the runs:\n" + done.stdout + done.stderr)
    return done.stdout.strip().splitlines()[-1]


def median_of(runs):
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def at_full_load(stack, server):
    """Interleaved runs of both sides; medians per name, ratios per mode."""
    runs = {}
    for _ in range(measure.PAIRS):
        for mode in TENANTS:
            runs.setdefault(f"gatehouse, {mode}", []).append(ours(stack, server, mode))
            for name in [n for n in PEERS if n.startswith(mode)]:
                runs.setdefault(f"pgbench, {name}", []).append(peer(server, name))
    ratios = {name: statistics.median(a["rate"] / b["rate"] for a, b in zip(
        runs["gatehouse, " + name.split(", ")[1]], list_))
        for name, list_ in runs.items() if name.startswith("pgbench")}
    return {name: median_of(list_) for name, list_ in runs.items()}, ratios


def fastest(full, names):
    return max(names, key=lambda name: full[f"pgbench, {name}"]["rate"])


def at_80_percent(stack, server, full, best):
    """Open loop on both sides: each at 80 % of what it reached itself; `best` by modes."""
    runs = {}
    for _ in range(measure.PAIRS):
        for mode in TENANTS:
            name = f"gatehouse, {mode}, 80 %"
            rate = 0.8 * full[f"gatehouse, {mode}"]["rate"]
            runs.setdefault(name, []).append(ours(stack, server, mode, rate))
            name = f"pgbench, {best[mode]}, 80 %"
            rate = 0.8 * full[f"pgbench, {best[mode]}"]["rate"]
            runs.setdefault(name, []).append(peer(server, best[mode], rate))
    medians = {name: median_of(list_) for name, list_ in runs.items()}
    ratios = {mode: statistics.median(a["p99"] / b["p99"] for a, b in zip(
        runs[f"gatehouse, {mode}, 80 %"], runs[f"pgbench, {best[mode]}, 80 %"]))
        for mode in TENANTS}
    return medians, ratios


def table(rows, ratios):
    lines = ["| | operations or transfers/s | ours ÷ this | p50, ms | p99, ms | CPU µs each: "
             "service | PostgreSQL | client |", "|---|---|---|---|---|---|---|---|"]
    for name, row in rows.items():
        ratio = f"{ratios[name]:.2f}" if name in ratios else ""
        lines.append(f"| {name} | {row['rate']:,.0f} | {ratio} | {row['p50']:.2f} | "
                     f"{row['p99']:.2f} | {row['service_us']:.0f} | {row['postgres_us']:.0f} | "
                     f"{row['client_us']:.0f} |")
    return "\n".join(lines)


METHOD = """\
An operation is one RPC with one durable answer: reserve, then capture for good (three of four) or
release. {clients} sessions at once over gRPC against {clients} clients of pgbench (prepared
statements, {threads}), on one PostgreSQL server ({settings}). `hot`: one tenant. `uniform`: 10,000
tenants at random. pgbench's naive transfer is one transaction of three statements: the tenant's
posted money, an entry, the tenant's held money; no row is shared by tenants, which favours it
(`one row for revenue` shows what that row costs it). `one statement` does the same work in one. On
one tenant's row few clients do better than many: pgbench is run with {hot_clients} of them, and
the goals for `hot` are against the number that reached most, {best}, at full load and at 80 %.
For ours p50 and p99 are those of Reserve. At 80 %, both sides are asked in an open loop, at random
moments and at 80 % of what each reached itself, and times count from the moment when the call was
due. A side that stays below the rate it was asked for waits for itself: then its p99 at full load
is the one to compare with. A checkpoint precedes each run. Afterwards: {verified}."""


def prepare(stack):
    server = Server(stack)
    money_bench(stack, "credit", max(TENANTS.values()))
    return server


def run(stack):
    server = prepare(stack)
    full, ratios = at_full_load(stack, server)
    best = {"hot": fastest(full, HOT), "uniform": "uniform"}
    calm, p99 = at_80_percent(stack, server, full, best)
    against_full = {mode: calm[f"gatehouse, {mode}, 80 %"]["p99"] /
                    full[f"pgbench, {best[mode]}"]["p99"] for mode in TENANTS}
    text = table(full | calm, ratios)
    counts = {name: PEERS[name][1] for name in HOT}
    method = METHOD.format(clients=CLIENTS, threads="two threads", settings=server.settings,
                           hot_clients=", ".join(map(str, sorted(counts.values()))),
                           best=counts[best["hot"]], verified=verify(stack)).replace("\n", " ")
    psql(server.admin, f"DROP DATABASE {PEER}")
    return ("Money operations", method, text,
            [(f"money on one hot tenant ÷ pgbench's best ({counts[best['hot']]} clients)", "≥ 4",
              ratios[f"pgbench, {best['hot']}"]),
             *((f"money on one hot tenant ÷ pgbench's transfers with {count} clients", "reported",
                ratios[f"pgbench, {name}"]) for name, count in counts.items()
               if name != best["hot"]),
             ("money on uniform tenants ÷ pgbench's transfers", "≥ 1.5",
              ratios["pgbench, uniform"]),
             ("money on uniform tenants ÷ transfers with one row for revenue", "≥ 1.5",
              ratios["pgbench, uniform, one row for revenue"]),
             ("reserve p99 at 80 % ÷ pgbench's at 80 %, uniform", "≤ 3", p99["uniform"]),
             ("reserve p99 at 80 % ÷ that of pgbench's best at 80 %, hot", "≤ 3", p99["hot"]),
             ("reserve p99 at 80 % ÷ pgbench's at full load, uniform", "reported",
              against_full["uniform"]),
             ("reserve p99 at 80 % ÷ that of pgbench's best at full load, hot", "reported",
              against_full["hot"])])


def main():
    wanted = sys.argv[1:]
    with Stack() as stack:
        if not wanted:
            _, method, text, goals = run(stack)
            print(method, text, *goals, sep="\n")
            return
        server = prepare(stack)
        print(server.settings)
        for mode in wanted:
            for _ in range(measure.PAIRS):
                began = time.monotonic()
                row = ours(stack, server, mode)
                print(mode, *(f"{key}={value:,.2f}" for key, value in row.items()),
                      f"({time.monotonic() - began:.1f} s)", flush=True)
        print(verify(stack))


if __name__ == "__main__":
    main()
