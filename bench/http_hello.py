"""libs/http alone (bench/http_hello.cc) against nginx's `return 200`: what the edge
can reach at best. Usage: http_hello.py PROGRAM [WORKERS]
"""

import pathlib
import subprocess
import sys
import tempfile

import edge_hello
import measure

BODY = '{"name":"gatehouse","version":"0.1.0"}'


def main():
    program = sys.argv[1]
    workers = sys.argv[2] if len(sys.argv) > 2 else "2"
    port = measure.free_port()
    with tempfile.TemporaryDirectory(prefix="bench-nginx-") as directory:
        pathlib.Path(directory).chmod(0o755)
        conf = pathlib.Path(directory) / "nginx.conf"
        text = edge_hello.NGINX_CONF.format(dir=directory, port=port, body=BODY)
        conf.write_text(text.replace("worker_processes 2", f"worker_processes {workers}"))
        nginx = subprocess.Popen(["nginx", "-c", str(conf), "-e", f"{directory}/error.log"])
        ours = subprocess.Popen([program, "127.0.0.1:0", workers], text=True,
                                stdout=subprocess.PIPE)
        try:
            address = ours.stdout.readline().strip()
            measure.await_port(port, nginx)
            medians, ratios = measure.pairs(
                ("libs/http hello", f"http://{address}/", [ours.pid], ()),
                [("nginx `return 200`", f"http://127.0.0.1:{port}/", [nginx.pid], ())])
        finally:
            ours.terminate()
            nginx.terminate()
            nginx.wait()
        if ours.wait() != 0:
            raise RuntimeError(f"the server ended with {ours.returncode}")
    print(measure.table(medians, ratios))


if __name__ == "__main__":
    main()
