"""When requests are sent. Closed loop: each client sends when it has been answered. Open loop: at set times.

A closed loop slows down with the service, so it finds the throughput, and hides how long people would wait at another
rate. The open loop sends on time whatever is answered and counts from when a request was due: what a stalled service
keeps waiting is in the figures (to leave it out is called coordinated omission).
"""

import asyncio
import itertools
import random
import time
from collections.abc import Iterable, Sequence

import orjson

from service.load.address import Address
from service.load.connection import Answer, Connection, reason
from service.load.tally import OK, Tally


class Loop:
    """One run. Nothing is asked twice: a refusal is counted, and what comes next is another request."""

    def __init__(self, address: Address, questions: Sequence[bytes], seconds: float) -> None:
        self._address, self._questions, self._seconds = address, itertools.cycle(questions), seconds
        self._idle: list[Connection] = []
        self._began = 0.0
        self._tally = Tally()

    async def closed(self, clients: int) -> Tally:
        self._began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(self._client())
        return self._ended()

    async def _client(self) -> None:
        while (now := self._now()) < self._seconds:
            await self._asked(now)

    async def open(self, dues: Iterable[float]) -> Tally:
        """`dues` in seconds from the beginning, ascending. A request has an idle connection or a new one."""
        self._began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for due in dues:
                await asyncio.sleep(due - self._now())
                if due >= self._seconds:
                    break
                group.create_task(self._asked(due))
        return self._ended()

    def stop(self) -> None:
        """Sends nothing more; what is under way is still waited for."""
        self._seconds = min(self._seconds, self._now())

    async def _asked(self, due: float) -> None:
        self._tally.lags.append(self._now() - due)
        connection = self._idle.pop() if self._idle else Connection(self._address)
        try:
            outcome = _outcome(await connection.ask(next(self._questions)))
        except OSError as error:
            outcome = f"no answer: {reason(error)}"
        self._idle.append(connection)
        now = self._now()
        self._tally.add(outcome, now - due, timely=now <= self._seconds)

    def _ended(self) -> Tally:
        for connection in self._idle:
            connection.close()
        self._tally.seconds = self._seconds
        return self._tally

    def _now(self) -> float:
        return time.perf_counter() - self._began


def _outcome(answer: Answer) -> str:
    """The status, and what the service calls it where it refuses: `503 overloaded`."""
    if str(answer.status) == OK:
        return OK
    try:
        return f"{answer.status} {orjson.loads(answer.body)['code']}"
    except (ValueError, TypeError, KeyError):
        return str(answer.status)


def arrivals(rate: float, seconds: float) -> list[float]:
    """When requests of people who know nothing of each other come: a Poisson process of exactly so many, in seconds.

    Given their number, its times are independent and uniform. The same in every run.
    """
    chance = random.Random(0)
    return sorted(chance.uniform(0, seconds) for _ in range(round(rate * seconds)))
