"""How the sizes flow through one model file: the question, and the forms of its answer. Knows no HTTP."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.inspection.forms import Reply, as_json
from service.inspection.forms import as_text as text
from service.inspection.network import Network
from service.inspection.tables import as_csv, as_markdown, as_text

TEXT_FORMS = {"text": "text/plain", "markdown": "text/markdown", "csv": "text/csv"}
_RENDERED = {"text": as_text, "markdown": as_markdown, "csv": as_csv}


class LayerShapesQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Literal["json", "text", "markdown", "csv"] = Field(default="json", description="form of the answer")
    height: int | None = Field(default=None, ge=1, le=4096, description="another input height; unset: the model's")
    width: int | None = Field(default=None, ge=1, le=4096, description="another input width; unset: the model's")
    batch: int | None = Field(
        default=None, ge=1, le=4096, description="images in one batch; unset: the model's, else 1"
    )


def table(network: Network, query: LayerShapesQuery) -> Reply:
    """The table of the network for the size asked for."""
    rows = network.table(query.batch, query.height, query.width)
    if query.format == "json":
        return as_json(rows)
    return text(_RENDERED[query.format](rows), TEXT_FORMS[query.format])
