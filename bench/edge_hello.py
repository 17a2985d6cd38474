"""The edge answering a fixed route, against nginx's `return 200`."""

import pathlib
import subprocess
import tempfile

import measure

NGINX_CONF = """
daemon off; worker_processes 2; pid {dir}/pid; error_log {dir}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 100000000; client_body_temp_path {dir}; proxy_temp_path {dir};
  fastcgi_temp_path {dir}; uwsgi_temp_path {dir}; scgi_temp_path {dir};
  server {{ listen 127.0.0.1:{port} reuseport; default_type application/json;
    location / {{ return 200 '{body}'; }} }}
}}
"""


def run(stack):
    body = '{"name":"gatehouse","version":"0.1.0"}'
    port = measure.free_port()
    with tempfile.TemporaryDirectory(prefix="bench-nginx-") as directory:
        pathlib.Path(directory).chmod(0o755)
        conf = pathlib.Path(directory) / "nginx.conf"
        conf.write_text(NGINX_CONF.format(dir=directory, port=port, body=body))
        nginx = subprocess.Popen(["nginx", "-c", str(conf), "-e", f"{directory}/error.log"])
        try:
            measure.await_port(port, nginx)
            medians, ratios = measure.pairs(
                ("gatehouse gateway, GET /", f"http://{stack.address()}/",
                 [stack.pid("gateway")], ()),
                [("nginx `return 200`", f"http://127.0.0.1:{port}/", [nginx.pid], ())])
        finally:
            nginx.terminate()
            nginx.wait()
    ratio = ratios["nginx `return 200`"]
    return ("Edge hello",
            "Both with two workers, access log off, 64 keep-alive connections, the same body. The "
            "gateway's answer passes its router, request id, metrics and security headers.",
            measure.table(medians, ratios),
            [("edge hello ÷ nginx, per CPU-second", "≥ 0.9", ratio)])
