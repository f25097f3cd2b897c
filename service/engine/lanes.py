"""What waits and who is next: lanes of images, fair between models. Decides only: no threads, no clock, no ONNX.

A lane holds the requests for one loaded network with inputs of one shape, in the order they came; a batch is cut from
one lane. Between models the one that has used least time goes first. Not thread-safe: the scheduler holds its lock.
"""

from collections import Counter, deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

from service.engine.request import Part, Request
from service.engine.turn import Network


@dataclass
class _Model:
    """The lanes of one model. `used` is the time it was given, or as much as the others had when it came back."""

    used: float = 0.0
    lanes: dict[Hashable, deque[Request]] = field(default_factory=dict)
    images: Counter[Network] = field(default_factory=Counter)

    def seconds(self) -> float:
        """To work off everything that waits here."""
        return sum((count * network.costs.seconds_per_image() for network, count in self.images.items()), 0.0)


class Lanes:
    """Everything admitted that no executor has begun, also what is still being decoded."""

    def __init__(self, max_batch: int) -> None:
        self._max_batch = max_batch
        self._models: dict[str, _Model] = {}

    @property
    def images(self) -> int:
        """How many wait, also those that are still being decoded."""
        return sum(model.images.total() for model in self._models.values())

    @property
    def ready(self) -> bool:
        """Whether anything could run."""
        return any(model.lanes for model in self._models.values())

    def seconds_before(self, network: Network) -> float:
        """Work that comes before a new request for `network`: all there is, or its fair share of that, if less."""
        everything = sum((model.seconds() for model in self._models.values()), 0.0)
        own = self._models.get(network.name)
        others = len(self._models) - (own is not None)
        return min(everything, (own.seconds() if own else 0.0) * (1 + others))

    def admit(self, request: Request) -> None:
        """Counts the request's images from now on."""
        model = self._models.get(request.network.name)
        if model is None:
            least = min((other.used for other in self._models.values()), default=0.0)
            model = self._models[request.network.name] = _Model(used=least)
        model.images[request.network] += request.left

    def enqueue(self, request: Request) -> None:
        """The admitted request's images are there: it takes its place in its lane, by the time it came."""
        assert request.images is not None  # noqa: S101 - set by the caller
        lane = self._models[request.network.name].lanes.setdefault((request.network, request.images.shape[1:]), deque())
        lane.append(request)

    def forget(self, request: Request, images: int) -> None:
        """So many images of the request are no longer wanted, or begin now."""
        if not images:
            return
        model = self._models[request.network.name]
        model.images[request.network] -= images
        if model.images[request.network] <= 0:
            del model.images[request.network]
        if not model.images:
            del self._models[request.network.name]

    def take(self) -> list[Part]:
        """The next batch; empty where nothing can run."""
        while (model := self._next_model()) is not None:
            key = min(model.lanes, key=lambda lane: model.lanes[lane][0].arrived)
            if batch := self._cut(model, key):
                costs = batch[0].request.network.costs
                model.used += costs.seconds(sum(part.count for part in batch))
                return batch
        return []

    def _next_model(self) -> _Model | None:
        ready = [model for model in self._models.values() if model.lanes]
        return min(ready, key=lambda model: model.used, default=None)

    def _cut(self, model: _Model, key: Hashable) -> list[Part]:
        lane = model.lanes[key]
        waiting = _images(lane, self._max_batch)
        first = next((request.left for request in lane if request.left), 0)
        wanted = lane[0].network.costs.cut(waiting, min(first, waiting)) if waiting else 0
        batch = list(_parts(lane, wanted))
        if not lane:
            del model.lanes[key]
        for part in batch:
            self.forget(part.request, part.count)
        return batch


def _images(lane: deque[Request], enough: int) -> int:
    """How many wait in the lane, `enough` where there are more."""
    count = 0
    for request in lane:
        count += request.left
        if count >= enough:
            return enough
    return count


def _parts(lane: deque[Request], wanted: int) -> Iterator[Part]:
    """The first `wanted` images of the lane; requests that are used up or gone leave it."""
    while lane:
        request = lane[0]
        if request.left:
            if not wanted:
                return
            count = min(request.left, wanted)
            yield Part(request, request.taken, request.taken + count)
            request.taken += count
            wanted -= count
        if not request.left:
            lane.popleft()
