"""Who has clearly more than his share of the connections lets some go, slowly, and only where others can take them."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from copy import copy
from math import inf
from pathlib import Path

import httpx
import pytest

from service.connections import shares
from service.connections.bounds import Bounds
from service.connections.shares import Shares
from tests.service.api.conftest import pixels, png, served, until
from tests.service.connections.conftest import address_of, application
from tests.service.connections.raw import Address, Answer, answer, answers, connected, head, post

CLASSIFY = post("/v1/models/grey/classify", png(pixels()))
LARGE = post("/v1/models/grey/classify", bytes(70_000))
BEATS = 1000.0


def processes(*active: int, beats: tuple[float, ...] = (), apart: float = 10.0) -> list[Shares]:
    """As after a fork: of each process its own, over common memory, after a first look. They were started some seconds
    apart from each other.
    """
    common = Shares(len(active))
    found = []
    for number, count in enumerate(active):
        one = copy(common)
        one.become(number)
        one.beat(BEATS - apart * (len(active) - number))
        one.beat(beats[number] if beats else BEATS)
        found.append(one)
        one.look(count, BEATS)
    return found


def let_go(one: Shares, active: int, looks: int = 4) -> int:
    """How many it lets go behind so many looks of which each found the same."""
    for _ in range(looks):
        one.look(active, BEATS)
    return sum(one.lets_go() for _ in range(1000))


@pytest.mark.parametrize(
    ("active", "gone"),
    [
        ((40, 0), (16, 0)),
        ((25, 20), (0, 0)),
        ((60, 40), (3, 0)),
        ((4, 0), (0, 0)),
        ((5, 0), (1, 0)),
        ((30, 10, 10, 10), (12, 0, 0, 0)),
        ((10, 10, 10, 30), (0, 0, 0, 0)),  # nobody is newer
        ((1000, 0), (20, 0)),
        ((1000,), (0,)),
    ],
)
def test_who_has_clearly_more_than_a_share_lets_some_go(active: tuple[int, ...], gone: tuple[int, ...]) -> None:
    found = processes(*active)
    assert tuple(let_go(one, count) for one, count in zip(found, active, strict=True)) == gone


def test_who_has_more_for_a_moment_lets_nobody_go() -> None:
    busy, _ = processes(0, 0)
    for active in (40, 40, 3, 40, 40, 3):
        assert let_go(busy, active, looks=1) == 0
    assert let_go(busy, 40, looks=2) == 0
    assert let_go(busy, 40, looks=1) == 16
    assert let_go(busy, 3, looks=1) == 0


@pytest.mark.parametrize("apart", [0.5, 61.0])
def test_nobody_does_where_all_started_together_or_long_ago(apart: float) -> None:
    assert let_go(processes(40, 0, apart=apart)[0], 40) == 0


@pytest.mark.parametrize("beats", [(BEATS, BEATS - 2), (BEATS, -inf), (BEATS - 2, BEATS)])
def test_nobody_does_while_one_says_nothing(beats: tuple[float, ...]) -> None:
    found = processes(40, 0, beats=beats)
    assert [let_go(one, count) for one, count in zip(found, (40, 0), strict=True)] == [0, 0]


def test_a_process_that_ended_or_leaves_counts_as_absent_until_it_says_again_that_it_answers() -> None:
    crowded, empty = processes(40, 7)
    crowded.ended(1)  # as their parent says
    assert let_go(crowded, 40) == 0
    empty.become(1)
    empty.look(3, BEATS)
    assert let_go(crowded, 40) == 0
    empty.beat(BEATS)
    assert let_go(crowded, 40) == 15
    empty.leave()
    assert let_go(crowded, 40) == 0


@pytest.fixture
def crowded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Address]:
    """A service that believes in a second worker whom nobody asks."""
    monkeypatch.setattr(shares, "_YOUNG_SECONDS", inf)
    own, _ = processes(0, 0, beats=(inf, inf))
    with served(application(folder), shares=own, bounds=Bounds(connections=60)) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        client.close()
        yield address_of(client)


def is_last(one: Answer) -> bool:
    return one.headers.get("connection") == "close"


def asked_again(kept: list[socket.socket], request: bytes) -> list[socket.socket]:
    """Those that are kept behind one more answer each."""
    left = []
    for one in kept:
        one.sendall(request)
        if is_last(answer(one)):
            assert one.recv(1) == b""
        else:
            left.append(one)
    return left


@pytest.mark.parametrize("asked", [head(), CLASSIFY, LARGE, post("/v1/models/none/classify", b"x")])
def test_connections_end_behind_answers_until_the_share_is_right(crowded: Address, asked: bytes) -> None:
    with ExitStack() as stack:
        kept = [stack.enter_context(connected(crowded)) for _ in range(10)]

        def is_right() -> bool:
            kept[:] = asked_again(kept, asked)
            return len(kept) <= 4

        until(is_right)
        end = time.monotonic() + 4  # looks are a second apart
        while time.monotonic() < end:
            assert is_right()
        assert len(kept) == 4


def test_who_is_idle_makes_nobody_go_who_asks(crowded: Address) -> None:
    with ExitStack() as stack:
        for _ in range(30):
            assert answer(stack.enter_context(connected(crowded, head()))).status == 200
        kept = [stack.enter_context(connected(crowded)) for _ in range(4)]
        end = time.monotonic() + 6
        while time.monotonic() < end:
            assert len(asked_again(kept, CLASSIFY)) == 4


def test_what_stands_behind_the_last_answer_is_not_done(crowded: Address) -> None:
    """Who sends without waiting is let go, too, where the service has read no more than the first request."""
    pair = CLASSIFY + CLASSIFY
    with ExitStack() as stack:
        kept = [stack.enter_context(connected(crowded)) for _ in range(10)]
        sent = 0
        last: list[socket.socket] = []
        while not last:
            for one in kept.copy():
                one.sendall(pair)
                sent += 1
                first = answer(one)
                if is_last(first):
                    assert answers(one) == []
                    last.append(one)
                    kept.remove(one)
                elif is_last(answer(one)):
                    kept.remove(one)
    counts = httpx.get("http://{}:{}/v2/models/grey/stats".format(*crowded)).json()["model_stats"][0]
    assert counts["inference_count"] == 2 * sent - len(last)
