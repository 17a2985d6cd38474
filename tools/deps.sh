#!/bin/sh
# Installs the Debian packages that the given lists name and the machine lacks.
# Says nothing when all are there. Usage: deps.sh LIST...
set -eu

missing=""
for list in "$@"; do
  while read -r package; do
    case "$package" in '' | '#'*) continue ;; esac
    # A command that is there by other means (a newer node, say) is enough.
    case "$package" in
      nodejs) command -v node >/dev/null && continue ;;
      npm) command -v npm >/dev/null && continue ;;
    esac
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
  done <"$list"
done
[ -n "$missing" ] || exit 0

echo "installing:$missing"
if [ "$(id -u)" = 0 ]; then
  as_root=""
elif command -v sudo >/dev/null; then
  as_root="sudo"
else
  echo "these packages are missing and neither root nor sudo is available; as root run:" >&2
  echo "  apt-get install -y --no-install-recommends$missing" >&2
  exit 1
fi
# PostgreSQL's package would make and start a cluster of its own on port 5432.
if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
  $as_root mkdir -p /etc/postgresql-common
  echo 'create_main_cluster = false' |
    $as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
fi
$as_root apt-get update -qq
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 $missing >/dev/null
