#!/usr/bin/env bash
# Builds the image, starts it as docker-compose.yml says, asks it, looks at how it is confined, stops it while it works.
#
# One line per check; the first failure prints the container's log and ends with status 1. Always cleans up.
# EXTRA=gpu tries the CUDA image, BASE=python:3.12-slim-bookworm another base. Needs a Docker engine, `docker compose`
# or docker-compose, and python3.
set -euo pipefail
cd "$(dirname "$0")/.."

if docker compose version >/dev/null 2>&1; then compose=(docker compose); else compose=(docker-compose); fi
compose+=(--project-name fovea-smoke)
extra=${EXTRA:-cpu}
if [ "$extra" = gpu ]; then service=fovea-gpu; else service=fovea; fi
# A free port, so that a service that already runs here is left alone.
PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export PORT GPU_PORT=$PORT
container=
log=$(mktemp)

finish() {
    local status=$?
    trap - EXIT
    rm -f "$log"
    if [ $status -ne 0 ] && [ -n "$container" ]; then docker logs --tail 30 "$container" >&2 || true; fi
    if [ -n "$container" ]; then docker rm --force "$container" >/dev/null 2>&1 || true; fi
    "${compose[@]}" --profile gpu down --timeout 5 >/dev/null 2>&1 || true
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
wait_until_healthy() {
    local started=$SECONDS
    until [ "$(health)" = healthy ]; do
        [ $((SECONDS - started)) -lt 60 ] || failed "healthy within 60 s: it is $(health)"
        sleep 0.5
    done
    passed "$1 after $((SECONDS - started)) s"
}

quietly "${compose[@]}" build "$service" || failed "the image builds"
passed "the image builds"

quietly "${compose[@]}" up --detach --no-build "$service" || failed "the container starts"
container=$("${compose[@]}" ps --quiet "$service")
wait_until_healthy healthy
python3 docker/ask.py "http://127.0.0.1:$PORT"

expect "user of the process" 10001 "$(process Uid)"
expect "capabilities it could ever gain" 0000000000000000 "$(process CapBnd)"
expect "new privileges are barred" 1 "$(process NoNewPrivs)"
expect "the root is mounted" ro "$(mounted /)"
expect "the models are mounted" ro "$(mounted /fovea/models)"
expect "/tmp is mounted" rw "$(mounted /tmp)"

missing=0
inside cat sbom.cdx.json >"$log"
while read -r package; do
    grep -q "\"bom-ref\": \"pkg:pypi/$package@" "$log" || { missing=$((missing + 1)); echo "      $package is in no bill" >&2; }
done < <(grep -oE '^[a-z0-9.-]+==' "requirements/$extra.txt" | tr -d = | sort -u)
expect "packages of the lock that the bill of materials lacks" 0 "$missing"

stopping=$SECONDS
coproc drain { python3 docker/drain.py 127.0.0.1 "$PORT"; }
drain_process=$drain_PID
exec {told}<&"${drain[0]}"
read -r line <&"$told" || true
[ "$line" = begun ] || failed "requests begin: ${line:-no word}"
docker kill --signal TERM "$container" >/dev/null
cat <&"$told"
wait "$drain_process" || failed "every request in flight is answered"
expect "exit code after SIGTERM" 0 "$(docker wait "$container")"
passed "stopped after $((SECONDS - stopping)) s"
docker rm --force "$container" >/dev/null

# Any user, no home, and nothing but /tmp to write to: what OpenShift and strict clusters start.
container=$(docker run --detach --read-only --tmpfs /tmp:size=256m --user "$((RANDOM + 20000)):0" --cap-drop ALL \
    --security-opt no-new-privileges:true --network none "fovea:$extra" env -u HOME python -m service serve)
wait_until_healthy "a random user without a home, offline: healthy"
expect "homes in its environment" 0 "$(inside python -c "print(sum(v.startswith(b'HOME=') for v in open('/proc/1/environ', 'rb').read().split(b'\0')))")"
quietly docker stop --time 40 "$container"
expect "exit code after SIGTERM" 0 "$(docker inspect --format '{{.State.ExitCode}}' "$container")"
