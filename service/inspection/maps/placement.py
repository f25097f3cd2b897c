"""Where a layer's map lies on the picture that the network received, by the geometry of its receptive fields.

Not stretched over the picture: padding, strides and what a window leaves over move a map's cells against it. Knows no
values and draws nothing.
"""

from service.errors import InvalidParameterError
from service.images.overlay import Placement
from service.inspection.graph.layers import Layer
from service.inspection.network import Network


def placement(network: Network, layer: Layer) -> Placement:
    """The cells of the layer's map along (down, across); cell t is where the centre of unit t's receptive field is.

    Raises InvalidParameterError for a layer whose units see all of the picture, stand on no grid over it, or whose
    paths do not line up.
    """
    axes = spatial_axes(network, layer)
    fields = [sight.field for sight in network.sights.get(layer.output) or ()]
    down, across = fields if axes is not None else (None, None)
    if down is None or across is None:
        raise InvalidParameterError("layers", layer.id, _REMEDY)
    return Placement(
        centre=(float(down.centre), float(across.centre)),
        jump=(float(down.jump), float(across.jump)),
    )


def spatial_axes(network: Network, layer: Layer) -> tuple[int, int] | None:
    """Which axes of the layer's output move down and across the picture, counted from the last; None where none do."""
    sights = network.sights.get(layer.output)
    if sights is None or len(sights) != 2:
        return None
    down, across = (sight.axis for sight in sights)
    return None if down is None or across is None else (down, across)


_REMEDY = "it has no place on the picture: ask for a layer with a grid over it, such as a convolution or a pooling"
