"""Who has clearly more than his share of the connections lets some go, slowly, and only where others can take them."""

from collections.abc import Iterator
from contextlib import ExitStack
from copy import copy
from dataclasses import dataclass
from math import inf
from pathlib import Path

import httpx
import pytest

from service.connections.bounds import Bounds
from service.connections.shares import Shares
from tests.service.api.conftest import pixels, png, served, until
from tests.service.connections.conftest import address_of, application
from tests.service.connections.raw import Address, Answer, answer, answers, connected, head, post

CLASSIFY = post("/v1/models/grey/classify", png(pixels()))
LARGE = post("/v1/models/grey/classify", bytes(70_000))
BEATS = 1000.0


def processes(*connections: int, beats: tuple[float, ...] = ()) -> list[Shares]:
    """As after a fork: of each process its own, over common memory."""
    common = Shares(len(connections))
    found = []
    for number, count in enumerate(connections):
        one = copy(common)
        one.become(number)
        one.beat(beats[number] if beats else BEATS)
        one.changed(count)
        found.append(one)
    return found


@pytest.mark.parametrize(
    ("connections", "lets_go"),
    [
        ((40, 0), (True, False)),
        ((25, 20), (False, False)),
        ((60, 40), (True, False)),
        ((4, 0), (False, False)),
        ((5, 0), (True, False)),
        ((30, 10, 10, 10), (True, False, False, False)),
        ((1000,), (False,)),
    ],
)
def test_who_has_clearly_more_than_a_share_lets_some_go(
    connections: tuple[int, ...], lets_go: tuple[bool, ...]
) -> None:
    assert tuple(one.lets_go(BEATS) for one in processes(*connections)) == lets_go


@pytest.mark.parametrize("beats", [(BEATS, BEATS - 2), (BEATS, -inf), (BEATS - 2, BEATS)])
def test_nobody_does_while_one_says_nothing(beats: tuple[float, ...]) -> None:
    assert not any(one.lets_go(BEATS) for one in processes(40, 0, beats=beats))


def test_one_is_let_go_at_a_time() -> None:
    crowded, _ = processes(1000, 0)
    moments = [BEATS + number / 1000 for number in range(1000)]
    assert 95 <= sum(map(crowded.lets_go, moments)) <= 100


def test_a_process_that_ended_or_leaves_counts_as_absent_until_it_says_again_that_it_answers() -> None:
    crowded, empty = processes(40, 7)
    crowded.ended(1)  # as their parent says
    assert not crowded.lets_go(BEATS)
    empty.become(1)
    empty.changed(3)
    assert not crowded.lets_go(BEATS + 0.1)
    empty.beat(BEATS)
    assert crowded.lets_go(BEATS + 0.2)
    empty.leave()
    assert not crowded.lets_go(BEATS + 0.3)


@dataclass
class Crowded:
    """A service that believes in a second worker without a connection."""

    address: Address
    shares: Shares

    def connections(self) -> int:
        return int(self.shares._cells[0])


@pytest.fixture
def crowded(folder: Path) -> Iterator[Crowded]:
    own, _ = processes(0, 0, beats=(inf, inf))
    with served(application(folder), shares=own, bounds=Bounds(connections=30)) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        client.close()
        one = Crowded(address_of(client), own)
        until(lambda: one.connections() == 0)
        yield one


def is_last(one: Answer) -> bool:
    return one.headers.get("connection") == "close"


@pytest.mark.parametrize("asked", [head(), CLASSIFY, LARGE, post("/v1/models/none/classify", b"x")])
def test_connections_end_behind_answers_until_the_share_is_right(crowded: Crowded, asked: bytes) -> None:
    with ExitStack() as stack:
        kept = [stack.enter_context(connected(crowded.address)) for _ in range(20)]

        def is_right() -> bool:
            for one in kept.copy():
                one.sendall(asked)
                if is_last(answer(one)):
                    assert one.recv(1) == b""
                    kept.remove(one)
            return len(kept) <= 4

        until(is_right)
        for _ in range(10):
            is_right()
        assert len(kept) == 4 == crowded.connections()
    until(lambda: crowded.connections() == 0)


def test_every_connection_that_is_counted_is_counted_once_however_it_ends(crowded: Crowded) -> None:
    busy = head("POST /v1/models/grey/classify HTTP/1.1", "Content-Length: 100")
    with ExitStack() as stack:
        for sent in (*10 * [busy], *5 * [b"no request\r\n\r\n"], *30 * [b""], *30 * [head("GET / HTTP/1.0")]):
            stack.enter_context(connected(crowded.address, sent))
        until(lambda: crowded.connections() > 10)
    until(lambda: crowded.connections() == 0)


def test_what_stands_behind_the_last_answer_is_not_done(crowded: Crowded) -> None:
    address = "http://{}:{}".format(*crowded.address)
    with ExitStack() as stack:
        for _ in range(20):
            assert answer(stack.enter_context(connected(crowded.address, head()))).status == 200
        last = []
        for number in range(1, 100):
            with connected(crowded.address, CLASSIFY + CLASSIFY + head("GET /health/live HTTP/1.1")) as one:
                found = [answer(one)]
                if is_last(found[0]):
                    assert answers(one) == []
                    last.append(number)
                    break
    assert last
    (stats,) = httpx.get(f"{address}/v2/models/grey/stats").json()["model_stats"]
    assert stats["inference_count"] <= 2 * last[0] - 1
