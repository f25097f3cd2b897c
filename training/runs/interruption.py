"""Ctrl-C and SIGTERM as a wish that is granted between two steps, so that a run can be taken up again."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_wishes() -> Iterator[Callable[[], bool]]:
    """Gives a function that says whether a signal came. The second Ctrl-C acts at once, as without this."""
    wished = False

    def wish(number: int, _frame: FrameType | None) -> None:
        nonlocal wished
        wished = True
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.signal(number, wish) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: wished
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
