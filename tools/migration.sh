#!/bin/bash
# Makes the next empty migration of a service. Usage: migration.sh SERVICE NAME
set -eu
service=$1 name=$2
dir=services/$service/migrations
if [ ! -d "$dir" ] || ! echo "$name" | grep -Eq '^[a-z][a-z0-9_]+$'; then
  echo "usage: make migration SERVICE=billing NAME=add_refunds" >&2
  exit 2
fi
last=$(find "$dir" -name "[0-9]*_*.sql" -printf "%f\n" | sort | tail -n 1 | cut -c 1-4)
file=$dir/$(printf '%04d' "$((10#${last:-0} + 1))")_$name.sql
printf -- '-- What changes, and why. The release before must work with it, too.\n' >"$file"
echo "$file"
