"""What a token check costs the edge, by google-benchmark."""

import json
import subprocess

from stack import ROOT

GOALS = {"BM_VerifiedTokenCacheHit": ("cache hit of a verified token, µs", "≤ 1"),
         "BM_EdDsaMiss": ("EdDSA check on a miss, µs", "≤ 60"),
         "BM_ApiTokenCheck": ("API token after the first check, µs", "≤ 2"),
         "BM_ApiTokenGarbage": ("garbage, µs", "reported")}


def run(_):
    command = [str(ROOT / "build/bench/token_bench"), "--benchmark_format=json",
               "--benchmark_repetitions=5", "--benchmark_report_aggregates_only=true"]
    done = subprocess.run(command, text=True, capture_output=True, check=True)
    medians = {row["run_name"]: row["cpu_time"] / 1000
               for row in json.loads(done.stdout)["benchmarks"]
               if row["aggregate_name"] == "median"}
    lines = ["| | CPU µs |", "|---|---|"]
    lines += [f"| {GOALS.get(name, (name, ''))[0]} | {value:.3f} |"
              for name, value in medians.items()]
    method = "libs/token alone, one thread, medians of 5 repetitions (google-benchmark)."
    return ("Token checks", method, "\n".join(lines),
            [(*GOALS[name], value) for name, value in medians.items() if name in GOALS])
