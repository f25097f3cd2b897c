"""The container's health check: exit status 0 where the service is ready to answer, else 1 with the reason.

Knows one address only. Standard library, because the image has no curl.
"""

# ruff: noqa: INP001 - a script of the image, no package

import os
import sys
from http.client import HTTPConnection, HTTPException


def unready(port: int) -> str | None:
    """Why the service on this machine is not ready, or None. Waits 2 s at most for each answer."""
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health/ready")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return f"no answer on port {port}: {error}"
    finally:
        connection.close()
    return None if status == 200 else f"/health/ready answered {status}"


if __name__ == "__main__":
    sys.exit(unready(int(os.environ["FOVEA_PORT"])))
