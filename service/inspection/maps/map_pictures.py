"""Feature maps as one picture: all channels of a layer, a sheet of several layers or images, or a map over its image.

Decides what is shown on which scale; the drawing is in `service.images`.
"""

from collections.abc import Sequence

import numpy as np

from service.arrays import FeatureMaps, Pixels, SomeMaps
from service.errors import InvalidParameterError
from service.images.colours import Scale, layer_range
from service.images.overlay import Overlay, overlay
from service.images.pictures import Grid, grid
from service.images.sheet import Row, Sheet, sheet
from service.inspection.maps.channels import Picked, as_maps, require_channels
from service.inspection.maps.map_query import Order
from service.inspection.maps.map_reading import Read
from service.inspection.maps.placement import placement
from service.inspection.network import Network


def layer_picture(read: Read, scale: Scale, picked: Picked | None, order: Order, page: int, title: str) -> Grid:
    """The channels of one layer that are asked for, or all of them in this order."""
    maps, channels = _shown(read, picked)
    if isinstance(picked, str):
        return grid(maps, scale=scale, page=page, title=f"{title}, mean of {len(read.maps)} channels")
    return grid(maps, scale=scale, page=page, channels=channels or ordered([maps], order), title=title)


def several_pictures(
    found: Sequence[Sequence[Read]], scale: Scale, picked: Picked | None, order: Order, page: int, model: str
) -> Sheet:
    """A row for each layer of each image; one layer's rows have the same channels, so that images can be compared."""
    rows = []
    for of_tap in zip(*found, strict=True):
        shown = [_shown(read, picked) for read in of_tap]
        if len({len(maps) for maps, _ in shown}) > 1:
            remedy = "the images give it different numbers of channels: send one image"
            raise InvalidParameterError("layers", of_tap[0].tap.layer.id, remedy)
        channels = shown[0][1] or ordered([maps for maps, _ in shown], order)
        for index, (maps, _) in enumerate(shown):
            image = f", image {index}" if len(found) > 1 else ""
            mean = " (mean of its channels)" if isinstance(picked, str) else ""
            rows.append(Row(f"{model}: {of_tap[0].tap.name}{mean}{image}", maps, channels, scale))
    return sheet(rows, page)


def picture_over_image(
    network: Network, read: Read, pixels: Pixels, scale: Scale, picked: Picked | None, *, smooth: bool, title: str
) -> Overlay:
    """One channel, or the mean of all, over the picture that the network received."""
    if picked is None or (not isinstance(picked, str) and len(picked) != 1):
        raise InvalidParameterError("overlay", "true", "say which map: channel=0 for one channel, or channel=mean")
    maps, channels = _shown(read, picked)
    where = placement(network, read.tap.row)
    if scale == "layer" and channels:
        scale = layer_range(maps)
    what = f"channel {channels[0]}" if channels else f"mean of {len(read.maps)} channels"
    shown = maps[channels[0] if channels else 0]
    return overlay(pixels, shown, where, scale=scale, smooth=smooth, title=f"{title}, {what}")


def ordered(images: Sequence[SomeMaps], order: Order) -> list[int]:
    """The channels' numbers, those with the largest value over all images first; of equals the lower number."""
    if order == "index":
        return list(range(len(images[0])))
    with np.errstate(over="ignore", invalid="ignore"):
        if order == "mean":
            keys = np.mean([maps.mean(axis=(1, 2), dtype=np.float64) for maps in images], axis=0)
        else:
            keys = np.max([maps.max(axis=(1, 2)) for maps in images], axis=0)
    return [int(channel) for channel in np.argsort(-np.where(np.isnan(keys), -np.inf, keys), kind="stable")]


def _shown(read: Read, picked: Picked | None) -> tuple[FeatureMaps, list[int]]:
    """The layer's maps, or their mean as the only one, and which channels are named."""
    if not read.values.size:
        raise InvalidParameterError("layers", read.tap.layer.id, "it has no values for this image: ask for another")
    if isinstance(picked, str):
        return as_maps(read.tap.layer.id, read.picked(picked), read.axis), []
    maps = read.maps
    require_channels(picked or (), len(maps), read.tap.layer.id)
    return maps, list(picked or ())
