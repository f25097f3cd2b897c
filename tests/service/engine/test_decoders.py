"""Threads that decode: what never ends costs its own caller, and the rest goes on."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from typing import Any

import pytest

from service.engine.decoders import MOST_LOST, Decoders, UnwantedError, check_wanted


@pytest.fixture
def endless() -> Iterator[Callable[[], str]]:
    """Work that ends with the test."""
    end = threading.Event()

    def wait() -> str:
        end.wait()
        return "after all"

    yield wait
    end.set()


def begun(decoders: Decoders, work: Callable[[], Any], times: int = 1) -> list["Future[Any]"]:
    """Once each is being worked on."""
    started = [threading.Event() for _ in range(times)]

    def noted(event: threading.Event) -> Any:
        event.set()
        return work()

    answers = [decoders.submit(noted, event) for event in started]
    for event in started:
        assert event.wait(60)
    return answers


def test_work_gives_its_result_or_its_error() -> None:
    decoders = Decoders(2, 60.0)
    assert decoders.submit(divmod, 7, 2).result(60) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        decoders.submit(divmod, 7, 0).result(60)


def test_work_that_never_ends_is_given_up_and_the_rest_goes_on(endless: Callable[[], str]) -> None:
    decoders = Decoders(2, 0.0)  # nobody waits at all: what has begun is late
    begun(decoders, endless, 2)
    assert decoders.submit(lambda: "next").result(60) == "next"
    assert decoders.lost == 2
    assert decoders.problem is None


def test_work_that_nobody_waits_for_ends_where_it_asks() -> None:
    decoders = Decoders(1, 600.0)

    def piece_by_piece() -> None:
        while True:
            check_wanted()

    (answer,) = begun(decoders, piece_by_piece)
    following = decoders.submit(lambda: "next")
    assert not answer.cancel()  # it runs
    assert following.result(60) == "next"
    assert isinstance(answer.exception(60), UnwantedError)


def test_work_that_somebody_waits_for_goes_on() -> None:
    check_wanted()  # no decoder's thread
    assert Decoders(1, 600.0).submit(check_wanted).result(60) is None


def test_work_within_its_time_is_not_given_up(endless: Callable[[], str]) -> None:
    decoders = Decoders(1, 600.0)
    (first,) = begun(decoders, endless)
    second = decoders.submit(lambda: "next")
    assert decoders.lost == 0
    assert not first.done()
    assert not second.done()


def test_a_lost_thread_that_comes_back_gives_its_answer_and_is_lost_no_more() -> None:
    end, decoders = threading.Event(), Decoders(1, 0.0)
    (first,) = begun(decoders, end.wait)
    assert decoders.lost == 1
    lost = decoders._lost[0]
    end.set()
    assert first.result(60) is True
    lost.join(60)
    assert decoders.lost == 0
    assert decoders.submit(lambda: "next").result(60) == "next"


def test_there_is_a_limit_to_what_can_be_lost_and_it_is_said(endless: Callable[[], str]) -> None:
    decoders = Decoders(1, 0.0)
    for _ in range(MOST_LOST):
        assert decoders.problem is None
        begun(decoders, endless)
    waiting = decoders.submit(lambda: "next")
    assert decoders.problem == "8 images are decoded without end: start the service again"
    assert decoders._threads == []
    assert not waiting.done()


def test_work_whose_caller_left_before_it_began_is_not_done() -> None:
    done: list[str] = []
    end, decoders = threading.Event(), Decoders(1, 600.0)
    (first,) = begun(decoders, end.wait)
    left = decoders.submit(done.append, "done")
    assert left.cancel()
    end.set()
    first.result(60)
    assert decoders.submit(lambda: "next").result(60) == "next"
    assert done == []
    with pytest.raises(CancelledError):
        left.result()


def test_the_end_waits_for_nothing_and_ends_idle_threads(endless: Callable[[], str]) -> None:
    decoders = Decoders(2, 600.0)
    begun(decoders, endless)
    decoders.shutdown()
    idle = [thread for thread in decoders._threads if thread._began is None]
    for thread in idle:
        thread.join(60)
    assert [thread.is_alive() for thread in idle] == [False]
    assert all(thread.daemon for thread in decoders._threads)
