#!/bin/sh
# Builds and runs the tests of the threaded libraries under a sanitizer.
# Usage: sanitize.sh asan|tsan JOBS. LIBS="http rpc token" narrows it.
set -eu
kind=$1 jobs=$2
libs=${LIBS:-base exec http rpc pg token}
targets="" pattern=""
for lib in $libs; do
  targets="$targets libs/$lib/all"
  pattern="$pattern|^${lib}_"
done
# shellcheck disable=SC2086
tools/build.sh "build-$kind" "$kind" "$jobs" $targets
root=$(pwd)
ASAN_OPTIONS="detect_leaks=1" \
LSAN_OPTIONS="suppressions=$root/tests/lsan.supp:print_suppressions=0" \
UBSAN_OPTIONS="print_stacktrace=1" \
TSAN_OPTIONS="suppressions=$root/tests/tsan.supp:halt_on_error=1:second_deadlock_stack=1" \
  ctest --test-dir "build-$kind" --output-on-failure -j "$jobs" --timeout 300 -R "${pattern#|}"
