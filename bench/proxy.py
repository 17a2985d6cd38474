"""The edge as a reverse proxy, against nginx and haproxy before the same upstream.

One worker each; the upstream is haproxy answering from memory. Four lanes: plain; full
(signed token, role, limit, context headers, access log); full with every token new; and
latency at half load. And how soon a changed route is live.
"""

import base64
import json
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import tempfile
import time

import measure
from stack import ROOT, Stack

TOKENS = 120_000
ROUTES = 5_000
PATH = "/api/v1/admin/clients"

HAPROXY = """
global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout connect 2s
  timeout client 10s
  timeout server 10s
  option http-keep-alive
  http-reuse always
"""
ORIGIN = HAPROXY + """
frontend origin
  bind 127.0.0.1:{port}
  http-request return status 200 content-type application/json string "{body}"
"""
PLAIN = HAPROXY + """
backend o
  server s 127.0.0.1:{origin}
frontend plain
  bind 127.0.0.1:{port}
  default_backend o
"""
VERIFYING = HAPROXY + """
backend o
  server s 127.0.0.1:{origin}
backend st
  stick-table type string len 64 size 100k expire 60s store http_req_rate(1s)
frontend es
  bind 127.0.0.1:{port}
  http-request set-var(txn.alg) http_auth_bearer,jwt_header_query('$.alg')
  http-request deny deny_status 401 unless {{ var(txn.alg) -m str ES256 }}
  http-request deny deny_status 401 unless {{ http_auth_bearer,jwt_verify(txn.alg,"{key}") 1 }}
  http-request deny deny_status 403 unless {{ http_auth_bearer,jwt_payload_query('$.role') -m str admin }}
  http-request del-header x-user-id
  http-request set-header x-user-id %[http_auth_bearer,jwt_payload_query('$.sub')]
  http-request set-header x-user-role %[http_auth_bearer,jwt_payload_query('$.role')]
  http-request track-sc0 http_auth_bearer,jwt_payload_query('$.sub') table st
  http-request deny deny_status 429 if {{ sc_http_req_rate(0,st) gt 100000000 }}
  default_backend o
"""
NGINX = """
daemon off; worker_processes 1; pid {dir}/pid; error_log {dir}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 100000000; client_body_temp_path {dir}; proxy_temp_path {dir};
  fastcgi_temp_path {dir}; uwsgi_temp_path {dir}; scgi_temp_path {dir};
  upstream o {{ server 127.0.0.1:{origin}; keepalive 128; keepalive_requests 100000000; }}
  server {{ listen 127.0.0.1:{port} reuseport;
    location / {{ proxy_pass http://o; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}
}}
"""
CONFIG = """
upstreams:
  - name: origin
    urls: ["http://127.0.0.1:{origin}"]
limits:
  proxy: {{per_second: 1000000, burst: 1000000}}
access_log: {access_log}
routes:
  - {{method: GET, path: "/plain", audience: public, limit: none, upstream: origin}}
"""


class Peers:
    """Origin and peers, each one process, gone at the end."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="bench-proxy-")
        self.place = pathlib.Path(self.directory.name)
        self.place.chmod(0o755)
        self.processes = []
        body = '{\\"ok\\":true,\\"pad\\":\\"' + "0123456789" * 4 + '\\"}'
        self.origin = self.start("origin.cfg", ORIGIN, body=body)[0]

    def start(self, name, text, **values):
        port = measure.free_port()
        path = self.place / name
        path.write_text(text.format(port=port, dir=self.place, origin=getattr(self, "origin", 0),
                                    **values))
        command = (["nginx", "-c", str(path), "-e", f"{self.place}/error.log"]
                   if name.endswith(".conf") else ["haproxy", "-f", str(path), "-db", "-q"])
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        self.processes.append(process)
        measure.await_port(port, process)
        return port, process.pid

    def close(self):
        for process in self.processes:
            process.terminate()
            process.wait()
        self.directory.cleanup()


def es256_token(place):
    """A key pair and a token of it, by openssl: haproxy knows no Ed25519."""
    key, public = place / "es.pem", place / "es.pub.pem"
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key],
                   check=True)
    subprocess.run(["openssl", "ec", "-in", key, "-pubout", "-out", public], check=True,
                   stderr=subprocess.DEVNULL)
    public.chmod(0o644)

    def encode(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    claims = {"iss": "https://auth.local", "sub": "usr_01H", "aud": "api", "exp": 4102444800,
              "jti": "abc", "client_id": "tenant1", "role": "admin", "tier": "pro"}
    text = (encode(json.dumps({"alg": "ES256", "typ": "JWT"}).encode()) + "."
            + encode(json.dumps(claims).encode()))
    der = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=text.encode(),
                         capture_output=True, check=True).stdout
    r_size = der[3]
    r, s = der[4:4 + r_size], der[6 + r_size:]
    raw = b"".join(part[-32:].rjust(32, b"\0") for part in (r, s))
    return text + "." + encode(raw), public


def mint(stack, token, place):
    """Access tokens of the same session, none of which the gateway has seen."""
    payload = token.split(".")[1]
    claims = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    secret = next(line.split("=", 1)[1] for line in (stack.state / ".env").read_text().splitlines()
                  if line.startswith("SECRET_KEY="))
    path = place / "tokens"
    with path.open("wb") as file:
        subprocess.run([ROOT / "build/bench/mint_tokens", str(TOKENS)], input=claims, stdout=file,
                       check=True, env=os.environ | {"DATABASE_URL": stack.database_url("auth"),
                                                     "SECRET_KEY": secret})
    return path


def p99_at(url, rate, headers=()):
    """p99 in milliseconds at a fixed rate, by h2load's own record of each request."""
    with tempfile.NamedTemporaryFile(prefix="h2load-") as record:
        command = ["h2load", "--h1", "-c", "32", "-t", "1", "-D", str(measure.SECONDS),
                   "--rps", str(rate / 32), f"--log-file={record.name}"]
        for header in headers:
            command += ["-H", header]
        subprocess.run([*command, url], check=True, capture_output=True)
        rows = [line.split() for line in pathlib.Path(record.name).read_text().splitlines()]
    times = sorted(int(row[2]) for row in rows if row[1] == "200")
    return times[int(len(times) * 0.99)] / 1000


def route_live_ms(stack, config, text):
    """From the signal to the first answer of a route that is one of 5,000."""
    host, port = stack.address().rsplit(":", 1)
    many = "".join(f'  - {{method: GET, path: "/many/{i}/{{id}}", audience: public, limit: none, '
                   'upstream: origin}\n' for i in range(ROUTES))
    config.write_text(text + many)
    os.kill(stack.pid("gateway"), signal.SIGHUP)
    time.sleep(2)
    times = []
    for attempt in range(9):
        config.write_text(text + many + f'  - {{method: GET, path: "/new/{attempt}", '
                          'audience: public, limit: none, upstream: origin}\n')
        request = f"GET /new/{attempt} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        with socket.create_connection((host, int(port))) as client:
            begin = time.perf_counter()
            os.kill(stack.pid("gateway"), signal.SIGHUP)
            while True:
                client.sendall(request)
                if client.recv(65536).startswith(b"HTTP/1.1 200"):
                    break
                if time.perf_counter() - begin > 10:
                    raise RuntimeError("the new route did not appear")
            times.append((time.perf_counter() - begin) * 1000)
    return statistics.median(times)


def run(_):
    peers = Peers()
    config = peers.place / "gateway.yaml"
    try:
        config.write_text(CONFIG.format(origin=peers.origin, access_log="false"))
        with Stack(HTTP_WORKERS="1", CONFIG_FILE=str(config), LOG_LEVEL="info", ACCESS_LOG=None,
                   CORE_MANAGER_URL=f"http://127.0.0.1:{peers.origin}") as stack:
            return lanes(stack, peers, config)
    finally:
        peers.close()


def lanes(stack, peers, config):
    gateway = [stack.pid("gateway")]
    nginx_port, nginx_pid = peers.start("nginx.conf", NGINX)
    plain_port, plain_pid = peers.start("plain.cfg", PLAIN)
    es_token, key = es256_token(peers.place)
    es_port, es_pid = peers.start("es.cfg", VERIFYING, key=key)
    nginx = ("nginx proxy_pass", f"http://127.0.0.1:{nginx_port}/plain", [nginx_pid], ())
    haproxy = ("haproxy", f"http://127.0.0.1:{plain_port}/plain", [plain_pid], ())
    verifying = ("haproxy verifying ES256", f"http://127.0.0.1:{es_port}/plain", [es_pid],
                 (f"Authorization: Bearer {es_token}",))

    plain = ("gatehouse, plain", f"http://{stack.address()}/plain", gateway, ())
    plain_medians, plain_ratios = measure.pairs(plain, [nginx, haproxy])

    config.write_text(CONFIG.format(origin=peers.origin, access_log="true"))
    os.kill(gateway[0], signal.SIGHUP)
    time.sleep(0.5)
    login = {"username": "admin", "password": stack.password}
    token = stack.call("POST", "/api/v1/auth/login", login)["access_token"]
    header = (f"Authorization: Bearer {token}",)
    full = ("gatehouse, full lane", f"http://{stack.address()}{PATH}", gateway, header)
    full_medians, full_ratios = measure.pairs(full, [nginx])

    tokens = mint(stack, token, peers.place)
    fresh_runs, es_runs = [], []
    first = 0
    for _ in range(measure.PAIRS):
        one = measure.load(full[1], gateway, script="mixed_tokens.lua",
                           env={"BENCH_TOKENS": str(tokens), "BENCH_FIRST": str(first)}, seconds=2)
        first += int(one["rps"] * 2)
        fresh_runs.append(one)
        es_runs.append(measure.load(verifying[1], [es_pid], verifying[3]))
    fresh = statistics.median(a["per_cpu_second"] / b["per_cpu_second"]
                              for a, b in zip(fresh_runs, es_runs))

    rate = min(m["rps"] for m in (full_medians[full[0]], full_medians[nginx[0]])) / 2
    late = [(p99_at(full[1], rate, header), p99_at(nginx[1], rate)) for _ in range(measure.PAIRS)]
    p99 = statistics.median(a / b for a, b in late)
    live = route_live_ms(stack, config, CONFIG.format(origin=peers.origin, access_log="false"))

    rows = [("full lane, every token new", fresh_runs), (verifying[0], es_runs)]
    text = "\n\n".join([
        measure.table(plain_medians, plain_ratios), measure.table(full_medians, full_ratios),
        "| | requests per CPU-second | CPU µs/request |\n|---|---|---|\n" + "\n".join(
            f"| {name} | {statistics.median(r['per_cpu_second'] for r in runs):,.0f} | "
            f"{statistics.median(r['cpu_us'] for r in runs):.1f} |" for name, runs in rows),
        f"p99 at {rate:,.0f} requests/s (half load): gatehouse full lane "
        f"{statistics.median(a for a, _ in late):.2f} ms, nginx "
        f"{statistics.median(b for _, b in late):.2f} ms.",
        f"A changed route among {ROUTES:,} is live {live:.1f} ms after the signal."])
    method = ("One worker each, the same upstream (haproxy answering from memory), 64 keep-alive "
              "connections. Full lane: EdDSA access token, role admin, limit, context headers, "
              "access log on; the plain one without all of these, log off, as the peers'.")
    return ("Reverse proxy", method, text,
            [("plain proxy ÷ nginx proxy_pass, per CPU-second", "≥ 1", plain_ratios[nginx[0]]),
             ("plain proxy ÷ haproxy, per CPU-second", "≥ 1", plain_ratios[haproxy[0]]),
             ("full lane ÷ nginx's plain proxy_pass", "≥ 0.75", full_ratios[nginx[0]]),
             ("full lane, every token new ÷ haproxy verifying ES256", "≥ 1.3", fresh),
             ("p99 at half load, full lane ÷ nginx plain", "≤ 1.25", p99),
             ("a changed route of 5,000 is live, ms", "≤ 30", live)])
