#!/bin/sh
# The long forms of the edge's tests, one after the other.
set -eu
DIFFERENTIAL_SAMPLES=${DIFFERENTIAL_SAMPLES:-1000000} build/tests/differential_flow_test
EDGE_SOCKETS=${EDGE_SOCKETS:-10000} EDGE_TUNNELS=${EDGE_TUNNELS:-5000} \
  build/tests/edge_memory_flow_test
RELOADS=${RELOADS:-1000} RELOAD_SOCKETS=${RELOAD_SOCKETS:-1000} \
  RELOAD_STREAMS=${RELOAD_STREAMS:-100} build/tests/reload_flow_test
SLOW_SECONDS=${SLOW_SECONDS:-60} SLOW_CONNECTIONS=${SLOW_CONNECTIONS:-1000} \
  build/tests/slow_clients_flow_test
