"""The JSON answer to a question about feature maps: what its fields are and what they mean. Computes nothing."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.inspection.maps.statistics import ChannelStatistics, LayerStatistics, TogetherStatistics


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class MapLinks(_Frozen):
    """The same layer in other forms: POST the same image there."""

    png: str
    npz: str


class _OfLayer(_Frozen):
    id: str = Field(description="the layer that was asked for")
    kind: str
    activation: Literal["before", "after", "none"] = Field(
        description="before or behind the activation that follows the layer; none where none follows it alone"
    )
    name: str = Field(description="key in an npz: the id, behind an activation with all that lies between, conv1+relu1")
    tensor: str = Field(description="the name in the file of the tensor that was read")


class LayerMaps(_OfLayer):
    """What one layer saw of one image."""

    statistics: LayerStatistics = Field(description="of all channels, whichever are asked for")
    channels: list[ChannelStatistics] | None = Field(default=None, description="of those asked for, else of all")
    values: list[object] | None = Field(
        default=None,
        description="nested as an npz has them, of the channels asked for; null stands for NaN or infinity",
    )
    links: MapLinks


class LayerTogether(_OfLayer):
    """One layer over all images of the request."""

    statistics: TogetherStatistics


class ImageProblem(_Frozen):
    """Why one image of several has no answer."""

    code: str
    detail: str
    remedy: str


class SeenImage(_Frozen):
    """What all layers saw of one image, or why it could not be shown to them."""

    image: str | None = Field(description="the name it was sent under")
    layers: list[LayerMaps] | None = Field(default=None, description="in the order of the network")
    error: ImageProblem | None = None


class SeenImages(_Frozen):
    """One result for each image, in their order."""

    model: str
    version: int
    results: list[SeenImage]
    together: list[LayerTogether] | None = Field(default=None, description="for several images: each layer over them")
