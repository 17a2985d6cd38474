#!/usr/bin/env python3
"""Checks what a compiler does not: sizes, include directions, banned words, money
without floating point, headers that say what they are. Runs as a CTest.

Prints one line per finding and exits 1 if there is any. `--self-test` proves that
each rule can fail.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
LINE_MAX = 100
FUNCTION_MAX = 60
FILE_MAX = {".cc": 400, ".h": 200, "_test.cc": 500, "main.cc": 40, ".proto": 400, ".py": 400}

# A library may include itself and what stands before it, plus what it names here.
LIBRARY_ORDER = ["base", "status", "config", "log", "metrics", "trace", "exec", "mail", "pg",
                 "redis", "token", "rpc", "http", "service"]
SERVICES = ["gateway", "auth", "invitations", "billing", "jobs", "orchestrator_monitor"]

BANNED_WORDS = [
    (r"\b(FIXME|XXX|HACK)\b", "unfinished work"),
    (r"\bTODO\b(?!\(#\d+\))", "TODO without an issue: TODO(#12)"),
    (r"\b(class|struct|namespace)\s+\w*(Manager|Helper|Utils?|Impl_|Facade)\b", "a vague noun"),
    (r"\bFetchContent\b|\bExternalProject_Add\b", "vendored code"),
    (r"(?<![\w.>:])(strcpy|sprintf|atoi|gets)\(", "an unsafe function"),
    (r"\busing namespace std\b", "using namespace std"),
    (r"EXPECT_TRUE\(true\)|GTEST_SKIP|\bDISABLED_\w+", "a test that cannot fail"),
]
ABSOLUTE_PATH = re.compile(r"(?<![\w.:/$}-])/(home|root|work|Users)/\w")
REGISTRY_HOST = re.compile(r"registry\.npmjs|deb\.debian\.org|npmmirror|artifactory", re.I)
FLOAT = re.compile(r"\b(float|double|stof|stod|stold|atof|strtof|strtod|strtold|SimpleAto[df]|"
                   r"as_double|is_double|lround|llround|lrint|llrint)\b")
MONEY_FILES = ("services/billing/", "services/gateway/cents.")
NOT_MONEY = re.compile(r"//.*\bnot money\b")
MONEY = re.compile(r"nanos|cents|dollars|money|price", re.I)
HEADER_BANNED_INCLUDE = re.compile(r'#include [<"](grpcpp/|grpc/|boost/json|nlohmann/)')
TEXT_SUFFIXES = {".cc", ".h", ".proto", ".py", ".sh", ".sql", ".md", ".yaml", ".yml", ".json",
                 ".txt", ".cmake", ".js", ".mjs", ".conf", ".html"}


def tracked_files():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True,
                            capture_output=True, check=True).stdout.split("\n")
    for name in listed:
        path = ROOT / name
        if name and path.is_file() and (path.suffix in TEXT_SUFFIXES or path.name in
                                        ("CMakeLists.txt", "Makefile", "Dockerfile", "run")):
            yield name


def size_limit(name):
    for ending in ("main.cc", "_test.cc", ".cc", ".h", ".proto", ".py"):
        if name.endswith(ending):
            return FILE_MAX[ending]
    return None


def check_sizes(name, lines):
    limit = size_limit(name)
    if limit and len(lines) > limit:
        yield len(lines), f"{len(lines)} lines; the limit is {limit}: find the missing noun"
    if name.endswith((".cc", ".h", ".proto", ".py", ".sh", ".sql")):
        for number, line in enumerate(lines, 1):
            if len(line) > LINE_MAX and "http" not in line:
                yield number, f"{len(line)} columns; the limit is {LINE_MAX}"


def check_functions(name, lines):
    """A function begins at a line in column 0–2 that ends in `{` after a `)`; it
    ends at the `}` in the same column. Good enough for formatted code."""
    if not name.endswith((".cc", ".h")):
        return
    for start, line in enumerate(lines):
        found = re.match(r"^( {0,2})[A-Za-z~].*\)[^;]*\{$", line)
        if not found or re.match(r"\s*(if|for|while|switch|namespace|class|struct|enum|TEST)",
                                 line):
            continue
        indent = found.group(1)
        for end in range(start + 1, len(lines)):
            if lines[end].startswith(indent + "}"):
                if end - start > FUNCTION_MAX:
                    yield start + 1, f"{end - start} lines of function; the limit is {FUNCTION_MAX}"
                break


def check_includes(name, lines):
    if not name.endswith((".cc", ".h")):
        return
    parts = name.split("/")
    for number, line in enumerate(lines, 1):
        if name.endswith(".h") and HEADER_BANNED_INCLUDE.search(line):
            yield number, "gRPC and JSON headers stay out of headers"
        if "pistache/" in line and line.startswith("#include") and \
                not name.startswith("libs/http/reactor."):
            yield number, "only libs/http/reactor.* includes Pistache"
        included = re.match(r'#include "(libs|services|tests)/(\w+)/', line)
        if not included:
            continue
        kind, unit = included.groups()
        if parts[0] == "libs":
            if kind != "libs":
                yield number, "libs/ includes only libs/"
            elif unit != parts[1] and not name.endswith("_test.cc") and \
                    LIBRARY_ORDER.index(unit) > LIBRARY_ORDER.index(parts[1]):
                yield number, f"libs/{parts[1]} stands below libs/{unit}"
        if parts[0] == "services" and kind == "services" and unit != parts[1]:
            yield number, "a service never includes another service"
        if parts[0] != "tests" and kind == "tests":
            yield number, "only tests/ includes tests/"


def check_words(name, lines):
    if name.startswith("tools/tidy.py"):
        return
    for number, line in enumerate(lines, 1):
        for pattern, what in BANNED_WORDS:
            if re.search(pattern, line):
                yield number, what
        if ABSOLUTE_PATH.search(line):
            yield number, "an absolute path of some machine"
        if REGISTRY_HOST.search(line):
            yield number, "a registry's host name"


def check_money(name, lines):
    """No floating point in billing and where cents are made of nanos, nor on any line that
    speaks of money. A line with the comment `// … not money` may: a metric, a time."""
    if not name.endswith((".cc", ".h", ".proto", ".sql")):
        return
    for number, line in enumerate(lines, 1):
        code = line.split("//")[0].split("-- ")[0]
        if NOT_MONEY.search(line) or not FLOAT.search(code):
            continue
        if name.startswith(MONEY_FILES) or MONEY.search(code):
            yield number, "floating point near money"


def check_header_comment(name, lines):
    if not name.endswith(".h"):
        return
    if not lines or not lines[0].startswith("// "):
        yield 1, "a header opens with what it is, and what it is not"
    elif "#pragma once" not in lines[:16]:
        yield 1, "no #pragma once below a short opening comment"


CHECKS = [check_sizes, check_functions, check_includes, check_words, check_money,
          check_header_comment]


def check(name, lines):
    return [f"{name}:{number}: {text}" for rule in CHECKS for number, text in rule(name, lines)]


def self_test():
    long_function = ["void F() {"] + ["  G();"] * 61 + ["}"]
    bad = [
        ("libs/base/a.h", ["#pragma once"]),
        ("libs/base/a.cc", ["x" * 101]),
        ("libs/base/a.cc", ["int x;"] * 401),
        ("libs/base/a.cc", long_function),
        ("libs/base/a.cc", ['#include "libs/pg/database.h"']),
        ("libs/pg/a.cc", ['#include "services/auth/user.h"']),
        ("services/jobs/a.cc", ['#include "services/billing/hold.h"']),
        ("services/jobs/a.h", ["// A.", "#pragma once", "#include <grpcpp/grpcpp.h>"]),
        ("services/jobs/a.cc", ["#include <pistache/http.h>"]),
        ("services/jobs/a.cc", ["// TODO: later"]),
        ("services/jobs/a.cc", ["class JobManager {};"]),
        ("services/jobs/a.cc", ["double price = 1;"]),
        ("services/billing/a.cc", ["float x;"]),
        ("services/billing/a.cc", ["return std::stod(text);"]),
        ("services/billing/a_test.cc", ["absl::SimpleAtod(text, &x);"]),
        ("services/billing/migrations/0001_a.sql", ["  x double precision,"]),
        ("services/gateway/cents.cc", ["return static_cast<double>(x);"]),
        ("docs/a.md", ["see /home/someone/file"]),
        ("tests/a_test.cc", ["EXPECT_TRUE(true);"]),
    ]
    missed = [name for name, lines in bad if not check(name, lines)]
    clean = check("libs/base/a.h", ["// A thing; not another.", "#pragma once"])
    clean += check("services/billing/a.cc", ["Observe(double seconds);  // A metric, not money."])
    for text in missed + clean:
        print("self-test failed:", text)
    return 1 if missed or clean else 0


def main():
    if "--self-test" in sys.argv:
        return self_test()
    findings = []
    for name in tracked_files():
        findings += check(name, (ROOT / name).read_text(errors="replace").splitlines())
    print("\n".join(findings) or "tidy: nothing found")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
