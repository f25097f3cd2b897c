"""Errors as the Open Inference Protocol V2 has them: `{"error": sentence}`. Its clients read nothing else.

Knows where the protocol's paths are; `problems` decides the status.
"""

from fastapi.responses import JSONResponse
from starlette.types import Scope

_PREFIX = "/v2"
WHAT_THERE_IS = "see GET /v2 for the extensions that are served"


def is_protocol(scope: Scope) -> bool:
    """True for paths under /v2, whether a proxy strips its own prefix or not."""
    path: str = scope["path"].removeprefix(scope.get("root_path", ""))
    return path == _PREFIX or path.startswith(f"{_PREFIX}/")


def protocol_problem(status: int, detail: str, remedy: str) -> JSONResponse:
    """The protocol has 400 where we say 422."""
    error = {"error": f"{detail}; {remedy}"}
    return JSONResponse(error, 400 if status == 422 else status, {"Cache-Control": "no-store"})
