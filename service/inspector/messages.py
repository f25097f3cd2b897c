"""What the service and its inspector process say to each other, pickled, over a pair of sockets only they hold."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from service.engine.model_file import ModelFile
from service.engine.parted import Parted
from service.engine.serialization import pieces
from service.errors import FoveaError


@dataclass(frozen=True)
class Reference:
    """A model file without its graph, which may be large: the process reads it from the file's path, or asks for it."""

    file: ModelFile


@dataclass(frozen=True)
class Question:
    """`work(*args)` is wanted. Model files stand among `args` as references."""

    number: int
    work: Callable[..., Any]
    args: tuple[Any, ...]


@dataclass(frozen=True)
class Unwanted:
    """Nobody waits for the answer any more."""

    number: int


@dataclass(frozen=True)
class Graph:
    """A model file that the process asked for. So many pieces of its bytes follow, as they are."""

    sha256: str
    pieces: int


@dataclass(frozen=True)
class GraphWanted:
    sha256: str
    number: int


@dataclass(frozen=True)
class Started:
    number: int


@dataclass(frozen=True)
class Waits:
    """One that is no longer wanted has only waited for others, and does nothing more: nobody need be ended over it."""

    number: int


@dataclass(frozen=True)
class Answered:
    number: int
    result: Any


@dataclass(frozen=True)
class Refused:
    number: int
    error: FoveaError


@dataclass(frozen=True)
class Broken:
    """A defect of ours; `trace` is the traceback."""

    number: int
    trace: str


def send(connection: Connection, message: object) -> None:
    """Raises OSError where the other side is gone, and whatever pickling raises before a byte is sent."""
    connection.send_bytes(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))


def send_graph(connection: Connection, sha256: str, model: Parted) -> None:
    """Copies none of the values that lie apart: a copy would hold up whatever else the process does."""
    found = list(pieces(model))
    send(connection, Graph(sha256, len(found)))
    for piece in found:
        connection.send_bytes(piece)


def received_graph(connection: Connection, graph: Graph) -> bytes:
    """What follows it."""
    return b"".join(connection.recv_bytes() for _ in range(graph.pieces))


def received(connection: Connection) -> Any:
    """The next message; raises EOFError or OSError where the other side is gone."""
    return pickle.loads(connection.recv_bytes())  # noqa: S301 - from our own process
