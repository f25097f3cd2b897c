"""What a connection refuses before there is a request: worded, numbered, counted and logged like every other error."""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI, Request

from service.api.facts import Facts
from service.api.guards import identity, secured
from service.api.http_counts import METHODS
from service.api.problems import refusal
from service.connections.crowd import Wording
from service.errors import FoveaError


def wording(app: FastAPI) -> Wording:
    """How the connections of `app` say what they refuse."""

    def worded(scope: dict[str, Any], error: FoveaError) -> tuple[int, Iterable[tuple[bytes, bytes]], bytes]:
        request_id = identity(dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1"))
        facts = Facts(request_id, scope["method"] if scope["method"] in METHODS else "other", scope["peer"])
        state = {"request_id": request_id, "facts": facts}
        answer = refusal(Request({**scope, "headers": [], "app": app, "state": state}), error)  # no header is trusted
        facts.route, facts.status, facts.bytes_out = "unknown", answer.status_code, len(answer.body)
        app.state.ledger.began()
        app.state.ledger.answered(facts)
        return answer.status_code, secured(answer.raw_headers, request_id), bytes(answer.body)

    return worded
