"""How long a cold build takes, and an edit of one handler to running tests."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]


def timed(*command, **options):
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **options)
    return time.monotonic() - began


def run(_stack):
    with tempfile.TemporaryDirectory(prefix="bench-build-") as directory:
        tree = pathlib.Path(directory) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(
            "build", "build-*", "var", ".git", "node_modules", ".env"))
        env = os.environ | {"CCACHE_DIR": f"{directory}/ccache"}
        jobs = str(os.cpu_count())
        build = ["tools/build.sh", "build", "default", jobs]
        cold = timed(*build, cwd=tree, env=env)
        handler = tree / "services/invitations/invitation_service.cc"
        # Code, not a comment: ccache would see through that.
        handler.write_text(handler.read_text() + "\nint EditedByBench() { return 1; }\n")
        edit = timed(*build, "invitations_test", "invitations", cwd=tree, env=env)
        edit += timed(tree / "build/services/invitations/invitations_test", cwd=tree, env=env)
    method = (f"{jobs} cores; cold means an empty build directory and an empty ccache. The edit "
              "changes the handlers of invitations, then builds and runs that service's tests.")
    rows = f"| cold build | {cold:.0f} |\n| edit to tested | {edit:.1f} |"
    return ("Build", method, "| | seconds |\n|---|---|\n" + rows,
            [("cold build, minutes", "≤ 8", cold / 60), ("edit to tests run, s", "≤ 20", edit)])
