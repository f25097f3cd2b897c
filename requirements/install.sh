#!/usr/bin/env bash
# install.sh ENVIRONMENT LOCK [PACKAGE...]: makes ENVIRONMENT hold what requirements/LOCK.txt says, then PACKAGEs.
#
# Does nothing where that is already so. Otherwise it starts from an empty environment: nothing stale stays, and
# onnxruntime, onnxruntime-gpu and onnxruntime-openvino, which overwrite each other's files, can never meet in one.
# PACKAGEs carry a version but no hash: see TORCH in the Makefile.
set -euo pipefail
cd "$(dirname "$0")/.."

environment=${1:?usage: install.sh ENVIRONMENT LOCK [PACKAGE...]}
lock=requirements/${2:?usage: install.sh ENVIRONMENT LOCK [PACKAGE...]}.txt
packages=("${@:3}")
python=${PYTHON:-python3}
stamp=$environment/installed.txt

"$python" requirements/interpreter.py
[ -f "$lock" ] || { echo "there is no $lock; requirements/ holds: $(cd requirements && echo *.txt)" >&2; exit 1; }

# Compiled packages fit every patch release of one minor version, so another python3 of it is no reason to start again.
contents() { "$python" -c 'import sys; print(*sys.version_info[:2])'; echo "$lock ${packages[*]-}"; cat "$lock"; }
works() { [ -x "$environment/bin/python" ] && "$environment/bin/python" -c ''; }

wanted=$(contents)
if [ -f "$stamp" ] && [ "$wanted" = "$(cat "$stamp")" ] && works; then exit 0; fi

echo "setting up $environment from $lock" >&2
"$python" -m venv --clear "$environment"
pip=("$environment/bin/python" -m pip --disable-pip-version-check install --quiet)
"${pip[@]}" --require-hashes --no-deps --requirement "$lock"
[ ${#packages[@]} -eq 0 ] || "${pip[@]}" "${packages[@]}"
echo "$wanted" >"$stamp"
