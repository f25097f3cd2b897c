"""`python -m service load`: sees that it can be answered, asks for so long, and says what it measured."""

import asyncio
import signal
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from service.load import questions
from service.load.address import Address, Model, parsed
from service.load.exact_sleep import event_loop
from service.load.first_contact import FirstContact
from service.load.loops import Loop, arrivals
from service.load.percentiles import PER_MILLE, percentile
from service.load.report import table
from service.load.tally import Tally


@dataclass(frozen=True)
class Plan:
    """`rate`: requests a second of the open loop; without one it is the closed loop of so many `clients`."""

    model: Model
    url: str
    seconds: float
    batch: int
    clients: int
    rate: float | None
    files: Sequence[Path]


def measured(plan: Plan) -> str:
    """Raises CannotMeasureError where the service does not answer well before the run begins."""
    with asyncio.Runner(loop_factory=event_loop) as runner:
        return runner.run(_measured(plan))


async def _measured(plan: Plan) -> str:
    address = parsed(plan.url)
    loop, cpu = Loop(address, await _questions(plan, address), plan.seconds), time.process_time()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, loop.stop)
    tally = await (loop.closed(plan.clients) if plan.rate is None else loop.open(arrivals(plan.rate, plan.seconds)))
    cost = _cost((time.process_time() - cpu) / tally.seconds, tally)
    return "\n".join([*_heading(plan, address, tally), table(tally, plan.batch), cost])


async def _questions(plan: Plan, address: Address) -> list[bytes]:
    """Each asked once already."""
    with closing(FirstContact(address)) as contact:
        pictures = questions.read(plan.files)
        if not pictures:
            taken = await contact.preprocessing(plan.model)
            pictures = questions.noise(taken["height"], taken["width"], grey=taken["color"] == "gray")
        asked = questions.questions(address, plan.model.path, pictures, plan.batch)
        await contact.check(asked)
        return asked


def _heading(plan: Plan, address: Address, tally: Tally) -> list[str]:
    pictures = f"{len(plan.files)} files" if plan.files else "noise of the network's size"
    what = f"{pictures}, {plan.batch} in a request, {tally.seconds:.1f} s"
    how = f"closed loop: {plan.clients} clients, each sends when it has been answered"
    if plan.rate is not None:
        how = f"open loop: {plan.rate:g} requests a second at random times, latency from when each was due"
    return [f"{address.url}{plan.model.path}/classify, {what}", how]


def _cost(cpu_share: float, tally: Tally) -> str:
    """Of the asking itself: near 100 % of a CPU, or far behind its times, it is the limit and not the service."""
    late = 1000 * percentile(sorted(tally.lags), PER_MILLE["p99"])
    return f"asking took {cpu_share:.0%} of one CPU; 99 of 100 requests went out within {late:.1f} ms of their time"
