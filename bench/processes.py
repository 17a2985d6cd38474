"""What each process costs at rest, and how soon it is ready."""

import time

import measure


def run(stack):
    names = ["gateway", "auth", "invitations", "billing", "jobs", "orchestrator_monitor"]
    time.sleep(2)  # at rest
    pss = {name: measure.pss_mib(stack.pid(name)) for name in names}
    ready = {}
    for name in names:
        stack.verb("stop", name)
        began = time.monotonic()
        stack.verb("start", name)
        ready[name] = time.monotonic() - began
    lines = ["| process | Pss at rest, MiB | start to ready, s |", "|---|---|---|"]
    lines += [f"| {name} | {pss[name]:.1f} | {ready[name]:.2f} |" for name in names]
    method = ("Pss after two idle seconds with all six running; the time to ready includes the "
              "start of the Python verb.")
    return ("Processes", method, "\n".join(lines),
            [("largest Pss, MiB", "≤ 40", max(pss.values())),
             ("slowest ready, s", "≤ 1", max(ready.values()))])
