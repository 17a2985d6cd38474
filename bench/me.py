"""GET /api/v1/auth/me through edge, gRPC and PostgreSQL, against the same design in Node."""

import http.client
import json
import os
import pathlib
import platform
import subprocess
import urllib.parse

import measure

PEERS = pathlib.Path(__file__).parent / "peers"


def node_binary():
    """npm's Node, of the version that the lock names: Debian's is too old for the peers."""
    machine = platform.machine().replace("x86_64", "x64").replace("aarch64", "arm64")
    return str(PEERS / f"node_modules/node-linux-{machine}/bin/node")


def start_node(program, env):
    return subprocess.Popen([node_binary(), str(PEERS / program)], env=os.environ | env,
                            stdout=subprocess.DEVNULL)


PATH = "/api/v1/auth/me"


def public_key(stack):
    """The key that verifies access tokens, as a JWK."""
    connection = http.client.HTTPConnection(stack.address(), timeout=10)
    connection.request("GET", "/.well-known/jwks.json")
    return json.loads(connection.getresponse().read())["keys"][0]


def run(stack):
    login = {"username": "admin", "password": stack.password}
    token = stack.call("POST", "/api/v1/auth/login", login)["access_token"]
    url = urllib.parse.urlsplit(stack.database_url("auth"))
    host = urllib.parse.unquote(url.netloc.rsplit("@", 1)[-1])
    env = {"PGHOST": host, "PGUSER": url.username, "PGPASSWORD": urllib.parse.unquote(url.password),
           "PGDATABASE": url.path[1:], "BENCH_JWK": json.dumps(public_key(stack)),
           "NODE_ENV": "production"}
    ports = {name: measure.free_port() for name in ("service", "edge", "single")}
    env |= {f"{name.upper()}_PORT": str(port) for name, port in ports.items()}
    node = {name: start_node(f"{name}.mjs", env) for name in ports}
    header = (f"Authorization: Bearer {token}",)
    try:
        for name, port in ports.items():
            measure.await_port(port, node[name])
        ours = ("gatehouse: gateway → auth", f"http://{stack.address()}{PATH}",
                [stack.pid("gateway"), stack.pid("auth")], header)
        two = ("Node: fastify → grpc-js → pg", f"http://127.0.0.1:{ports['edge']}{PATH}",
               [node["edge"].pid, node["service"].pid], header)
        one = ("Node: fastify + pg in one process", f"http://127.0.0.1:{ports['single']}{PATH}",
               [node["single"].pid], header)
        medians, ratios = measure.pairs(ours, [two, one])
    finally:
        for process in node.values():
            process.terminate()
            process.wait()
    method = ("Edge, one gRPC call, one prepared query on the same rows of the same PostgreSQL, "
              "JSON of the same shape; tokens are cached on both edges; 8 connections. CPU is "
              "summed over all processes but PostgreSQL.")
    return (f"GET {PATH}", method, measure.table(medians, ratios),
            [("me ÷ Node of the same two hops, per CPU-second", "≥ 2", ratios[two[0]]),
             ("me ÷ Node in one process, per CPU-second", "reported", ratios[one[0]])])
