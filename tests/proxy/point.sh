#!/bin/sh
# Points the edge under test at the address of a script's server and waits until that is
# in force. EDGE_CONFIG, EDGE_PID and EDGE_LOG are the test's. Usage: point.sh HOST:PORT
set -eu
count() { grep -c 'Configuration reload' "$EDGE_LOG" || true; }
before=$(count)
{
  echo 'upstream_timeout: 2'
  echo 'connection_timeout: 1'
  echo 'circuit_breaker: {enabled: false}'
  echo 'upstreams:'
  echo "  - {name: origin, urls: [\"http://$1\"], health_interval: 0}"
  echo 'routes:'
  open='audience: public, limit: none, upstream: origin'
  for method in GET POST PUT DELETE PATCH; do
    echo "  - {method: $method, path: \"/x/{n}\", json: false, $open}"
  done
  echo "  - {method: POST, path: \"/json\", $open}"
  echo "  - {method: POST, path: \"/small\", json: false, body_bytes_max: 10, $open}"
} > "$EDGE_CONFIG.new"
mv "$EDGE_CONFIG.new" "$EDGE_CONFIG"
kill -HUP "$EDGE_PID"
for _ in $(seq 500); do
  [ "$(count)" -gt "$before" ] && exit 0
  sleep 0.01
done
echo 'the configuration was not reloaded' >&2
exit 1
