"""Runs the benchmarks against their peers and writes report.md. Usage: run.py [PART...]

Parts: hello proxy me logins tokens parser money processes build (default: all). BENCH_SECONDS (6)
and BENCH_PAIRS (5) set the length of the runs. Peers come from Debian and npm (bench/peers).
"""

import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys

import build
import edge_hello
import head_parser
import logins
import me
import measure
import money
import processes
import proxy
import tokens
from stack import ROOT, Stack

PARTS = {"hello": edge_hello.run, "proxy": proxy.run, "me": me.run, "logins": logins.run,
         "tokens": tokens.run, "parser": head_parser.run, "money": money.run,
         "processes": processes.run, "build": build.run}
PEERS = pathlib.Path(__file__).parent / "peers"


def output(*command):
    done = subprocess.run(command, text=True, capture_output=True, check=False, cwd=ROOT)
    return (done.stdout or done.stderr).strip().splitlines()[0]


def versions():
    node = {name: (PEERS / "node_modules" / name / "package.json") for name in
            ("fastify", "@fastify/jwt", "@grpc/grpc-js", "pg")}
    listed = {"commit": output("git", "describe", "--always", "--dirty"),
              "machine": f"{os.cpu_count()} cores, Linux {platform.release()}",
              "g++": output("g++", "-dumpfullversion"),
              "nginx": output("nginx", "-v").split("/")[-1],
              "haproxy": output("haproxy", "-v").split()[2],
              "node": output(me.node_binary(), "--version"),
              "PostgreSQL": output("psql", "--version").split()[2]}
    for name, path in node.items():
        if path.exists():
            listed[name] = json.loads(path.read_text())["version"]
    return ", ".join(f"{name} {version}" for name, version in listed.items())


def main():
    wanted = sys.argv[1:] or list(PARTS)
    subprocess.run([ROOT / "tools/npm.sh", PEERS], check=True)
    sections, goals = [], []
    with Stack() as stack:
        for name in wanted:
            title, method, text, reached = PARTS[name](stack)
            print(f"{title}\n{text}\n", flush=True)
            sections.append(f"## {title}\n\n{method}\n\n{text}\n")
            goals += reached
    summary = ["| goal | asked | measured |", "|---|---|---|"]
    summary += [f"| {what} | {asked} | {value:.2f} |" for what, asked, value in goals]
    report = (f"# Benchmarks\n\nWritten by `make bench` on {datetime.date.today()}: medians of "
              f"{measure.PAIRS} interleaved runs of {measure.SECONDS} s; ratios are medians of the "
              "pairs' ratios. All of one run share the machine with the load generator.\n\n"
              f"{versions()}\n\n"
              + "\n".join(summary) + "\n\n" + "\n".join(sections))
    (ROOT / "bench/report.md").write_text(report)
    print("\n".join(summary))


if __name__ == "__main__":
    main()
