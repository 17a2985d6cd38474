"""What parsing the head of a request costs: Beast's parser and a hand-written one."""

import subprocess

from stack import ROOT


def run(_stack):
    text = subprocess.run([str(ROOT / "build/bench/http_parser_bench")], text=True,
                          capture_output=True, check=True).stdout
    costs = [line.split() for line in text.splitlines() if line.startswith(("GET", "POST"))]
    extra = max(float(words[-2]) - float(words[-3]) for words in costs)
    return ("Head parser", "Nanoseconds per request, the edge's strictness rules included on both "
            "sides; the decision is in docs/adr.", f"```\n{text.strip()}\n```",
            [("Beast above a parser of our own, µs per request", "reported", extra / 1000)])
