"""What an answer with feature maps may hold, and where to go instead: the URL of a question that does fit.

Knows the query and the sizes; no values.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from service.errors import AnswerTooLargeError
from service.inspection.maps.activations import Tap
from service.inspection.maps.channels import Picked
from service.inspection.maps.map_query import FeatureMapsQuery
from service.inspection.maps.map_reading import Read
from service.inspection.maps.statistics import HISTOGRAM_BINS

MAX_JSON_NUMBERS = 200_000  # about 2 MB of text; npz holds the same in 0.8 MB, unrounded
MAX_JSON_STATISTICS = 1_000_000  # about 10 MB

_PER_LAYER = 2 * HISTOGRAM_BINS + 10
_PER_CHANNEL = HISTOGRAM_BINS + 6


@dataclass(frozen=True)
class Address:
    """Whose answer it is, and the path of that version as the client sees it."""

    model: str
    version: int
    url: str


def question_url(address: Address, query: FeatureMapsQuery, **changes: object) -> str:
    """The same question with some parameters changed; None takes one out."""
    stated = query.model_dump(exclude_defaults=True) | changes
    pairs = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in stated.items()
        if value is not None
    }
    return f"{address.url}/feature-maps?{urlencode(pairs, safe=',*+')}"


def of_tap(tap: Tap) -> dict[str, object]:
    """The parameters that mean this place and no other."""
    which = {} if tap.activation == "none" else {"activation": tap.activation}
    return {"layers": tap.layer.id, **which}


@dataclass(frozen=True)
class Limits:
    """What one question may be answered with; `images` is how many it is asked of."""

    address: Address
    query: FeatureMapsQuery
    images: int
    max_bytes: int

    def require_text(self, read: Sequence[Read], picked: Picked | None, *, values: bool, channels: bool) -> None:
        """Raises AnswerTooLargeError where JSON would hold too much of this, once for every image."""
        count = self.images * sum(one.picked(picked).size for one in read) if values else 0
        if count > MAX_JSON_NUMBERS:
            raise AnswerTooLargeError(
                f"{count:,} numbers are too many for JSON, which may hold {MAX_JSON_NUMBERS:,}",
                f"{self._instead(read, picked, values=None, channels=None, format='npz')}, or name fewer layers",
            )
        rows = sum(one.values.shape[one.axis] for one in read if one.axis is not None) if channels else 0
        stated = self.images * (len(read) * _PER_LAYER + rows * _PER_CHANNEL)
        if stated > MAX_JSON_STATISTICS:
            raise AnswerTooLargeError(
                f"{stated:,} statistics are too many for JSON, which may hold {MAX_JSON_STATISTICS:,}",
                f"POST to {self._url(**of_tap(read[0].tap))}, that is, name fewer layers, or send fewer images",
            )

    def require_bytes(self, read: Sequence[Read], picked: Picked | None = None) -> None:
        """Raises AnswerTooLargeError where the values of every image are more than the answer's bytes."""
        size = self._bytes(read, picked)
        if size > self.max_bytes:
            raise AnswerTooLargeError(
                f"{size:,} bytes of numbers; at most {self.max_bytes:,} are sent",
                self._instead(read, picked, name_fewer=True),
            )

    def require_images(self, read: Sequence[Read]) -> None:
        """Raises AnswerTooLargeError where the values behind the pictures of all images are more than an answer's."""
        size = self._bytes(read, None)
        if size > self.max_bytes:
            raise AnswerTooLargeError(
                f"{size:,} bytes of numbers are behind these pictures; at most {self.max_bytes:,} are read",
                "send fewer images, or name fewer layers",
            )

    def _instead(
        self, read: Sequence[Read], picked: Picked | None, *, name_fewer: bool = False, **changes: object
    ) -> str:
        """Where as much as possible of this can be had: all layers, else one, else one channel of it."""
        if not name_fewer and self._bytes(read, picked) <= self.max_bytes:
            return f"POST the image to {self._url(**changes)}"
        for one in read:
            if self._bytes([one], picked) <= self.max_bytes:
                return f"POST the image to {self._url(**changes, **of_tap(one.tap))} for one layer at a time"
        for one in read:
            if one.axis is not None and self._bytes([one], (0,)) <= self.max_bytes:
                return (
                    f"POST the image to {self._url(**changes, **of_tap(one.tap), channel=0)} for one channel at a time"
                )
        return "send fewer images" if self.images > 1 else "ask for format=png"

    def _url(self, **changes: object) -> str:
        return question_url(self.address, self.query, **changes)

    def _bytes(self, read: Sequence[Read], picked: Picked | None) -> int:
        return self.images * sum(one.picked(picked).nbytes for one in read)
