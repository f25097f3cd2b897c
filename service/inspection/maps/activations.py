"""Where to read a layer: its own output, or what is left of it behind the activation that follows.

Knows the order of the layers; no values, no shapes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from service.inspection.graph.layers import Layer

Asked = Literal["before", "after", "both"]

_NAMES = """
relu relu6 leaky_relu prelu thresholded_relu clip elu celu selu gelu quick_gelu silu swish hard_swish mish
sigmoid hard_sigmoid tanh softplus softsign softmax log_softmax
"""
ACTIVATIONS = frozenset(_NAMES.split())
_BETWEEN = frozenset({"batch_norm"})  # part of the same layer to whoever wrote conv, norm and relu as one block


@dataclass(frozen=True)
class Tap:
    """One place where a layer's values are read. `through` are the layers between its own output and this place.

    `activation`: "before" and "after" where an activation follows the layer, "none" where there is nothing to choose:
    no activation follows it alone, or it is one itself.
    """

    layer: Layer
    activation: Literal["before", "after", "none"]
    through: tuple[Layer, ...] = ()

    @property
    def tensor(self) -> str:
        return self.row.output

    @property
    def row(self) -> Layer:
        """The layer whose own output this is."""
        return self.through[-1] if self.through else self.layer

    @property
    def name(self) -> str:
        """`conv1`, or `conv1+bn1+relu1` behind the activation: unique, because no id has a plus sign."""
        return "+".join(layer.id for layer in (self.layer, *self.through))


def taps(wanted: Sequence[Layer], among: Sequence[Layer], asked: Asked) -> list[Tap]:
    """Where to read each wanted layer; one without an activation has a single place, whatever is asked."""
    readers = _readers(among)
    found = []
    for layer in wanted:
        through = _to_activation(layer, readers)
        before = Tap(layer, "before" if through else "none")
        found += [before] if asked != "after" or not through else []
        found += [Tap(layer, "after", through)] if asked != "before" and through else []
    return found


def scale_mates(tap: Tap, among: Sequence[Layer]) -> list[Tap]:
    """What else belongs on a tap's scale, so that one sees what its activation takes away: before it and behind it."""
    if tap.layer.kind in ACTIVATIONS:
        return [Tap(layer, "none") for layer in among if set(layer.outputs) & set(tap.layer.inputs)]
    return taps([tap.layer], among, "both")


def _readers(among: Sequence[Layer]) -> Mapping[str, Sequence[Layer]]:
    """The layers that read each tensor, by its name."""
    found: dict[str, list[Layer]] = {}
    for layer in among:
        for name in set(layer.inputs):
            found.setdefault(name, []).append(layer)
    return found


def _to_activation(layer: Layer, readers: Mapping[str, Sequence[Layer]]) -> tuple[Layer, ...]:
    """The layers from behind `layer` up to its activation: (relu,), (batch_norm, relu), ...; () where it has none.

    It has one only if nothing else reads what lies between: a sum of two paths has its own, not each path's.
    """
    behind = readers.get(layer.output, ())
    if layer.kind in ACTIVATIONS or len(behind) != 1:
        return ()
    (reader,) = behind
    if reader.kind in ACTIVATIONS:
        return (reader,)
    further = _to_activation(reader, readers) if reader.kind in _BETWEEN else ()
    return (reader, *further) if further else ()
