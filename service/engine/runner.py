"""One ONNX Runtime session on one device, running batches for one model. Knows no queue and no preprocessing.

Thread-safe. A run that is stopped ends after the node it is in, with StoppedError; the session stays usable.
"""

import logging
import re
import threading
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import count

import numpy as np
import onnxruntime as ort

from service.engine.devices import RUNTIME_ERRORS, Device, open_session
from service.engine.providers import foreign_nodes
from service.engine.session_model import SessionModel
from service.engine.turn import StoppedError, Turn
from service.errors import OutOfMemoryError

log = logging.getLogger("fovea")

Feed = Mapping[str, np.ndarray]

# Batch shapes of one thread that get GPU memory of their own; a scheduler's buckets are fewer.
MOST_SLOTS = 32
_NO_MEMORY = re.compile(r"Failed to allocate memory|out of memory|bad_alloc", re.IGNORECASE)
_GRAPH = "gpu_graph_id"
_NO_GRAPH = "-1"


class Runner:
    """`foreign_nodes` are the kinds of those nodes that ONNX Runtime runs elsewhere than on the device's provider."""

    def __init__(self, model: SessionModel, device: Device, number: int = 0) -> None:
        self.provider = device.provider
        self.session = open_session(model, device, number)
        self.foreign_nodes = foreign_nodes(self.session, device.provider)

    def run(self, feed: Feed, output: str, turn: Turn) -> np.ndarray:
        """The tensor `output` for one batch. Raises StoppedError, OutOfMemoryError, or what ONNX Runtime raises."""
        options = ort.RunOptions()
        turn.on_stop(lambda: setattr(options, "terminate", True))
        try:
            return self._run(feed, output, options)
        except RUNTIME_ERRORS as error:
            if options.terminate:
                raise StoppedError from error
            if _NO_MEMORY.search(str(error)):
                raise OutOfMemoryError(self.provider) from error
            raise

    def _run(self, feed: Feed, output: str, options: ort.RunOptions) -> np.ndarray:
        (values,) = self.session.run([output], dict(feed), options)
        found: np.ndarray = values
        return found


class BoundRunner(Runner):
    """Runs with inputs and outputs that stay where they are in the device's memory, which CUDA graphs need.

    A slot is one thread's, for one shape: ONNX Runtime keeps the captured graphs of each thread apart, and no two
    threads ever write to the same memory. A shape that finds no free slot runs without.
    """

    def __init__(self, model: SessionModel, device: Device, number: int = 0, memory: str = "cuda") -> None:
        super().__init__(model, device, number)
        self._place = (memory, device.gpus[number].index if device.gpus else 0)
        self.graphs = device.cuda_graphs
        self._graph_ids = count(1)
        # A session with CUDA graphs may not run in two threads at once; the copies before and after still overlap.
        self._alone = threading.Lock() if device.cuda_graphs else nullcontext()
        self._of_thread = threading.local()

    @property
    def slots(self) -> "dict[object, Slot]":
        """The calling thread's slots, by output, input names and shapes."""
        if not hasattr(self._of_thread, "slots"):
            self._of_thread.slots = {}
        found: dict[object, Slot] = self._of_thread.slots
        return found

    def _run(self, feed: Feed, output: str, options: ort.RunOptions) -> np.ndarray:
        key = (output, *((name, batch.shape) for name, batch in feed.items()))
        slot = self.slots.get(key)
        if slot is None and len(self.slots) < MOST_SLOTS:
            slot = self.slots[key] = self._slot(feed, output)
        options.add_run_config_entry(_GRAPH, slot.graph if slot else _NO_GRAPH)
        if slot is None:
            with self._alone:
                return super()._run(feed, output, options)
        slot.fill(feed)
        with self._alone:
            self.session.run_with_iobinding(slot.binding, options)
        answer: np.ndarray = slot.output.numpy().copy()  # of memory on the CPU it is a view, which the next run changes
        return answer

    def _slot(self, feed: Feed, output: str) -> "Slot":
        """Memory for one shape. A first run without a graph tells the output's shape, and its memory becomes ours."""
        binding = self.session.io_binding()
        inputs = {name: ort.OrtValue.ortvalue_from_numpy(batch, *self._place) for name, batch in feed.items()}
        for name, value in inputs.items():
            binding.bind_ortvalue_input(name, value)
        binding.bind_output(output, *self._place)
        options = ort.RunOptions()
        options.add_run_config_entry(_GRAPH, _NO_GRAPH)
        with self._alone:
            self.session.run_with_iobinding(binding, options)
        (given,) = binding.get_outputs()
        binding.bind_ortvalue_output(output, given)
        return Slot(inputs, given, binding, str(next(self._graph_ids)) if self.graphs else _NO_GRAPH)


@dataclass(frozen=True)
class Slot:
    """Input and output memory for batches of one shape, bound to the session; `graph` numbers its CUDA graph."""

    inputs: dict[str, ort.OrtValue]
    output: ort.OrtValue
    binding: ort.IOBinding
    graph: str

    def fill(self, feed: Feed) -> None:
        for name, batch in feed.items():
            self.inputs[name].update_inplace(np.ascontiguousarray(batch))


def runners(model: SessionModel, device: Device) -> tuple[Runner, ...]:
    """A runner for each session that `device` wants; says in the log where CUDA graphs are not possible."""
    return tuple(_runner(model, device, number) for number in range(device.sessions))


def _runner(model: SessionModel, device: Device, number: int) -> Runner:
    if not device.gpus:
        return Runner(model, device, number)
    if not device.cuda_graphs:
        return BoundRunner(model, device, number)
    try:
        return BoundRunner(model, device, number)
    except RUNTIME_ERRORS as error:  # control flow, or a node that CUDA does not have
        log.warning("a model runs without CUDA graphs: %s", str(error).strip().splitlines()[0])
        return BoundRunner(model, replace(device, cuda_graphs=False), number)
