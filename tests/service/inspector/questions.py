"""Questions for the tests of the inspector process, which has to import them."""

import os
import signal
import time
from pathlib import Path
from typing import NoReturn

import numpy as np
from onnx import numpy_helper

from service.errors import UnknownLayerError
from service.inspection import stopping
from service.inspection.network import Network


def process_number() -> int:
    return os.getpid()


def niceness() -> int:
    return os.nice(0)


def gets_only_idle_time() -> bool:
    return not hasattr(os, "SCHED_IDLE") or os.sched_getscheduler(0) == os.SCHED_IDLE


def layer_ids(*networks: Network) -> list[list[str]]:
    return [[layer.id for layer in network.layers] for network in networks]


def first_values(network: Network, image: np.ndarray) -> np.ndarray:
    return network.values([network.layers[0].output], image)[network.layers[0].output]


def weight_sums(network: Network) -> dict[str, float]:
    return {one.name: float(numpy_helper.to_array(one).sum()) for one in network.file.model.graph.initializer}


def unknown_layer() -> NoReturn:
    raise UnknownLayerError("con", ["conv", "relu"])


def defect() -> NoReturn:
    raise ZeroDivisionError


def unpicklable() -> object:
    return lambda: None


def the_end() -> NoReturn:
    os._exit(7)


def killed(times: int, tried: str) -> str:
    """By somebody else, the first so many times that it is asked; counts them in a file."""
    with open(tried, "a+") as file:  # noqa: PTH123
        file.write(".")
        file.seek(0)
        tries = len(file.read())
    if tries <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return f"answered the {tries}. time"


def until_stopped(started: str) -> None:
    """Writes its process number into a file and works on until nobody wants it."""
    with open(started, "w") as file:  # noqa: PTH123
        file.write(str(os.getpid()))
    while True:
        stopping.check()
        time.sleep(0.01)


def holds_the_turn(network: Network, started: str, until: str) -> str:
    """As a long run does: nobody else's begins before it ends."""
    with network.part([network.layers[0].output]).turns:
        Path(started).write_text("started")
        while not Path(until).exists():
            time.sleep(0.01)
    return "undisturbed"


def waits_for_the_turn(network: Network, started: str) -> None:
    Path(started).write_text("started")
    with network.part([network.layers[0].output]).turns:
        pass


def deaf(started: str) -> None:
    """As `until_stopped`, but it never looks."""
    with open(started, "w") as file:  # noqa: PTH123
        file.write(str(os.getpid()))
    time.sleep(600)
