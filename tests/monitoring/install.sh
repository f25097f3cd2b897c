#!/usr/bin/env bash
# install.sh: Debian's prometheus and promtool, unpacked into the folder debian/ beside this; nothing where they are there.
#
# Unpacked and not installed: so it needs no root, and starts no server of its own on this machine.
set -euo pipefail
cd "$(dirname "$0")"

[ -x debian/usr/bin/promtool ] && exit 0
command -v promtool >/dev/null && command -v prometheus >/dev/null && exit 0
if ! command -v apt-get >/dev/null; then
    echo "there is no apt-get: install prometheus, or the alerts and the dashboard are not tried" >&2
    exit 0
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if ! (cd "$folder" && apt-get download -qq prometheus 2>/dev/null); then
    # The lists of a fresh machine are empty, and only root may fetch them.
    if [ "$(id -u)" = 0 ]; then apt-get update -qq; fi
    if ! (cd "$folder" && apt-get download -qq prometheus); then
        echo "Debian's prometheus cannot be fetched: the alerts and the dashboard are not tried" >&2
        exit 0
    fi
fi
rm -rf debian
dpkg-deb --extract "$folder"/prometheus_*.deb debian
