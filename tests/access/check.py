#!/usr/bin/env python3
"""Fails the build when a route or an RPC has no row in the access matrix.

Usage: check.py GATEWAY PROTO_FOLDER STAMP. The routes are those that the program
prints, the RPCs those of the protos; rows are in routes.tsv and rpcs.tsv.
"""

import pathlib
import re
import subprocess
import sys

FOLDER = pathlib.Path(__file__).parent


def rows(name, key_columns):
    keys = []
    for line in (FOLDER / name).read_text().splitlines():
        if line and not line.startswith("#"):
            keys.append(" ".join(line.split("\t")[:key_columns]).strip())
    return keys


def routes(gateway):
    printed = subprocess.run([gateway, "routes"], text=True, capture_output=True, check=True)
    return [" ".join(line.split()[:2]) for line in printed.stdout.splitlines()[1:]]


def rpcs(folder):
    for path in sorted(pathlib.Path(folder).glob("gatehouse/*/v1/*.proto")):
        text = path.read_text()
        package = re.search(r"^package ([\w.]+);", text, re.M).group(1)
        for service, body in re.findall(r"^service (\w+) \{(.*?)^\}", text, re.M | re.S):
            for method in re.findall(r"^  rpc (\w+)\(", body, re.M):
                yield f"{package}.{service}/{method}"


def compare(what, present, lines, name_words):
    """A line begins with the name; an RPC's process follows it: a row for each."""
    listed = [" ".join(line.split()[:name_words]) for line in lines]
    problems = [f"{what} without a row: {name}" for name in present if name not in listed]
    problems += [f"row without a {what}: {name}" for name in listed if name not in present]
    problems += [f"two rows of one {what}: {line}" for line in set(lines)
                 if lines.count(line) > 1]
    return problems


def main():
    gateway, protos, stamp = sys.argv[1:]
    problems = compare("route", routes(gateway), rows("routes.tsv", 2), 2)
    problems += compare("RPC", list(rpcs(protos)), rows("rpcs.tsv", 2), 1)
    for problem in problems:
        print(f"tests/access: {problem}", file=sys.stderr)
    if problems:
        return 1
    pathlib.Path(stamp).touch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
