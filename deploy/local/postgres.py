"""The database of the local stack: a private cluster, or the one DATABASE_URL names.

Prepares roles and schemas (deploy/postgres/roles.sql); tables are the services'
own migrations.
"""

import os
import pathlib
import shutil
import subprocess
import urllib.parse

from environment import (ROOT, VAR, WITH_DATABASE, fail, postgres_place, private_directory,
                         read_env_file, secret, write_private)

ROLES_SQL = ROOT / "deploy/postgres/roles.sql"


def binaries():
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"),
                   key=lambda p: int(p.parts[-3]))
    if not found:
        fail("PostgreSQL's server is not installed: run `make deps`")
    return found[-1].parent


def as_server_user(place, *command, **options):
    """Runs a command as the user of the cluster; root steps down to it."""
    if os.getuid() == 0:
        user = place["user"]
        command = ("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups",
                   "env", "HOME=/tmp", *command)
    return subprocess.run([str(c) for c in command], cwd="/", check=False, text=True,
                          capture_output=True, **options)


def running(place):
    return as_server_user(place, binaries() / "pg_ctl", "-D", place["data"],
                          "status").returncode == 0


def own_directory(place, path):
    """Makes a 0700 directory of the server's user."""
    if os.getuid() != 0:
        private_directory(path)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o755)
    path.mkdir(mode=0o700, exist_ok=True)
    subprocess.run(["chown", place["user"] + ":", str(path)], check=True)


def initialize(place):
    # The server's user cannot open our standard input, so the password goes by a
    # file of its own for a moment.
    password = pathlib.Path(place["socket"]) / "initial-password"
    write_private(password, secret("postgres-password") + "\n")
    if os.getuid() == 0:
        subprocess.run(["chown", place["user"] + ":", str(password)], check=True)
    # Under another name until it is whole: a cluster that was cut off would not start.
    new = pathlib.Path(place["data"] + ".new")
    shutil.rmtree(new, ignore_errors=True)
    own_directory(place, new)
    made = as_server_user(place, binaries() / "initdb", "-D", new, "-U", "postgres",
                          "--auth=scram-sha-256", f"--pwfile={password}", "-E", "UTF8",
                          "--locale=C.UTF-8", "--no-instructions")
    password.unlink()
    if made.returncode != 0:
        fail("initdb failed:\n" + made.stderr)
    new.rename(place["data"])


def start_cluster():
    place = postgres_place()
    if running(place):
        return
    for name in ("data", "socket"):
        own_directory(place, pathlib.Path(place[name]))
    data = pathlib.Path(place["data"])
    log = pathlib.Path(place["socket"]) / "postgres.log"
    if not (data / "PG_VERSION").exists():
        initialize(place)
    options = (f"-c listen_addresses='' -c unix_socket_directories='{place['socket']}'"
               " -c unix_socket_permissions=0700 -c max_connections=100")
    started = as_server_user(place, binaries() / "pg_ctl", "-D", data, "-l", log, "-w", "-t", "30",
                             "-o", options, "start")
    if started.returncode != 0:
        fail(f"PostgreSQL did not start; its log is {log}\n{started.stderr}")


def stop_cluster():
    if not (VAR / "postgres.json").exists():
        return
    place = postgres_place()
    if pathlib.Path(place["data"]).exists() and running(place):
        as_server_user(place, binaries() / "pg_ctl", "-D", place["data"], "-m", "fast", "-w",
                       "stop")


def superuser_url():
    """URL of a superuser in database gatehouse, without its password."""
    given = read_env_file().get("DATABASE_URL")
    if given:
        return given
    socket = urllib.parse.quote(postgres_place()["socket"], safe="")
    return f"postgresql://postgres@{socket}/gatehouse"


def connection_environment(url):
    """The parts of a URL as libpq's variables: an argument would stand in a process list."""
    parts = urllib.parse.urlsplit(url)
    env = dict(os.environ)
    if not read_env_file().get("DATABASE_URL"):
        env["PGPASSWORD"] = secret("postgres-password")
    given = {"PGHOST": parts.hostname and urllib.parse.unquote(parts.netloc.rsplit("@", 1)[-1]),
             "PGUSER": parts.username, "PGPASSWORD": parts.password,
             "PGDATABASE": parts.path.lstrip("/")}
    if parts.hostname and not parts.netloc.rsplit("@", 1)[-1].startswith("%2F"):
        given["PGHOST"], given["PGPORT"] = parts.hostname, str(parts.port or 5432)
    env.update({k: urllib.parse.unquote(v) for k, v in given.items() if v})
    return env


def psql(url, sql, database=None):
    """Runs SQL from standard input, so that no secret stands in a process list."""
    env = connection_environment(url)
    if database:
        env["PGDATABASE"] = database
    return subprocess.run([str(binaries() / "psql"), "-X", "-q", "-A", "-t", "-v",
                           "ON_ERROR_STOP=1"], input=sql, text=True, capture_output=True,
                          env=env, check=False)


def role_url(role, password):
    parts = urllib.parse.urlsplit(superuser_url())
    host = parts.netloc.rsplit("@", 1)[-1]
    return urllib.parse.urlunsplit(parts._replace(
        netloc=f"{role}:{urllib.parse.quote(password, safe='')}@{host}"))


def prepare_roles():
    """Creates the database, roles and schemas; idempotent."""
    private = not read_env_file().get("DATABASE_URL")
    url = superuser_url()
    if private:
        exists = psql(url, "SELECT 1 FROM pg_database WHERE datname = 'gatehouse'", "postgres")
        if exists.returncode != 0:
            fail("cannot connect to PostgreSQL:\n" + exists.stderr)
        if not exists.stdout.strip():
            psql(url, "CREATE DATABASE gatehouse", "postgres")
    script = []
    for service in WITH_DATABASE:
        owner = secret(f"{service}.owner-password")
        runtime = secret(f"{service}.password")
        script.append(f"\\set {service}_owner_password '{owner}'")
        script.append(f"\\set {service}_password '{runtime}'")
        keep = VAR / "secrets"
        write_private(keep / f"{service}.owner-database-url",
                      role_url(f"gatehouse_{service}_owner", owner))
        write_private(keep / f"{service}.database-url", role_url(f"gatehouse_{service}", runtime))
    done = psql(url, "\n".join(script) + "\n" + ROLES_SQL.read_text())
    if done.returncode != 0:
        fail("preparing roles and schemas failed:\n" + done.stderr)
