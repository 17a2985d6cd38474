#!/bin/bash
# Installs the locked packages of a folder unless they are there. Usage: npm.sh FOLDER
set -eu
cd "$1"
if [ ! -e node_modules/.package-lock.json ] ||
  [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --silent --ignore-scripts
fi
