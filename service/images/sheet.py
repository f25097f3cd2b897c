"""Several layers, or several images, on one picture: a titled row of channels for each.

Knows no model; each row brings its values, its channels and its scale.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from service.arrays import FeatureMaps, Pixels
from service.errors import InvalidParameterError
from service.images.colours import (
    GUTTER,
    Colormap,
    Mode,
    Scale,
    clipped_share,
    colour_range,
    hatching,
    mode_of,
    palette,
    palette_indices,
)
from service.images.png import rgb_png

ROWS_PER_PAGE = 12  # their legend fits into the 4 KiB that proxies keep for the headers of an answer
CHANNELS_PER_ROW = 8

_CELL_PIXELS = 112
_WIDTH_PIXELS = CHANNELS_PER_ROW * (_CELL_PIXELS + 1)
_MAX_MAGNIFICATION = 64
_TITLE_PIXELS = 18


@dataclass(frozen=True)
class Row:
    """One layer of one image: all of its maps, and which channels of it are to be seen, best first."""

    title: str
    maps: FeatureMaps
    channels: Sequence[int]
    scale: Scale


@dataclass(frozen=True)
class RowLegend:
    """What is needed to read one row, which begins `top` pixels down; the fields are those of a grid's legend."""

    title: str
    mode: Mode
    low: float
    high: float
    colormap: Colormap
    clipped: float
    channels: tuple[int, ...]
    top: int
    cell_height: int
    cell_width: int
    magnification: int


@dataclass(frozen=True)
class SheetLegend:
    """Cells begin every `pitch` pixels from the left, in every row. Also in the PNG, as tEXt chunks."""

    page: int
    pages: int
    pitch: int
    rows: tuple[RowLegend, ...]


@dataclass(frozen=True)
class Sheet:
    """An RGB PNG and its legend."""

    png: bytes
    legend: SheetLegend


def sheet(rows: Sequence[Row], page: int = 1) -> Sheet:
    """Each row with its title, its range, and as many of its channels as fit: 8, fewer where maps are large.

    Small maps are magnified by a whole number to about 112 pixels; none is made smaller. Colours are a grid's. A page
    has at most 12 rows. Raises InvalidParameterError for a page that does not exist.
    """
    pages = math.ceil(len(rows) / ROWS_PER_PAGE)
    if page not in range(1, pages + 1):
        raise InvalidParameterError("page", page, f"these layers have pages 1 to {pages}")
    shown = rows[(page - 1) * ROWS_PER_PAGE : page * ROWS_PER_PAGE]
    pitch = 1 + max(_CELL_PIXELS, *(row.maps.shape[2] for row in shown))
    strips, legends, top = [], [], 0
    for row in shown:
        strip, of_row = _strip(row, pitch, top)
        strips.append(strip)
        legends.append(of_row)
        top += len(strip)
    legend = SheetLegend(page, pages, pitch, tuple(legends))
    return Sheet(rgb_png(np.concatenate(strips), asdict(legend)), legend)


def _strip(row: Row, pitch: int, top: int) -> tuple[Pixels, RowLegend]:
    """One row with its title above it; `top` is where it will lie."""
    _, height, width = row.maps.shape
    columns = max(1, _WIDTH_PIXELS // pitch)
    channels = tuple(row.channels[:columns])
    colormap, lows, highs = colour_range(row.maps, row.scale)
    magnification = max(1, min(_CELL_PIXELS // max(height, width), _MAX_MAGNIFICATION))
    legend = RowLegend(
        title=row.title,
        mode=mode_of(row.scale),
        low=float(lows.min()),
        high=float(highs.max()),
        colormap=colormap,
        clipped=clipped_share(row.maps, lows, highs),
        channels=channels,
        top=top + _TITLE_PIXELS,
        cell_height=height * magnification,
        cell_width=width * magnification,
        magnification=magnification,
    )
    colours = palette(colormap)
    indices = np.full((legend.cell_height + 1, max(_WIDTH_PIXELS, columns * pitch)), GUTTER, np.uint8)
    cells = palette_indices(row.maps[list(channels)], lows[list(channels)], highs[list(channels)])
    for column, (channel, cell) in enumerate(zip(channels, cells, strict=True)):
        large = cell.repeat(magnification, axis=0).repeat(magnification, axis=1)
        dead = not row.maps[channel].any()
        left = column * pitch
        indices[:-1, left : left + large.shape[1]] = hatching(*large.shape) if dead else large
    return np.concatenate([_title(_caption(legend, row.maps), indices.shape[1]), colours[indices]]), legend


def _caption(legend: RowLegend, maps: FeatureMaps) -> str:
    size = "x".join(map(str, maps.shape))
    shown = "all channels" if len(legend.channels) == len(maps) else f"channels {', '.join(map(str, legend.channels))}"
    return f"{legend.title}   {size}   {shown}   {legend.low:.3g} to {legend.high:.3g}"


def _title(text: str, width: int) -> Pixels:
    image = Image.new("RGB", (width, _TITLE_PIXELS), (48, 48, 48))
    ImageDraw.Draw(image).text((4, 2), text, (255, 255, 255), ImageFont.load_default(12))
    return np.asarray(image)
