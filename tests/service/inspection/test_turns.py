"""The fair lock: nobody who came later goes first, whoever asks again at once stands behind the others."""

import threading

from service.inspection.turns import Turns


def test_turns_are_given_in_the_order_they_were_asked_for() -> None:
    turns, order = Turns(), list[int]()

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
    turns, order = Turns(), list[str]()

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
