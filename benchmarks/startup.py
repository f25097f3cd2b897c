"""Times from starting the process until it is ready, and the memory it then holds, with the models that ship.

    .venv-dev/bin/python benchmarks/startup.py [PYTHON]

PYTHON is the interpreter of the service's own environment; .venv/bin/python where none is named.
"""

import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

RUNS = 5


def main() -> None:
    python = sys.argv[1] if len(sys.argv) > 1 else ".venv/bin/python"
    runs = [once(python) for _ in range(RUNS)]
    seconds, mebibytes = zip(*runs, strict=True)
    print(f"ready after {min(seconds):.2f} / {statistics.median(seconds):.2f} / {max(seconds):.2f} s (of {RUNS} runs)")
    print(f"resident {statistics.median(mebibytes):.0f} MiB")


def once(python: str) -> tuple[float, float]:
    """Seconds until /health/ready answers 200, and the resident memory in MiB."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    began = time.monotonic()
    command = [python, "-m", "service", "serve", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:  # noqa: S603
        while not ready(f"http://127.0.0.1:{port}/health/ready"):
            time.sleep(0.02)
        seconds = time.monotonic() - began
        resident = Path(f"/proc/{process.pid}/status").read_text().split("VmRSS:")[1].split()[0]
        process.terminate()
    return seconds, int(resident) / 1024


def ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    main()
