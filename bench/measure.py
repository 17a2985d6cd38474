"""What every benchmark needs: processes with their CPU, load by wrk, medians.

CPU is what the kernel's scheduler counted for all threads (schedstat), not samples.
"""

import os
import pathlib
import re
import socket
import statistics
import subprocess
import time

CONNECTIONS = 64
SECONDS = int(os.environ.get("BENCH_SECONDS", "6"))
PAIRS = int(os.environ.get("BENCH_PAIRS", "5"))


def cpu_seconds(pid):
    """CPU time of a process and its children (nginx's workers), in seconds."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            total += int(task.read_text().split()[0])
        except OSError:
            pass
    return total / 1e9 + sum(cpu_seconds(child) for child in children(pid))


def children(pid):
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in task.read_text().split()]
        except OSError:
            pass
    return found


def pss_mib(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+) kB", text, re.M).group(1)) / 1024


def free_port():
    """A port that was free a moment ago, for peers that cannot choose one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_port(port, process, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on {port}")


def milliseconds(text):
    """wrk's "850.00us", "3.96ms" or "1.02s"."""
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def load(url, pids, headers=(), seconds=SECONDS, connections=CONNECTIONS, script=None, env=None):
    """One run of wrk: requests per second, latencies, and requests per CPU-second of `pids`.

    `script`: a Lua file beside this one, with `env` in its environment."""
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--latency"]
    if script:
        command += ["-s", str(pathlib.Path(__file__).parent / script)]
    for header in headers:
        command += ["-H", header]
    before = sum(cpu_seconds(pid) for pid in pids)
    text = subprocess.run([*command, url], text=True, capture_output=True, check=True,
                          env=os.environ | (env or {})).stdout
    used = sum(cpu_seconds(pid) for pid in pids) - before
    requests = int(re.search(r"(\d+) requests in", text).group(1))
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    if bad or "Socket errors" in text:
        raise RuntimeError("a run with failed requests counts for nothing:\n" + text)
    return {"rps": float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)),
            "p99_ms": milliseconds(re.search(r"^ +99% +(\S+)", text, re.M).group(1)),
            "per_cpu_second": requests / used, "cpu_us": used / requests * 1e6}


def pairs(ours, peers, **options):
    """Interleaved runs: ours, then each peer, PAIRS times. Medians per name."""
    runs = {name: [] for name in [ours[0], *[p[0] for p in peers]]}
    for _ in range(PAIRS):
        for name, url, pids, headers in [ours, *peers]:
            runs[name].append(load(url, pids, headers, **options))
    ratios = {p[0]: statistics.median(a["per_cpu_second"] / b["per_cpu_second"]
                                      for a, b in zip(runs[ours[0]], runs[p[0]])) for p in peers}
    keys = ("rps", "per_cpu_second", "cpu_us", "p99_ms")
    medians = {name: {key: statistics.median(run[key] for run in list_) for key in keys}
               for name, list_ in runs.items()}
    return medians, ratios


def table(medians, ratios):
    lines = ["| | requests/s | requests per CPU-second | CPU µs/request | p99, ms | ours ÷ this |",
             "|---|---|---|---|---|---|"]
    for name, m in medians.items():
        ratio = f"{ratios[name]:.2f}" if name in ratios else "1"
        lines.append(f"| {name} | {m['rps']:,.0f} | {m['per_cpu_second']:,.0f} | "
                     f"{m['cpu_us']:.1f} | {m['p99_ms']:.2f} | {ratio} |")
    return "\n".join(lines)
