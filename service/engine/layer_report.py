"""What each layer held for images of the training set: a part of the model file's contract, to compare traffic with.

Pure: knows how the figures are written and what cannot be, not where they come from.
"""

from itertools import pairwise

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class LayerReport(_Frozen):
    """One layer. The first five figures are over all its values, the others over its channels.

    An image gives a channel one number, the mean of its map. `channel_means` and `channel_stds` are of these numbers
    over the images. `edges` divide the numbers of all channels together, each standardised by its channel's mean and
    deviation, into bins that are `(-inf, edges[0]]`, `(edges[0], edges[1]]`, ...; `counts` has how many lay in each.
    """

    id: str = Field(min_length=1, max_length=200)
    mean: float
    std: float = Field(ge=0)
    min: float
    max: float
    zeros: float = Field(ge=0, le=1)
    dead_channels: tuple[int, ...]
    channel_means: tuple[float, ...]
    channel_stds: tuple[float, ...]
    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @model_validator(mode="after")
    def _fits_together(self) -> "LayerReport":
        channels = len(self.channel_means)
        if len(self.channel_stds) != channels or not all(0 <= dead < channels for dead in self.dead_channels):
            raise ValueError("every channel needs a mean and a standard deviation")
        if min(self.channel_stds, default=0) < 0 or min(self.counts, default=0) < 0:
            raise ValueError("a standard deviation or a count is negative")
        if len(self.counts) != len(self.edges) + 1 or any(low >= high for low, high in pairwise(self.edges)):
            raise ValueError("edges must rise, with one count more than there are edges")
        return self


class TrainingReport(_Frozen):
    """`dataset` says which images; each layer saw all of them."""

    dataset: str
    images: int = Field(gt=0)
    layers: tuple[LayerReport, ...]

    def layer(self, layer_id: str) -> LayerReport | None:
        return next((layer for layer in self.layers if layer.id == layer_id), None)
