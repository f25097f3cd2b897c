"""One loaded version of a model: input batches to scores, scores to probabilities.

Runs where it is called and holds no queue; `scheduler` decides when. Thread-safe: ONNX Runtime's sessions are.
"""

import logging
from dataclasses import dataclass, replace

import numpy as np
import onnx

from service.arrays import InputBatch, Probabilities, Scores
from service.engine.costs import Costs, doubling, measured
from service.engine.devices import RUNTIME_ERRORS, Device
from service.engine.model_file import ModelFile
from service.engine.network_interface import Activation
from service.engine.probabilities import probabilities
from service.engine.runner import Runner, runners
from service.engine.session_model import SessionModel, apart, whole
from service.engine.turn import Turn
from service.errors import (
    ModelFileError,
    ModelOutputInvalidError,
    NotAClassifierError,
    OutOfMemoryError,
    SmokeTestError,
    shown,
)

# A second session of a network holds its weights again, which has to be worth it.
_WORTH_SECONDS = 0.002
_WORTH_BYTES = 256 * 2**20
_WORTH_SHARE = 0.8
_CONTROL_FLOW = {"If", "Loop", "Scan", "SequenceMap"}

log = logging.getLogger("fovea")


@dataclass(frozen=True, eq=False)
class Classifier:
    """`activation` is what the graph's own output already went through: then it is never applied again.

    `alone` takes the place of `runners` where nothing else runs: the same network, with more threads.
    `steady`: a run of a batch size always costs the same, since nothing in the graph depends on the pixels' values.
    """

    name: str
    version: int
    file: ModelFile
    runners: tuple[Runner, ...]
    device: Device
    activation: Activation | None
    costs: Costs
    steady: bool
    alone: Runner | None = None

    def scores(self, batch: InputBatch, turn: Turn) -> Scores:
        """One row of class scores per input, in as many runs as a fixed batch size takes; `turn` can stop them.

        Raises ModelOutputInvalidError where a score is not finite, StoppedError where the turn was stopped.
        """
        output = self.file.output
        if output is None:
            raise NotAClassifierError(self.name)
        parts = [self._run(part, output.name, turn) for part in self._parts(batch)]
        scores = parts[0] if len(parts) == 1 else np.concatenate(parts)
        if not np.isfinite(scores).all():
            raise ModelOutputInvalidError(self.name)
        return scores

    def probabilities(self, scores: Scores) -> Probabilities:
        """Each row as probabilities in 0..1; a softmax row sums to 1. An output that already is one stays as it is."""
        return probabilities(scores, self.activation, self.file.metadata.temperature)

    def feed(self, batch: InputBatch) -> dict[str, np.ndarray]:
        """The batch as the session takes it, filled up by repetition where only certain batch sizes are run."""
        return {self.file.input.name: _padded(batch, self.file.input.batch or self.costs.run_size(len(batch)))}

    def runner(self, turn: Turn) -> Runner:
        """The one on the device that the turn's executor drives, or the one with more threads where that is right."""
        if turn.alone and self.alone is not None:
            return self.alone
        return self.runners[self.device.executors[turn.executor]]

    def _run(self, batch: InputBatch, output: str, turn: Turn) -> Scores:
        feed = self.feed(batch)
        scores = self.runner(turn).run(feed, output, turn)
        if len(scores) != len(feed[self.file.input.name]):
            raise ModelOutputInvalidError(self.name, f"{len(scores)} rows for {len(feed[self.file.input.name])} images")
        rows: Scores = scores[: len(batch)].reshape(len(batch), -1).astype(np.float32, copy=False)
        return rows

    def _parts(self, batch: InputBatch) -> list[np.ndarray]:
        size = self.file.input.batch or (self.costs.largest if self.costs.padded else len(batch))
        return [batch[start : start + size] for start in range(0, len(batch), size)]


def load(name: str, version: int, file: ModelFile, device: Device, max_batch: int = 1) -> Classifier:
    """A classifier that has run each of its batch sizes up to `max_batch`.

    Raises ModelFileError where the file cannot be run or answers NaN.
    """
    model = apart(file.parted) if device.provider == "cpu" else whole(file.parted)  # not tried on others
    try:
        opened = runners(model, device)
    except RUNTIME_ERRORS as error:
        raise ModelFileError(f"ONNX Runtime refuses the file: {_reason(error)}", "export the model again") from error
    if foreign := opened[0].foreign_nodes:
        kinds = ", ".join(sorted(set(foreign)))
        log.info("%s %d: %d nodes run on the CPU, not by %s: %s", name, version, len(foreign), device.provider, kinds)
    activation = file.output.activation if file.output else None
    steady = _is_steady(file.parted.message)
    tested = _smoke_tested(Classifier(name, version, file, opened, device, activation, Costs({1: 1.0}), steady))
    if file.output is None:
        return tested
    warmed = replace(tested, costs=_warmed(tested, max_batch))
    return replace(warmed, alone=_runner_alone(warmed, model, max_batch))


def smoke_inputs(file: ModelFile) -> InputBatch:
    """A black image and one of seeded noise, as the network takes them."""
    preprocessing, channels = file.metadata.preprocessing, file.input.channels
    height, width = preprocessing.height, preprocessing.width
    shape = (height, width, channels) if preprocessing.layout == "NHWC" else (channels, height, width)
    noise = np.random.default_rng(0).random(shape, dtype=np.float32)
    scale = 255 if preprocessing.dtype == "uint8" else 1
    return np.stack([np.zeros_like(noise), noise * scale]).astype(preprocessing.dtype)


_OF_THE_RUN: tuple[type[Exception], ...] = (OutOfMemoryError, *RUNTIME_ERRORS)


def _smoke_tested(classifier: Classifier) -> Classifier:
    """The classifier after one run on each device; an output that is a distribution without Softmax is found here."""
    try:
        answers = [_smoke_scores(classifier, Turn(executor)) for executor in range(classifier.device.sessions)]
    except ModelOutputInvalidError as error:
        raise SmokeTestError(
            f"a test image gives {error.what}", "export it with finite weights and one row of scores per image"
        ) from error
    except _OF_THE_RUN as error:
        raise SmokeTestError(f"a test image cannot be run: {_reason(error)}", "check the input's size") from error
    if classifier.activation is None and answers[0] is not None and _is_distribution(answers[0]):
        return replace(classifier, activation="softmax")
    return classifier


def _smoke_scores(classifier: Classifier, turn: Turn) -> Scores | None:
    """None where the network has no classes; then its first output is run."""
    inputs, file = smoke_inputs(classifier.file), classifier.file
    if file.output is not None:
        return classifier.scores(inputs, turn)
    classifier.runner(turn).run(classifier.feed(inputs[:1]), file.graph.output[0].name, turn)
    return None


def _warmed(classifier: Classifier, max_batch: int) -> Costs:
    """What runs of each batch size cost, measured: the first run of a size plans its memory, the second counts."""
    image = smoke_inputs(classifier.file)[1:]
    fixed = classifier.file.input.batch
    padded = fixed is not None or classifier.device.provider == "cuda"

    def run(images: int) -> None:
        for executor in range(classifier.device.sessions):
            classifier.scores(np.repeat(image, images, axis=0), Turn(executor))

    return measured([fixed] if fixed else list(doubling(max_batch)), run, padded=padded)


def _runner_alone(classifier: Classifier, model: SessionModel, max_batch: int) -> Runner | None:
    """The network once more, with all threads: where there are more, it fits, and they make a lone image quicker."""
    threads, costs, file = classifier.device.alone_threads, classifier.costs, classifier.file
    if threads is None or max_batch == 1 or costs.seconds(1) < _WORTH_SECONDS or file.size_bytes > _WORTH_BYTES:
        return None
    opened = Runner(model, replace(classifier.device, threads=threads))
    alone, image = replace(classifier, alone=opened), smoke_inputs(file)[1:]

    def run(_images: int) -> None:
        alone.scores(image, Turn(alone=True))

    quicker = measured([1], run, padded=False)
    return opened if quicker.seconds(1) < _WORTH_SHARE * costs.seconds(1) else None


def _is_steady(model: onnx.ModelProto) -> bool:
    nodes = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    return not any(node.op_type in _CONTROL_FLOW for node in nodes)


def _is_distribution(scores: Scores) -> bool:
    return bool((scores >= 0).all() and np.allclose(scores.sum(axis=1), 1, atol=1e-3))


def _padded(batch: InputBatch, size: int) -> np.ndarray:
    missing = size - len(batch)
    return batch if missing == 0 else np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)])


def _reason(error: Exception) -> str:
    return shown(str(error).strip().splitlines()[0], 200)
