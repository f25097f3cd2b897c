"""The fair lock: nobody who came later goes first, whoever asks again at once stands behind the others."""

import threading

import pytest

from service.inspection.stopping import Stop, StoppedError, acquire, current
from service.inspection.turns import Turns


def test_turns_are_given_in_the_order_they_were_asked_for() -> None:
    turns, order = Turns(acquire), list[int]()

    def waits(number: int) -> None:
        with turns:
            order.append(number)

    threads = [threading.Thread(target=waits, args=[number]) for number in range(5)]
    with turns:
        for count, thread in enumerate(threads, start=1):
            thread.start()
            while len(turns._waiting) < count:
                threading.Event().wait(0.001)
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]


def test_whoever_takes_many_turns_lets_others_in_between() -> None:
    turns, order = Turns(acquire), list[str]()

    def many(name: str) -> None:
        for _ in range(3):
            with turns:
                order.append(name)
                while len(order) < 4 and not turns._waiting:
                    threading.Event().wait(0.001)

    threads = [threading.Thread(target=many, args=[name]) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "".join(order) in ("ababab", "bababa")


def test_whoever_is_stopped_while_it_waits_leaves_the_queue_and_the_others_have_their_turns() -> None:
    turns, stop, ended, order = Turns(acquire), Stop(), threading.Event(), list[str]()

    def unwanted() -> None:
        current.set(stop)
        with pytest.raises(StoppedError), turns:
            order.append("unwanted")
        ended.set()

    def wanted() -> None:
        with turns:
            order.append("wanted")

    threads = [threading.Thread(target=each, daemon=True) for each in (unwanted, wanted)]
    with turns:
        for count, thread in enumerate(threads, start=1):
            thread.start()
            while len(turns._waiting) < count:
                threading.Event().wait(0.001)
        stop()
        assert ended.wait(10), "it waits until its turn comes"
    for thread in threads:
        thread.join()
    with turns:
        assert order == ["wanted"]


def test_a_turn_that_comes_as_its_owner_is_stopped_goes_to_the_next() -> None:
    turns, order = Turns(acquire), list[str]()
    turns.__enter__()
    mine = threading.Lock()  # of somebody who was just given the turn, and is stopped before it takes it
    mine.acquire()
    turns._waiting.append(mine)

    def comes_later() -> None:
        with turns:
            order.append("other")

    other = threading.Thread(target=comes_later, daemon=True)
    other.start()
    while len(turns._waiting) < 2:
        threading.Event().wait(0.001)
    turns.__exit__(None, None, None)
    assert order == []
    turns._leave(mine)
    other.join(10)
    assert order == ["other"]
