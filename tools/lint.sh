#!/bin/bash
# shellcheck disable=SC2317  # functions are called through step()
# Every check that needs no test run. Prints one line per step; stops at the end,
# not at the first finding.
set -u
cd "$(dirname "$0")/.." || exit 1
failed=0
step() { # name, command...
  local name=$1 output
  shift
  if output=$("$@" 2>&1); then
    echo "ok    $name"
  else
    printf 'FAIL  %s\n%s\n' "$name" "$output"
    failed=1
  fi
}

# The files of this change: since the branch left main, or the last commit on main.
changed_sources() {
  local base
  base=$(git merge-base HEAD origin/main 2>/dev/null) || base=""
  if [ -z "$base" ] || [ "$base" = "$(git rev-parse HEAD)" ]; then
    base=$(git rev-parse -q --verify HEAD~1 || git hash-object -t tree /dev/null)
  fi
  git diff --name-only --diff-filter=d "$base" -- 'libs/*.cc' 'services/*.cc' | grep -v _test.cc
}

clang_tidy_changed() {
  local files
  mapfile -t files < <(changed_sources)
  [ ${#files[@]} -gt 0 ] || return 0
  tools/build.sh build default "$(nproc)" proto/all || return 1
  printf '%s\n' "${files[@]}" |
    timeout "${TIDY_SECONDS:-300}" xargs -P "$(nproc)" -n 1 clang-tidy -p build --quiet
  local status=$?
  [ "$status" -ne 124 ] || { echo "clang-tidy: time is up; the rest was not checked"; return 0; }
  return "$status"
}

buf() {
  tools/npm.sh tools || return 1
  local machine
  machine=$(uname -m | sed s/x86_64/x64/)
  (cd proto && "../tools/node_modules/@bufbuild/buf-linux-$machine/bin/buf" "$@")
}

breaking() {
  local release
  release=$(git describe --tags --match 'v*' --abbrev=0 2>/dev/null) || return 0
  buf breaking --against "../.git#tag=$release,subdir=proto"
}

mapfile -t sources < <(git ls-files '*.cc' '*.h')
mapfile -t scripts < <(git ls-files '*.sh' '.ci/run')
mapfile -t yaml < <(git ls-files '*.yaml' '*.yml')
step format clang-format --dry-run -Werror "${sources[@]}"
step tidy python3 tools/tidy.py
step shellcheck shellcheck "${scripts[@]}"
yaml_rules='{extends: default, rules: {document-start: disable, line-length: {max: 120}}}'
step yamllint yamllint -s -d "$yaml_rules" "${yaml[@]}"
step "buf lint" buf lint
step "buf breaking" breaking
step clang-tidy clang_tidy_changed
exit $failed
