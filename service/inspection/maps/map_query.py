"""What can be asked of feature maps: every parameter and what it means. Answers nothing."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Order = Literal["index", "mean", "max"]


class FeatureMapsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    layers: str = Field(
        default="*", max_length=4096, description="ids, aliases, kinds or patterns, with commas between"
    )
    activation: Literal["before", "after", "both"] = Field(
        default="before",
        description="a layer's own output, or what its activation leaves of it (behind a batch norm too), or both; "
        "a layer that no activation follows alone is shown as it is",
    )
    channel: str | None = Field(
        default=None, max_length=4096, description="of values and pictures only these: 0, or 0,3,5, or mean of all"
    )
    format: Literal["json", "npz", "npy", "png"] = Field(
        default="json",
        description="statistics; numbers of any layers, or of one as [images, channels, height, width]; one picture",
    )
    values: bool = Field(default=False, description="json: the numbers too, as far as they are few")
    channels: bool = Field(default=False, description="json: the statistics of each channel too")
    scale: Literal["layer", "channel", "shared"] = Field(
        default="layer",
        description="png: one range for all channels of a layer, each channel its own, or one for all layers and "
        "images shown, before and after activation",
    )
    low: float | None = Field(default=None, description="png: a range of your own in place of scale, with high")
    high: float | None = Field(default=None, description="png: its upper end; across zero it is made symmetric")
    sort: Order = Field(default="index", description="png: channels by number, or the largest mean or maximum first")
    page: int = Field(default=1, ge=1, description="png: which page of the channels, or of the rows")
    overlay: bool = Field(
        default=False, description="png: over the picture the network received; needs channel=N or channel=mean"
    )
    smooth: bool = Field(default=False, description="overlay: between the cells' centres bilinear, not in steps")
