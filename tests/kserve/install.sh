#!/usr/bin/env bash
# install.sh: KServe's own client in an environment of its own, as requirements.txt has it; nothing where it is there.
#
# Its own, because it brings pandas, kubernetes and grpcio, and pins what the service has newer. Not compiled, since
# little of it is ever imported: that halves the time.
set -euo pipefail
cd "$(dirname "$0")"

cmp --silent requirements.txt .venv/installed.txt && exit 0
"${PYTHON:-python3}" -m venv --clear .venv
.venv/bin/python -m pip --disable-pip-version-check install --quiet --no-compile \
    --require-hashes --no-deps --only-binary :all: --requirement requirements.txt
cp requirements.txt .venv/installed.txt
