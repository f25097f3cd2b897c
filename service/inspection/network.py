"""One model file as this package looks at it: its layers, its table, and what its tensors hold for an image.

Everything that does not depend on an image is worked out once. Knows no HTTP and not the sessions that classify.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np

from service.arrays import InputBatch, NetworkInput, Pixels
from service.engine.model_file import ModelFile
from service.errors import InvalidParameterError
from service.images.decoding import ImageLimits
from service.images.network_input import network_input, picture
from service.inspection.graph.graph_size import MAX_NODES, refuse_too_many_nodes
from service.inspection.graph.layers import Layer, layer_named, layers
from service.inspection.graph.selection import selected
from service.inspection.prefix_sessions import Feed, Part, PrefixSessions
from service.inspection.shapes.input_size import picture as picture_input
from service.inspection.shapes.layer_shapes import shapes_of
from service.inspection.shapes.layer_table import LayerShapes
from service.inspection.shapes.sight import View, views
from service.inspection.shapes.tensor_types import tensor_types

_TABLES = 8  # kept for each network: sizes and batches that people go back and forth between


class Network:
    """A checked model file and the truncated sessions of it that `sessions` keeps. Thread-safe."""

    def __init__(self, file: ModelFile, sessions: PrefixSessions) -> None:
        self.file = file
        self.sessions = sessions
        self._tables: OrderedDict[tuple[int | None, ...], LayerShapes] = OrderedDict()
        self._lock = threading.Lock()

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """In the order they run. Raises GraphTooLargeError for a graph that takes too long to look into."""
        refuse_too_many_nodes(self.file.graph)
        return layers(self.file.model, self.file.metadata.layers)

    def layer(self, name: str) -> Layer:
        """By id or alias; raises UnknownLayerError with the nearest names."""
        return layer_named(name, self.layers)

    def selected(self, names: str) -> list[Layer]:
        """The layers meant by ids, aliases, kinds or patterns with commas between, in the network's order."""
        return selected(self.layers, names.split(","))

    def table(self, batch: int | None = None, height: int | None = None, width: int | None = None) -> LayerShapes:
        """For the size that images are brought to before this network, where no other is asked for. Kept for later."""
        stated = self.file.metadata.preprocessing
        key = batch, height or stated.height, width or stated.width
        with self._lock:
            if key in self._tables:
                self._tables.move_to_end(key)
                return self._tables[key]
        table = shapes_of(self.layers, self.file.model, batch=key[0], height=key[1], width=key[2])
        with self._lock:
            self._tables[key] = table
            # Of a large graph fewer are kept: a row takes some kilobytes.
            while len(self._tables) > max(1, min(_TABLES, MAX_NODES // (len(table.layers) + 1))):
                self._tables.popitem(last=False)
        return table

    @cached_property
    def sights(self) -> Mapping[str, View]:
        """What the units of every tensor see of the picture the network receives; None where nobody can tell."""
        stated = self.file.metadata.preprocessing
        image = picture_input(self.file.model, self.layers, None, None, None)
        if image is not None and None in image.size:
            image = picture_input(self.file.model, self.layers, None, stated.height, stated.width)
        return views(self.layers, tensor_types(self.file.model, image), image)

    def received(self, data: bytes, limits: ImageLimits) -> Pixels:
        """The exact picture the network is given, before any arithmetic. Raises what decoding raises."""
        return picture(data, limits, self.file.metadata.preprocessing)

    def input(self, data: bytes, limits: ImageLimits) -> NetworkInput:
        """An image file as the network takes it, without the batch axis. Raises what decoding raises."""
        return network_input(data, limits, self.file.metadata.preprocessing)

    def values(self, tensors: Sequence[str], image: NetworkInput) -> dict[str, np.ndarray]:
        """The named tensors for one image, at the cost of the deepest one; float16 comes as float32.

        The batch axis stays, with 1 entry, also where the file has fixed a larger batch.
        """
        copies = self.file.input.batch or 1
        found = self._run(tensors, image[None] if copies == 1 else np.repeat(image[None], copies, axis=0))
        return {name: _first(values, copies) for name, values in found.items()}

    def rows(self, tensor: str, batch: InputBatch) -> np.ndarray:
        """A tensor that has one row per image (as the scores have), for many images in one or more runs."""
        size = self.file.input.batch or len(batch)
        parts = [self._run([tensor], part)[tensor][:real] for part, real in _parts(batch, size)]
        if sum(map(len, parts)) != len(batch):
            raise InvalidParameterError("layer", tensor, "it has no row per image")
        return np.concatenate(parts)

    def part(self, tensors: Sequence[str], given: Feed | None = None, *, any_rows: bool = False) -> Part:
        """What computes the tensors from the image, or from other tensors: see `PrefixSessions.part`."""
        return self.sessions.part(self.file.sha256, self.file.model, tensors, given, any_rows=any_rows)

    def _run(self, tensors: Sequence[str], batch: InputBatch) -> Mapping[str, np.ndarray]:
        return self.sessions.run(self.file.sha256, self.file.model, tensors, {self.file.input.name: batch})


def _first(values: np.ndarray, copies: int) -> np.ndarray:
    """The first image's part where a fixed batch was filled up with copies of it."""
    return values[:1] if copies > 1 and values.ndim and values.shape[0] == copies else values


def _parts(batch: InputBatch, size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Batches of exactly `size`, the last one filled up by repetition, with how many of each are real."""
    for start in range(0, len(batch), size):
        part = batch[start : start + size]
        yield np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)]), len(part)
