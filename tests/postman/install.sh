#!/usr/bin/env bash
# install.sh: newman, as package-lock.json has it, for the test that runs docs/postman; nothing where it is there already.
set -euo pipefail
cd "$(dirname "$0")"

command -v npm >/dev/null || { echo "npm is not installed: the Postman collection is not run (apt install npm)" >&2; exit 0; }
cmp --silent package-lock.json node_modules/installed.json && exit 0
npm ci --no-audit --no-fund --loglevel=error
cp package-lock.json node_modules/installed.json
