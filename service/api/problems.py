"""Which status each error becomes, as RFC 9457 problem+json. The only place that knows both.

Under /v2 the same errors take that protocol's own form.
"""

from collections.abc import Callable, Coroutine, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from service import errors
from service.api.guards import secured
from service.api.ledger import CLIENT_CLOSED_REQUEST
from service.api.protocol_problems import WHAT_THERE_IS, is_protocol, protocol_problem
from service.api.schemas import Problem
from service.errors import FoveaError, shown

# The first class that an error is an instance of decides; anything else is our fault: 500.
_STATUS: tuple[tuple[type[FoveaError], int], ...] = (
    (errors.NotFoundError, 404),
    (errors.TooLargeError, 413),
    (errors.UnsupportedImageError, 415),
    (errors.UnsupportedEncodingError, 415),
    (errors.InvalidTokenError, 401),
    (errors.TokenRoleError, 403),
    (errors.SwitchedOffError, 403),
    (errors.MalformedRequestError, 400),
    (errors.MalformedBodyError, 400),
    (errors.QuotaExceededError, 429),
    (errors.TooSlowError, 408),
    (errors.TargetTooLongError, 414),
    (errors.HeadTooLargeError, 431),
    (errors.InvalidInputError, 422),
    (errors.ModelFileError, 422),
    (errors.PeerFailedError, 503),
    (errors.OverloadedError, 503),
    (errors.ModelUnavailableError, 503),
    (errors.DeadlineExceededError, 504),
)


def status_of(error: FoveaError) -> int:
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


async def domain_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, FoveaError)  # noqa: S101 - registered for this class only
    return refusal(request, error)


def refusal(request: Request, error: FoveaError) -> Response:
    """The answer that an error of ours becomes, with the headers that belong to it."""
    answer = problem(request, status_of(error), error.code, error.detail, error.remedy)
    if isinstance(error, errors.OverloadedError | errors.QuotaExceededError):
        answer.headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, errors.InvalidTokenError):
        answer.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, errors.ModelUnavailableError):
        answer.headers["Retry-After"] = "1"
    if isinstance(error, errors.BodyTooLargeError):
        answer.headers["Connection"] = "close"  # else the rest of the body is read to the end
    if isinstance(error, errors.UnsupportedEncodingError):
        answer.headers["Accept-Encoding"] = ", ".join(error.supported)  # RFC 9110, 15.5.16
    return answer


async def invalid_parameter(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return refusal(request, _no_json(str(first["ctx"]["error"])))
    name = _place(first["loc"][1:], error.body) or "request"
    unknown = first["type"] == "extra_forbidden"
    reason = first["msg"].removeprefix("Value error, ")
    missing = first["type"] == "missing"
    detail = (
        f"{name[:64]} is missing" if missing else f"{name[:64]}={shown(first.get('input'))} cannot be used: {reason}"
    )
    there = _reference(request)
    remedy = f"leave it out; see {there} for the parameters" if unknown else f"see {there} for its range"
    return problem(request, 422, "parameter_invalid", detail, remedy)


def _reference(request: Request) -> str:
    """Where the interface is described: here, or where that is switched off, among the project's documents."""
    return "/docs" if request.app.state.settings.docs else "docs/api.md of the project"


def _place(path: Sequence[str | int], sent: object) -> str:
    """`layers.3.kernel`. Between them pydantic also names the kind of layer, which leads nowhere in what was sent."""
    parts, here = [], sent
    for number, part in enumerate(path):
        there = here.get(part) if isinstance(here, dict) else None
        if isinstance(here, list) and isinstance(part, int) and part < len(here):
            there = here[part]
        if there is not None or not isinstance(here, dict) or number == len(path) - 1:
            parts.append(str(part))
            here = there
    return ".".join(parts)


async def http_error(request: Request, error: Exception) -> Response:
    """Routes that do not exist, methods that a route does not have."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    if error.__cause__ is not None:
        return await _body_not_read(request, error.__cause__)
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    detail = f"{request.method} {shown(request.url.path)}: {HTTPStatus(error.status_code).phrase}"
    remedy = WHAT_THERE_IS if is_protocol(request.scope) else f"see {_reference(request)} for what there is"
    answer = problem(request, error.status_code, code, detail, remedy)
    answer.headers.update(error.headers or {})
    return answer


async def _body_not_read(request: Request, cause: BaseException) -> Response:
    """FastAPI makes a 400 of whatever happens while it reads a JSON body."""
    if isinstance(cause, ClientDisconnect):
        return await client_left(request, cause)
    return refusal(request, cause if isinstance(cause, FoveaError) else _no_json(type(cause).__name__))


def _no_json(reason: str) -> errors.MalformedBodyError:
    return errors.MalformedBodyError(f"the JSON body cannot be read: {shown(reason, 120)}", "send one JSON object")


async def unexpected_error(request: Request, _error: Exception) -> Response:
    """A defect of ours. The log has the traceback under the request id; the client sees none of it."""
    answer = problem(request, 500, "internal_error", "the service failed", "report it with the request_id")
    answer.raw_headers[:] = secured(answer.raw_headers, _request_id(request))  # made outside of what adds them
    return answer


async def client_left(_request: Request, _error: Exception) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)  # nobody reads it


def problem(request: Request, status: int, code: str, detail: str, remedy: str) -> JSONResponse:
    """One error as an answer, counted and logged by its code."""
    request.app.state.ledger.counts.refused(code)
    if facts := getattr(request.state, "facts", None):
        facts.code = code
    if is_protocol(request.scope):
        return protocol_problem(status, detail, remedy)
    body = Problem(
        type=f"/problems/{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        remedy=remedy,
        code=code,
        instance=shown(request.url.path, 256)[1:-1],
        request_id=_request_id(request),
    )
    headers = {"Cache-Control": "no-store"}
    return JSONResponse(body.model_dump(), status, headers, media_type="application/problem+json")


def _request_id(request: Request) -> str:
    return str(getattr(request.state, "request_id", ""))


EXCEPTION_HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    FoveaError: domain_error,
    RequestValidationError: invalid_parameter,
    HTTPException: http_error,
    ClientDisconnect: client_left,
    Exception: unexpected_error,
}
