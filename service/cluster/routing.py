"""Which replica a request goes to: one that holds the model that its path names. Runs in Serve's proxies.

The model is named by the path, as everywhere: no client has to send a header of Ray Serve's.
"""

import re
from collections.abc import Mapping
from typing import Any

from ray.serve._private.request_router.pow_2_router import PowerOfTwoChoicesRequestRouter
from ray.serve.request_router import PendingRequest, RunningReplica

_MODEL = re.compile(r"/v[12]/models/([A-Za-z0-9][A-Za-z0-9._-]{0,63})(?:/.*)?")


class ModelRouter(PowerOfTwoChoicesRequestRouter):
    """Of the replicas that hold the model named by the path, two at random, and of these the one with less to do.

    Where none holds it or all of them are full, a replica that holds fewest models: there it will be loaded.
    """

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        if pending_request is not None and not pending_request.metadata.multiplexed_model_id:
            pending_request.metadata.multiplexed_model_id = _model_asked_for(pending_request.args)
        found: list[list[RunningReplica]] = await super().choose_replicas(candidate_replicas, pending_request)
        return found


def model_of(scope: Mapping[str, Any]) -> str | None:
    """The model that the path names, whether or not there is one of that name."""
    if scope["type"] != "http":
        return None
    found = _MODEL.fullmatch(scope["path"].removeprefix(scope.get("root_path", "").rstrip("/")))
    return found[1] if found else None


def _model_asked_for(args: list[Any]) -> str:
    """Of a request on its way through the proxy; empty where it names none, or comes from elsewhere."""
    scope = getattr(args[0], "asgi_scope", None) if args else None
    return (model_of(scope) or "") if scope else ""
