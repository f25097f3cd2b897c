"""Reads what one request about feature maps asks for: the values at each place, image by image. Knows no answer."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from service.arrays import FeatureMaps, NetworkInput
from service.errors import FoveaError, InvalidParameterError
from service.images.decoding import ImageLimits
from service.inspection import stopping
from service.inspection.maps.activations import Tap
from service.inspection.maps.channels import Picked, as_maps, channel_axis, channels_first, of_channels
from service.inspection.network import Network
from service.inspection.stopwatch import Stopwatch

SentImage = tuple[str | None, bytes]  # the client's name for it, and the file


@dataclass(frozen=True)
class Read:
    """The values of one place for one image, as in the file: the batch axis first, `axis` the channels' one."""

    tap: Tap
    values: np.ndarray
    axis: int | None

    def picked(self, wanted: Picked | None) -> np.ndarray:
        return self.values if wanted is None else of_channels(self.values, self.axis, wanted, self.tap.layer.id)

    def numbers(self, wanted: Picked | None) -> np.ndarray:
        """As they are sent: the channels before height and width."""
        return channels_first(self.picked(wanted), self.axis)

    @property
    def maps(self) -> FeatureMaps:
        return as_maps(self.tap.layer.id, self.values, self.axis)


@dataclass(frozen=True)
class Reader:
    """The network, the places in it, and how long reading them has taken so far."""

    network: Network
    taps: Sequence[Tap]
    limits: ImageLimits
    watch: Stopwatch = field(default_factory=Stopwatch)

    def inputs(self, images: Sequence[SentImage]) -> Iterator[tuple[int, NetworkInput | FoveaError]]:
        """Each image's input, or why it has none; that of a single image is raised."""
        for index, (_, data) in enumerate(images):
            stopping.check()
            try:
                with self.watch.phase("decode"):
                    decoded = self.network.input(data, self.limits)
            except FoveaError as error:
                if len(images) == 1:
                    raise
                yield index, error
            else:
                yield index, decoded

    def good_inputs(self, images: Sequence[SentImage]) -> Iterator[NetworkInput]:
        """Each image's input, for forms in which an image cannot have an error of its own: the first one is raised."""
        for index, item in self.inputs(images):
            if isinstance(item, FoveaError):
                item.detail = f"image {index}: {item.detail}"
                raise item
            yield item

    def read(self, image: NetworkInput) -> list[Read]:
        """One for each place; runs the network as far as the deepest one."""
        with self.watch.phase("inference"):
            tensors = self.network.values([tap.tensor for tap in self.taps], image)
        return [self._read(tap, tensors[tap.tensor]) for tap in self.taps]

    def _read(self, tap: Tap, values: np.ndarray) -> Read:
        if values.dtype.kind not in "fiub":
            raise InvalidParameterError("layers", tap.layer.id, f"it holds {values.dtype}: ask for one with numbers")
        return Read(tap, values, channel_axis(self.network, tap.row, values.ndim))


def read_all(
    reader: Reader, images: Sequence[SentImage], require: Callable[[Sequence[Read]], None]
) -> list[list[Read]]:
    """All places for all images; `require` is shown the first image's and may refuse what all would take."""
    found = []
    for image in reader.good_inputs(images):
        found.append(reader.read(image))
        if len(found) == 1:
            require(found[0])
    return found
