"""One loaded version of a model: input batches to scores, scores to probabilities.

Runs where it is called and holds no queue; `scheduler` decides when. Thread-safe: ONNX Runtime's sessions are.
"""

from dataclasses import dataclass

import numpy as np
import onnxruntime as ort

from service.arrays import InputBatch, Probabilities, Scores
from service.engine.devices import RUNTIME_ERRORS, Device, open_session
from service.engine.model_file import ModelFile
from service.engine.network_interface import Activation
from service.errors import ModelFileError, ModelOutputInvalidError, NotAClassifierError, SmokeTestError, shown


@dataclass(frozen=True)
class Classifier:
    """`activation` is what the graph's own output already went through: then it is never applied again."""

    name: str
    version: int
    file: ModelFile
    session: ort.InferenceSession
    device: Device
    activation: Activation | None

    def scores(self, batch: InputBatch) -> Scores:
        """One row of class scores per input. Raises ModelOutputInvalidError where one is not finite."""
        output = self.file.output
        if output is None:
            raise NotAClassifierError(self.name)
        scores = np.concatenate([self._run(part, output.name) for part in self._parts(batch)])
        if not np.isfinite(scores).all():
            raise ModelOutputInvalidError(self.name)
        return scores

    def probabilities(self, scores: Scores) -> Probabilities:
        """Each row as probabilities in 0..1; a softmax row sums to 1. An output that already is one stays as it is."""
        if self.activation is not None:
            return scores
        return softmax(scores / np.float32(self.file.metadata.temperature))

    def feed(self, batch: InputBatch) -> dict[str, np.ndarray]:
        """The batch as the session takes it: filled up by repetition where the network has a fixed batch size."""
        fixed = self.file.input.batch
        return {self.file.input.name: _padded(batch, fixed) if fixed else batch}

    def _run(self, batch: InputBatch, output: str) -> Scores:
        (scores,) = self.session.run([output], self.feed(batch))
        rows: Scores = scores[: len(batch)].reshape(len(batch), -1).astype(np.float32, copy=False)
        return rows

    def _parts(self, batch: InputBatch) -> list[np.ndarray]:
        size = self.file.input.batch or len(batch)
        return [batch[start : start + size] for start in range(0, len(batch), size)]


def load(name: str, version: int, file: ModelFile, device: Device) -> Classifier:
    """A classifier that has answered once; raises ModelFileError where the file cannot be run or answers NaN."""
    try:
        session = open_session(file.model.SerializeToString(), device)
    except RUNTIME_ERRORS as error:
        raise ModelFileError(f"ONNX Runtime refuses the file: {_reason(error)}", "export the model again") from error
    activation = file.output.activation if file.output else None
    classifier = Classifier(name, version, file, session, device, activation)
    return _smoke_tested(classifier)


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
        scores = classifier.scores(smoke_inputs(file))
    except ModelOutputInvalidError as error:
        raise SmokeTestError("a test image gives NaN or infinity", "export the model with finite weights") from error
    except RUNTIME_ERRORS as error:
        raise SmokeTestError(f"a test image cannot be run: {_reason(error)}", "check the input's size") from error
    if classifier.activation is None and _is_distribution(scores):
        return Classifier(classifier.name, classifier.version, file, classifier.session, classifier.device, "softmax")
    return classifier


def _is_distribution(scores: Scores) -> bool:
    return bool((scores >= 0).all() and np.allclose(scores.sum(axis=1), 1, atol=1e-3))


def _padded(batch: InputBatch, size: int) -> np.ndarray:
    missing = size - len(batch)
    return batch if missing == 0 else np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)])


def _reason(error: Exception) -> str:
    return shown(str(error).strip().splitlines()[0], 200)
