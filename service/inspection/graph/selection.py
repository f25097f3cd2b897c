"""Which layers a request means: by id, alias, kind, or a pattern over ids such as `conv*`."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from service.errors import UnknownLayerError
from service.inspection.graph.layers import Layer


def selected(layers: Sequence[Layer], wanted: Sequence[str]) -> list[Layer]:
    """The layers meant, each once, in the order of the network; raises UnknownLayerError for a name that means none."""
    meant = {layer.id for name in wanted for layer in _meant_by(name, layers)}
    return [layer for layer in layers if layer.id in meant]


def _meant_by(name: str, layers: Sequence[Layer]) -> list[Layer]:
    """The first of these that finds any: the exact id, an alias, a kind, a pattern."""
    for found in (
        [layer for layer in layers if layer.id == name],
        [layer for layer in layers if name in layer.aliases],
        [layer for layer in layers if layer.kind == name],
        [layer for layer in layers if fnmatchcase(layer.id, name)],
    ):
        if found:
            return found
    raise UnknownLayerError(name, [layer.id for layer in layers])
