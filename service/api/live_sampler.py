"""A share of the images that production classified, shown to the inspector one after the other. Knows no route.

Nothing waits for it: an image that finds the queue full is let go and counted. An image is held in memory until it
was looked at, and never written anywhere; what stays are the layers' figures. A network whose truncated session is too
large to be kept (FOVEA_PREFIX_CACHE_BYTES) is opened anew for each image: sample few of those.
"""

import asyncio
import logging
import random
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice

from service.arrays import NetworkInput
from service.engine.classifier import Classifier
from service.engine.model_file import ModelFile
from service.engine.statistics import Statistics
from service.errors import FoveaError
from service.inspection.live.live_statistics import Seen, layers_drifted, look
from service.inspection.live.running_statistics import Activations, merged_layers

MOST_WAITING = 64  # images
_MOST_BYTES = 64 * 2**20  # of those: a network may take images of any size
_TOGETHER = 8  # images of one question to the inspector
# The inspector answers people too: they wait this much longer at most, or for one image on a large network.
_SECONDS = 0.25
_VERSIONS = 32  # whose figures are kept
_LAYERS = 64  # of a version, whose drift is counted: each is a label of /metrics
_JUDGE_SECONDS = 5.0  # between two looks at the drift of what was seen meanwhile

Ask = Callable[..., Awaitable[dict[str, Activations]]]
Key = tuple[str, int, str]  # name, version and checksum: a new file begins anew

log = logging.getLogger("fovea")


@dataclass(frozen=True, eq=False)
class _Sampled:
    key: Key
    file: ModelFile
    image: NetworkInput


class Sampler:
    """Used by the event loop's thread only."""

    def __init__(
        self, share: float, statistics: Statistics | None = None, judge_seconds: float = _JUDGE_SECONDS
    ) -> None:
        """`share` of the images, above 0 and at most 1."""
        self.share = share
        self._statistics = statistics or Statistics()
        self._judge_seconds = judge_seconds
        self._to_judge: dict[Key, ModelFile] = {}
        self._waiting: deque[_Sampled] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()
        self._seen: OrderedDict[Key, Seen] = OrderedDict()

    def offer(self, classifier: Classifier, images: Iterable[NetworkInput]) -> None:
        """Images that were just classified. Costs 0.1 microseconds for one that is not taken, else a copy of it."""
        for image in images:
            if random.random() < self.share:
                self._take(classifier, image)

    def seen(self, classifier: Classifier) -> Seen:
        """What is known of the images of this version's file."""
        key = _key(classifier)
        return self._seen.get(key) or Seen(key[-1])

    async def follow(self, ask: Ask) -> None:
        """Looks at what waits, until cancelled. `ask` is `Services.ask`."""
        while True:
            await self._filled.wait()
            key, file, images = self._next()
            try:
                layers = await ask(look, file, images, _SECONDS)
            except Exception as error:  # noqa: BLE001 - whatever it is, the next image may do better
                self._failed(key, len(images), error)
                continue
            self._looked(key, len(images), layers)
            self._judge_soon(key, file)

    def _take(self, classifier: Classifier, image: NetworkInput) -> None:
        key = _key(classifier)
        if key not in self._seen:
            self._statistics.judged(key[:2], {})
            self._seen[key] = Seen(key[-1], since=datetime.now(UTC).isoformat(timespec="seconds"))
            while len(self._seen) > _VERSIONS:
                self._seen.popitem(last=False)
        if len(self._waiting) >= MOST_WAITING or self._bytes + image.nbytes > _MOST_BYTES:
            self._change(key, dropped=1)
            return
        # A copy: the image may be a part of a large batch, which would be kept whole.
        self._waiting.append(_Sampled(key, classifier.file, image.copy()))
        self._bytes += image.nbytes
        self._filled.set()

    def _next(self) -> tuple[Key, ModelFile, list[NetworkInput]]:
        """What waits longest, and what came directly after it for the same network."""
        first = self._waiting[0]
        images: list[NetworkInput] = []
        while self._waiting and self._waiting[0].key == first.key and len(images) < _TOGETHER:
            images.append(self._waiting.popleft().image)
        self._bytes -= sum(image.nbytes for image in images)
        if not self._waiting:
            self._filled.clear()
        return first.key, first.file, images

    def _judge_soon(self, key: Key, file: ModelFile) -> None:
        if not self._to_judge:
            asyncio.get_running_loop().call_later(self._judge_seconds, self._judge)
        self._to_judge[key] = file

    def _judge(self) -> None:
        """Counts the drift of the versions that were looked at since the last time."""
        files, self._to_judge = self._to_judge, {}
        for key, file in files.items():
            report, seen = file.metadata.layer_statistics, self._seen.get(key)
            if report is not None and seen is not None:
                drifted = layers_drifted(seen, report)
                self._statistics.judged(key[:2], dict(islice(drifted.items(), _LAYERS)))

    def _looked(self, key: Key, count: int, layers: dict[str, Activations]) -> None:
        looked_at = max((layer.images for layer in layers.values()), default=0)
        self._change(key, layers=layers, seen=looked_at, dropped=count - looked_at)

    def _failed(self, key: Key, count: int, error: Exception) -> None:
        problem = str(error) if isinstance(error, FoveaError) else "the inspector failed, see the log"
        known = self._seen.get(key)
        if known is not None and known.problem != problem:  # once, not for every image
            log.warning("live statistics of %s %d: %s", *key[:2], problem, exc_info=not isinstance(error, FoveaError))
        self._change(key, failed=count, problem=problem)

    def _change(
        self,
        key: Key,
        *,
        seen: int = 0,
        dropped: int = 0,
        failed: int = 0,
        problem: str | None = None,
        layers: dict[str, Activations] | None = None,
    ) -> None:
        self._statistics.sampled(key[:2], {"seen": seen, "dropped": dropped, "failed": failed})
        known = self._seen.get(key)
        if known is None:  # forgotten meanwhile, for versions that came later
            return
        self._seen[key] = replace(
            known,
            dropped=known.dropped + dropped,
            failed=known.failed + failed,
            problem=problem or known.problem,
            layers=merged_layers([known.layers, layers]) if layers else known.layers,
        )


def _key(classifier: Classifier) -> Key:
    return classifier.name, classifier.version, classifier.file.sha256
