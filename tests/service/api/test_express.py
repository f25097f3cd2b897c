"""The express door on a real socket: order, batches, connections that close or break, and what it leaves alone."""

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fastapi import FastAPI

from service.api.express import Desk, _Asked, express_protocol
from service.app import create_app
from service.settings import Settings
from tests import tiny_models
from tests.service.api.conftest import pixels, png, put, served, until

PICTURE = png(pixels())


@pytest.fixture(scope="module")
def app(repository: Path) -> FastAPI:
    return create_app(Settings(models=repository, provider="cpu"))


@pytest.fixture(scope="module")
def address(app: FastAPI) -> Iterator[tuple[str, int]]:
    with served(app) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        yield client.base_url.host, client.base_url.port or 0


def request(
    model: str = "grey", body: bytes = PICTURE, headers: str = "", version: str = "1.1", top: str = "top=1"
) -> bytes:
    line = f"POST /v1/models/{model}/classify?{top} HTTP/{version}"
    return f"{line}\r\nhost: x\r\ncontent-length: {len(body)}\r\n{headers}\r\n".encode() + body


def answers(address: tuple[str, int], sent: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """Everything that comes until the service closes: status, headers and body of each answer."""
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(sent)
        stream = connection.makefile("rb")
        found = []
        while line := stream.readline():
            headers = {}
            while header := stream.readline().strip():
                name, _, value = header.decode().partition(": ")
                headers[name] = value
            found.append((int(line.split()[1]), headers, stream.read(int(headers["content-length"]))))
    return found


def best(body: bytes) -> int:
    index: int = json.loads(body)["results"][0]["predictions"][0]["index"]
    return index


def runs(app: FastAPI) -> int:
    count: int = app.state.services.scheduler.statistics.of(("grey", 1)).runs
    return count


def test_requests_that_do_not_wait_for_answers_get_them_in_order(address: tuple[str, int]) -> None:
    pictures = [png(pixels(seed)) for seed in range(4)]
    alone = [
        best(answers(address, request(body=picture, headers="connection: close\r\n"))[0][2]) for picture in pictures
    ]
    sent = [request(body=picture) for picture in pictures]
    sent.insert(2, request(model="unknown"))
    sent.append(request(body=b"no image", headers="connection: close\r\n"))
    found = answers(address, b"".join(sent))
    assert [status for status, _, _ in found] == [200, 200, 404, 200, 200, 415]
    assert [best(body) for status, _, body in found if status == 200] == alone


@pytest.mark.parametrize("model", ["grey", "unknown"])
def test_the_connection_is_closed_where_the_client_asks_for_it(address: tuple[str, int], model: str) -> None:
    ((_, headers, _),) = answers(address, request(model, headers="connection: close\r\n"))
    assert headers["connection"] == "close"


def test_an_old_client_is_answered_by_the_route(address: tuple[str, int]) -> None:
    ((status, _, body),) = answers(address, request(version="1.0"))
    assert (status, len(json.loads(body)["results"])) == (200, 1)


def test_a_request_that_comes_in_pieces_is_one(address: tuple[str, int]) -> None:
    whole = request(headers="connection: close\r\n")
    with socket.create_connection(address, timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(whole), 40):
            connection.sendall(whole[start : start + 40])
        assert connection.makefile("rb").readline() == b"HTTP/1.1 200 OK\r\n"


def test_who_leaves_before_the_end_disturbs_nobody(address: tuple[str, int]) -> None:
    for length in range(0, len(request()), 50):
        with socket.create_connection(address, timeout=30) as connection:
            connection.sendall(request()[:length])
    assert answers(address, request(headers="connection: close\r\n"))[0][0] == 200


def test_the_clients_request_id_comes_back(address: tuple[str, int]) -> None:
    ((_, headers, _),) = answers(address, request(headers="x-request-id: mine-7\r\nconnection: close\r\n"))
    assert headers["x-request-id"] == "mine-7"
    assert headers["x-content-type-options"] == "nosniff"


def test_what_fails_in_the_network_is_told_as_the_route_tells_it(address: tuple[str, int]) -> None:
    ((status, headers, _),) = answers(address, request("broken", headers="connection: close\r\n"))
    assert (status, headers["content-type"]) == (503, "application/problem+json")


def test_a_batch_that_fails_goes_on_as_it_came(tmp_path: Path) -> None:
    put(tmp_path, "dark", tiny_models.no_answer_to_white())
    white = png(np.full((8, 8), 255, np.uint8))
    with served(create_app(Settings(models=tmp_path, provider="cpu"))) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        at = client.base_url.host, client.base_url.port or 0
        ((status, headers, body),) = answers(at, request("dark", white, headers="connection: close\r\n"))
    assert (status, headers["connection"]) == (500, "close")
    assert json.loads(body)["code"] == "model_output_invalid"


def test_a_defect_of_the_door_is_no_defect_of_the_request(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("service.api.express.plain_uploads", fails)
    assert [found[0] for found in answers(address, request(headers="connection: close\r\n"))] == [200]


def test_a_client_that_has_gone_is_not_waited_for(app: FastAPI) -> None:
    """Else a connection whose batch failed would be cleared for ever when the service stops."""
    gone = SimpleNamespace(_is_waiting=True, transport=SimpleNamespace(is_closing=lambda: True))
    asked = _Asked("grey", None, 1, b"", len(PICTURE), "id", keep_alive=True)
    express_protocol(app).goes_on(gone, asked, PICTURE)  # type: ignore[arg-type]
    assert not gone._is_waiting


class Connection:
    """Takes answers as a connection does."""

    def __init__(self) -> None:
        self.answer = b""

    def answers(self, _one: object, body: bytes) -> None:
        self.answer = body


def test_what_arrives_in_one_turn_of_the_event_loop_is_one_batch(app: FastAPI, address: tuple[str, int]) -> None:
    assert answers(address, request(headers="connection: close\r\n"))[0][0] == 200
    quick = app.state.services.registry.classifier("grey").costs
    for _ in range(100):  # however slow the machine was when it was measured
        quick.learn(1, 1e-5)
    before, desk, connections = runs(app), Desk(app), [Connection() for _ in range(5)]

    async def turn() -> None:
        for top, connection in enumerate(connections, start=1):
            asked = _Asked("grey", None, top, b"", len(PICTURE), "id", keep_alive=True)
            assert desk.takes(connection, asked, PICTURE)  # type: ignore[arg-type]
        await asyncio.sleep(0)

    asyncio.run(turn())
    assert runs(app) == before + 1
    counts = [len(json.loads(connection.answer)["results"][0]["predictions"]) for connection in connections]
    assert counts == [1, 2, 3, 4, 4]
