#!/bin/sh
# Builds the libFuzzer programs with clang and runs each for SECONDS over its corpus.
# What is new goes to build-fuzz/corpus; what is found, to build-fuzz/found, and ends it.
# Usage: fuzz.sh SECONDS JOBS [TARGET...]
set -eu
seconds=$1 jobs=$2
shift 2
tools/build.sh build-fuzz fuzz "$jobs" fuzzers
mkdir -p build-fuzz/found
if [ $# -eq 0 ]; then
  set -- tests/fuzz/corpus/*
fi
for path in "$@"; do
  target=$(basename "$path")
  mkdir -p "build-fuzz/corpus/$target"
  echo "$target"
  # It fails where it finds something, and where it cannot run at all.
  if ! "build-fuzz/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -max_len=4096 -timeout=5 \
    -artifact_prefix="build-fuzz/found/$target-" -print_final_stats=1 -verbosity=0 \
    "build-fuzz/corpus/$target" "tests/fuzz/corpus/$target" >"build-fuzz/$target.log" 2>&1; then
    cat "build-fuzz/$target.log"
    exit 1
  fi
  grep number_of_executed_units "build-fuzz/$target.log"
done
