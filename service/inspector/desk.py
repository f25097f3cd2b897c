"""What the inspector process does all day: takes questions, answers them in threads, stops what nobody wants.

Runs one network at a time, on one thread. May be killed at any moment: nothing is kept that cannot be made again.
"""

import os
import threading
import traceback
from collections import OrderedDict
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from hashlib import sha256
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import onnx
from onnxruntime import InferenceSession

from service.engine.devices import Device, open_session
from service.engine.parted import Parted
from service.engine.session_model import SessionModel
from service.errors import FoveaError
from service.inspection.network import Network
from service.inspection.prefix_sessions import PrefixSessions
from service.inspection.stopping import Stop, StoppedError, acquire, awaited, current
from service.inspection.turns import Turns
from service.inspector.messages import (
    Answered,
    Broken,
    Graph,
    GraphWanted,
    Question,
    Reference,
    Refused,
    Started,
    Unwanted,
    Waits,
    received,
    received_graph,
    send,
)

_THREADS = 4  # runs of networks take turns (PrefixSessions); decoding, tables and pictures go on beside them
_NETWORKS_BYTES = 512 * 2**20


class Desk:
    """Takes questions from the connection, answers them in threads."""

    def __init__(self, connection: Connection, max_bytes: int) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._sessions = PrefixSessions(_session, max_bytes)
        self._networks: OrderedDict[str, Network] = OrderedDict()
        self._opening = Turns(acquire)
        self._graphs: dict[str, Future[bytes]] = {}
        self._stops: dict[int, Stop] = {}
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="inspector", initializer=_only_where_idle)

    def serve(self) -> None:
        """Until the service is gone."""
        with suppress(EOFError, OSError):
            while True:
                self._take(received(self._connection))

    def _take(self, message: Any) -> None:
        match message:
            case Question():
                self._stops[message.number] = Stop()
                self._threads.submit(self._work_on, message)
            case Unwanted():
                if (stop := self._stops.get(message.number)) is not None:
                    stop()
                    if stop.waits.is_set():  # what waits gets the CPU last of all, and may end late
                        self._say(Waits(message.number))
            case Graph():
                data = received_graph(self._connection, message)
                with suppress(KeyError, InvalidStateError):  # whoever asked was stopped meanwhile
                    self._graphs[message.sha256].set_result(data)

    def _work_on(self, question: Question) -> None:
        self._say(Started(question.number))
        current.set(self._stops[question.number])
        try:
            self._say(Answered(question.number, self._result(question)))
        except FoveaError as error:
            self._say(Refused(question.number, error))
        except StoppedError:
            self._say(Answered(question.number, None))
        except Exception:  # noqa: BLE001 - the service logs it and answers 500
            self._say(Broken(question.number, traceback.format_exc()))
        finally:
            del self._stops[question.number]

    def _result(self, question: Question) -> Any:
        if self._stops[question.number].asked.is_set():
            raise StoppedError
        network = partial(self._network, number=question.number)
        return question.work(*(network(arg) if isinstance(arg, Reference) else arg for arg in question.args))

    def _say(self, message: object) -> None:
        with self._sending:
            send(self._connection, message)

    def _network(self, reference: Reference, number: int) -> Network:
        """One question opens a file, the others wait for it; the least recently used ones are forgotten."""
        with self._opening:
            digest = reference.file.sha256
            network = self._networks.pop(digest, None) or self._opened(reference, number)
            self._networks[digest] = network
            while sum(n.file.size_bytes for n in self._networks.values()) > max(
                _NETWORKS_BYTES, network.file.size_bytes
            ):
                self._networks.popitem(last=False)
            return network

    def _opened(self, reference: Reference, number: int) -> Network:
        """The service has checked the file: here it is only parsed."""
        file = reference.file
        data = _unchanged(file.path, file.sha256) or self._asked_for(file.sha256, number)
        return Network(replace(file, parted=Parted(onnx.load_model_from_string(data))), self._sessions)

    def _asked_for(self, digest: str, number: int) -> bytes:
        self._graphs[digest] = Future()
        try:
            self._say(GraphWanted(digest, number))
            return awaited(self._graphs[digest])
        finally:
            del self._graphs[digest]


def _session(model: bytes) -> InferenceSession:
    return open_session(SessionModel(model), Device("cpu", 1, "inspection"))


def _only_where_idle() -> None:
    """Gives this thread the CPU time that nobody else wants, and takes it back at once: production's p99 does not move.

    With niceness 19 alone it grew by a third and more (docs/decisions/0013-looking-inside.md).
    """
    with suppress(AttributeError, OSError):  # Linux only; elsewhere the process's niceness has to do
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _unchanged(path: Path | None, digest: str) -> bytes | None:
    """The file's bytes, None where they are no longer those that were checked."""
    with suppress(OSError):
        data = path.read_bytes() if path else b""
        if sha256(data).hexdigest() == digest:
            return data
    return None
