"""The rows of one part: the service's own preparation, network and ranking, without HTTP and without a queue."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from service.api.classification import prepared, ranked
from service.api.uploads import Upload
from service.bulk.job import Job
from service.bulk.sources import Item
from service.engine.classifier import Classifier
from service.engine.devices import chosen_device
from service.engine.outcomes import run
from service.engine.registry import Registry
from service.engine.repository import pinned
from service.engine.trial import verdicts
from service.engine.turn import Turn
from service.engine.watching import Trial, Watcher
from service.errors import FoveaError, ModelFileError, NotAClassifierError
from service.images.decoding import ImageLimits
from service.settings import Settings

_CLASS = [("label", pa.string()), ("index", pa.int32()), ("probability", pa.float32())]
SCHEMA = pa.schema([("path", pa.string()), *_CLASS, ("top", pa.list_(pa.struct(_CLASS))), ("error", pa.string())])


@dataclass(frozen=True)
class PartClassifier:
    """Classifies parts of one job with as many runs at once as the device has executors."""

    job: Job
    classifier: Classifier
    limits: ImageLimits
    batch: int

    def write(self, part: int) -> int:
        """Classifies the part and writes its rows; the number of images that got an error instead of a label.

        Memory: the files and inputs of as many batches as there are executors, and the answers.
        """
        rows = pa.Table.from_pylist(list(self._rows(part)), SCHEMA)
        self.job.write(part, rows)
        return self.job.count(part) - int(rows["error"].null_count)

    def _rows(self, part: int) -> Iterator[dict[str, Any]]:
        executors = len(self.classifier.device.executors)
        waiting: deque[Future[list[dict[str, Any]]]] = deque()
        with ThreadPoolExecutor(executors, thread_name_prefix="bulk") as pool:
            for number, items in enumerate(_batches(self.job.source(part).items(), self.batch)):
                waiting.append(pool.submit(self._classified, items, number % executors))
                if len(waiting) > executors:  # one more than can run, so that files are read meanwhile
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()

    def _classified(self, items: Sequence[Item], executor: int) -> list[dict[str, Any]]:
        """One batch. An image that cannot be used, or fails alone in the network, has its error."""
        inputs = [
            item if isinstance(item, FoveaError) else prepared(Upload(item), self.limits, self.classifier)
            for _, item in items
        ]
        images = [item for item in inputs if not isinstance(item, FoveaError)]
        pieces = run(self.classifier, np.stack(images), Turn(executor)) if images else []
        answers = iter(ranked(self.classifier, pieces, self.job.asked.top))
        return [
            _row(path, item if isinstance(item, FoveaError) else next(answers))
            for (path, _), item in zip(items, inputs, strict=True)
        ]


def loaded(settings: Settings, model: str, version: str | None, *, cpus: int | None = None) -> Classifier:
    """The version of the model that the service would answer with, tried, loaded and warmed.

    Raises Unknown...Error, ModelFileError, NotAClassifierError or ProviderUnavailableError.
    """
    pin = pinned(settings.models, model) if version is None else None
    return _loaded(settings, model, str(pin) if isinstance(pin, int) else version, cpus, verdicts)


def part_classifier(job: Job, settings: Settings, *, cpus: int | None = None) -> PartClassifier:
    """For a job that was begun, by this process or by another: its model file was tried then, and must be the same.

    Raises ModelFileError where it is another one now.
    """
    asked = job.asked
    classifier = _loaded(
        settings, asked.model, str(asked.version), cpus, lambda paths: ((path, None) for path in paths)
    )
    if classifier.file.sha256 != asked.sha256:
        found = f"{asked.model} version {asked.version} is another file than the one that the job was begun with"
        raise ModelFileError(found, "put that back, or begin again in another folder")
    return PartClassifier(job, classifier, ImageLimits(max_pixels=settings.max_image_pixels), settings.max_batch)


def _loaded(settings: Settings, model: str, version: str | None, cpus: int | None, trial: Trial) -> Classifier:
    device = chosen_device(settings.provider, settings.threads, cpus=cpus, cuda_graphs=settings.cuda_graphs)
    registry = Registry()
    Watcher(settings.models, registry, device, trial, max_batch=settings.max_batch).load(model, version)
    classifier = registry.classifier(model, version)
    if classifier.file.output is None:
        raise NotAClassifierError(model)
    return classifier


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _row(path: str, answer: FoveaError | dict[str, Any]) -> dict[str, Any]:
    """`answer` is one of `ranked`, or why there is none."""
    if isinstance(answer, FoveaError):
        return {"path": path, "error": f"{answer.code}: {answer}"}
    if failed := answer.get("error"):
        return {"path": path, "error": f"{failed['code']}: {failed['detail']}; {failed['remedy']}"}
    top = answer["predictions"]
    return {"path": path, **top[0], "top": top}
