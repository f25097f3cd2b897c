"""One loaded version of a model: input batches to scores, scores to probabilities.

Runs where it is called and holds no queue; `scheduler` decides when. Thread-safe: ONNX Runtime's sessions are.
"""

from dataclasses import dataclass, replace

import numpy as np
import onnx
import onnxruntime as ort

from service.arrays import InputBatch, Probabilities, Scores
from service.engine.costs import Costs, doubling, measured
from service.engine.devices import RUNTIME_ERRORS, Device, open_session
from service.engine.model_file import ModelFile
from service.engine.network_interface import Activation
from service.engine.turn import Turn
from service.errors import ModelFileError, ModelOutputInvalidError, NotAClassifierError, SmokeTestError, shown

_CONTROL_FLOW = {"If", "Loop", "Scan", "SequenceMap"}


@dataclass(frozen=True, eq=False)
class Classifier:
    """`activation` is what the graph's own output already went through: then it is never applied again.

    `steady`: a run of a batch size always costs the same, since nothing in the graph depends on the pixels' values.
    """

    name: str
    version: int
    file: ModelFile
    session: ort.InferenceSession
    device: Device
    activation: Activation | None
    costs: Costs
    steady: bool

    def scores(self, batch: InputBatch, turn: Turn) -> Scores:
        """One row of class scores per input, in as many runs as a fixed batch size takes; `turn` can stop them.

        Raises ModelOutputInvalidError where a score is not finite.
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
        if self.activation is not None:
            return scores
        return softmax(scores / np.float32(self.file.metadata.temperature))

    def feed(self, batch: InputBatch) -> dict[str, np.ndarray]:
        """The batch as the session takes it, filled up by repetition where only certain batch sizes are run."""
        return {self.file.input.name: _padded(batch, self.file.input.batch or self.costs.run_size(len(batch)))}

    def _run(self, batch: InputBatch, output: str, turn: Turn) -> Scores:
        options = ort.RunOptions()
        turn.on_stop(lambda: setattr(options, "terminate", True))
        feed = self.feed(batch)
        (scores,) = self.session.run([output], feed, options)
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
    try:
        session = open_session(file.model.SerializeToString(), device)
    except RUNTIME_ERRORS as error:
        raise ModelFileError(f"ONNX Runtime refuses the file: {_reason(error)}", "export the model again") from error
    activation = file.output.activation if file.output else None
    tested = _smoke_tested(
        Classifier(name, version, file, session, device, activation, Costs({1: 1.0}), _is_steady(file.model))
    )
    return replace(tested, costs=_warmed(tested, max_batch)) if file.output else tested


def softmax(logits: Scores) -> Probabilities:
    # exp overflows float32 above 88; the softmax does not change when a row is shifted.
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Probabilities = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def smoke_inputs(file: ModelFile) -> InputBatch:
    """A black image and one of seeded noise, as the network takes them."""
    preprocessing, channels = file.metadata.preprocessing, file.input.channels
    height, width = preprocessing.height, preprocessing.width
    shape = (height, width, channels) if preprocessing.layout == "NHWC" else (channels, height, width)
    noise = np.random.default_rng(0).random(shape, dtype=np.float32)
    scale = 255 if preprocessing.dtype == "uint8" else 1
    return np.stack([np.zeros_like(noise), noise * scale]).astype(preprocessing.dtype)


def _smoke_tested(classifier: Classifier) -> Classifier:
    """The classifier after one run; an output that is a distribution without ending in Softmax is found here."""
    file = classifier.file
    try:
        if file.output is None:
            classifier.session.run([file.model.graph.output[0].name], classifier.feed(smoke_inputs(file)[:1]))
            return classifier
        scores = classifier.scores(smoke_inputs(file), Turn())
    except ModelOutputInvalidError as error:
        raise SmokeTestError(
            f"a test image gives {error.what}", "export it with finite weights and one row of scores per image"
        ) from error
    except RUNTIME_ERRORS as error:
        raise SmokeTestError(f"a test image cannot be run: {_reason(error)}", "check the input's size") from error
    if classifier.activation is None and _is_distribution(scores):
        return replace(classifier, activation="softmax")
    return classifier


def _warmed(classifier: Classifier, max_batch: int) -> Costs:
    """What runs of each batch size cost, measured: the first run of a size plans its memory, the second counts."""
    image = smoke_inputs(classifier.file)[1:]
    fixed = classifier.file.input.batch
    padded = fixed is not None or classifier.device.provider == "cuda"

    def run(images: int) -> None:
        classifier.scores(np.repeat(image, images, axis=0), Turn())

    return measured([fixed] if fixed else list(doubling(max_batch)), run, padded=padded)


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
