"""Requests in flight while the service is told to stop: all of them must be answered; exit status 1 where one is not.

Begins COUNT uploads and sends half of each, says `begun` on standard output, waits until the service is no longer
ready, and sends the rest. Whoever reads `begun` tells the service to stop. Standard library only.
"""

# ruff: noqa: INP001, T201 - a script that prints, no package

import sys
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path

COUNT = 50
PATH = "/v1/models/mnist/classify"
PICTURE = Path(__file__).parent.parent / "docs" / "samples" / "seven.png"
PROBES = 20  # connections are accepted in their order: once so many were answered, all workers have those before
SECONDS = 20.0  # until a service that was told to stop has begun to


def begun(host: str, port: int, body: bytes) -> HTTPConnection:
    """A connection on which half of a request is sent."""
    connection = HTTPConnection(host, port, timeout=60)
    connection.putrequest("POST", PATH)
    connection.putheader("Content-Type", "image/png")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body[: len(body) // 2])
    return connection


def is_ready(host: str, port: int) -> bool:
    connection = HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def finished(connection: HTTPConnection, rest: bytes) -> str:
    """The status of the answer once the rest is sent, or what was there instead of one."""
    try:
        connection.send(rest)
        return str(connection.getresponse().status)
    except (OSError, HTTPException) as error:
        return repr(error)
    finally:
        connection.close()


def main(host: str, port: int) -> int:
    body = PICTURE.read_bytes()
    connections = [begun(host, port, body) for _ in range(COUNT)]
    if not all(is_ready(host, port) for _ in range(PROBES)):
        print("FAIL  it is not ready before it was told to stop")
        return 1
    print("begun", flush=True)
    until = time.monotonic() + SECONDS
    while is_ready(host, port):
        if time.monotonic() > until:
            print(f"FAIL  it is still ready {SECONDS:g} s after it was told to stop")
            return 1
        time.sleep(0.02)
    answers = [finished(connection, body[len(body) // 2 :]) for connection in connections]
    wrong = [answer for answer in answers if answer != "200"]
    outcome = f"of {COUNT} requests in flight, {COUNT - len(wrong)} were answered"
    print("FAIL " if wrong else "ok   ", outcome, *wrong[:3])
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
