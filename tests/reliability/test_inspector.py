"""The process that answers questions about the inside is killed: production never notices, another one answers."""

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

from tests.reliability.conftest import PICTURE, URL, service
from tests.service.api.conftest import until


def test_an_inspector_that_is_killed_costs_no_classification_and_another_answers(models: Path) -> None:
    with service(models, request_timeout_seconds=60) as (app, client):
        assert client.get("/v1/models/grey/layer-shapes").status_code == 200
        for _ in range(3):
            process = app.state.services.inspector._process
            os.kill(process._popen.pid, signal.SIGKILL)
            assert client.post(URL, content=PICTURE).status_code == 200
            until(partial(_has_ended, process))
            assert client.post("/v1/models/grey/feature-maps", content=PICTURE).status_code == 200
            assert app.state.services.inspector._process is not process


def _has_ended(process: Any) -> bool:
    return bool(process._has_ended)
