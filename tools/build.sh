#!/bin/sh
# Configures (once) and builds. Usage: build.sh DIR PRESET JOBS [TARGET...]
set -eu
dir=$1 preset=$2 jobs=$3
shift 3
if [ ! -f "$dir/build.ninja" ]; then
  mkdir -p "$dir"
  cmake --preset "$preset" >"$dir/configure.log" 2>&1 || { cat "$dir/configure.log" >&2; exit 1; }
fi
exec ninja -C "$dir" -j "$jobs" --quiet "$@"
