#!/usr/bin/env bash
# install.sh [types]: what the page's checks need beside Python. `types`: only what checks types.
#
# A browser is installed where apt-get may (root on Debian or Ubuntu); anywhere else the browser's tests skip and say so.
set -euo pipefail
cd "$(dirname "$0")"

if ! command -v npm >/dev/null; then
    echo "npm is not installed: install Node.js 20 or newer; the page's types and accessibility are not checked" >&2
    [ "${1-}" = types ] && exit 1 || exit 0
fi
if ! cmp -s package-lock.json node_modules/installed.json; then
    npm ci --no-audit --no-fund --loglevel=error
    cp package-lock.json node_modules/installed.json
fi
[ "${1-}" = types ] && exit 0

if ! command -v chromium >/dev/null && ! command -v google-chrome >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium fonts-noto-cjk >/dev/null
    else
        echo "there is no Chromium and no root to install it: the page's tests will be skipped" >&2
    fi
fi
