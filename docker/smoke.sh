#!/usr/bin/env bash
# Builds the image, starts it as docker-compose.yml says, asks it, looks at how it is confined, stops it.
#
# One line per check; the first failure prints the container's log and ends with status 1. Always cleans up.
# EXTRA=gpu tries the CUDA image. Needs a Docker engine, `docker compose` or docker-compose, and python3.
set -euo pipefail
cd "$(dirname "$0")/.."

if docker compose version >/dev/null 2>&1; then compose=(docker compose); else compose=(docker-compose); fi
compose+=(--project-name fovea-smoke --file docker-compose.yml)
if [ "${EXTRA:-cpu}" = gpu ]; then compose+=(--file docker/gpu.yml); fi
# A free port, so that a service that already runs here is left alone.
PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export PORT
container=
log=$(mktemp)

finish() {
    local status=$?
    trap - EXIT
    rm -f "$log"
    if [ $status -ne 0 ] && [ -n "$container" ]; then docker logs --tail 30 "$container" >&2 || true; fi
    "${compose[@]}" down --timeout 5 >/dev/null 2>&1 || true
    exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

passed() { echo "ok    $*"; }
failed() { echo "FAIL  $*"; exit 1; }
expect() { # expect WHAT WANTED FOUND
    if [ "$2" = "$3" ]; then passed "$1: $3"; else failed "$1: $3, wanted $2"; fi
}
quietly() { "$@" >"$log" 2>&1 || { tail -30 "$log" >&2; return 1; }; }
inside() { docker exec "$container" "$@"; }
process() { inside awk -v field="$1:" '$1 == field {print $2}' /proc/1/status; }
mounted() { inside awk -v at="$1" '$2 == at {print substr($4, 1, 2)}' /proc/mounts; }
health() { docker inspect --format '{{.State.Health.Status}}' "$container"; }

quietly "${compose[@]}" build || failed "the image builds"
passed "the image builds"

started=$SECONDS
quietly "${compose[@]}" up --detach --no-build || failed "the container starts"
container=$("${compose[@]}" ps --quiet fovea)
until [ "$(health)" = healthy ]; do
    [ $((SECONDS - started)) -lt 60 ] || failed "healthy within 60 s: it is $(health)"
    sleep 0.5
done
passed "healthy after $((SECONDS - started)) s"

python3 docker/ask.py "http://127.0.0.1:$PORT"

expect "user of the process" 10001 "$(process Uid)"
expect "capabilities it could ever gain" 0000000000000000 "$(process CapBnd)"
expect "new privileges are barred" 1 "$(process NoNewPrivs)"
expect "the root is mounted" ro "$(mounted /)"
expect "the models are mounted" ro "$(mounted /fovea/models)"
expect "/tmp is mounted" rw "$(mounted /tmp)"

stopping=$SECONDS
quietly "${compose[@]}" stop
expect "exit code after SIGTERM" 0 "$(docker inspect --format '{{.State.ExitCode}}' "$container")"
passed "stopped after $((SECONDS - stopping)) s"
