"""How the sizes flow through one model file: the questions, and the forms of their answers. Knows no HTTP."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.inspection.forms import Reply, as_json
from service.inspection.forms import as_text as text
from service.inspection.graph.layers import Stage
from service.inspection.network import Network
from service.inspection.shapes.layer_table import LayerRow, LayerShapes
from service.inspection.table.tables import as_csv, as_markdown, as_text

Form = Literal["json", "text", "markdown", "csv"]
TEXT_FORMS = {"text": "text/plain", "markdown": "text/markdown", "csv": "text/csv"}


class LayerShapesQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Form = Field(default="json", description="form of the answer")
    height: int | None = Field(default=None, ge=1, le=4096, description="another input height; unset: the model's")
    width: int | None = Field(default=None, ge=1, le=4096, description="another input width; unset: the model's")
    batch: int | None = Field(
        default=None, ge=1, le=4096, description="images in one batch; unset: the model's, else 1"
    )


class _OfVersion(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())

    model: str
    version: int


class ModelLayerShapes(LayerShapes):
    """The whole table of one version of a model."""

    model_config = ConfigDict(protected_namespaces=())

    model: str
    version: int


class ListedLayer(BaseModel):
    """A layer in short."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(description="stable name, for the routes under /layers/")
    aliases: tuple[str, ...] = Field(description="other names it answers to")
    kind: str
    stage: Stage
    output_shape: tuple[int | None, ...] | None = Field(description="null where unknown: its own page says why")


class LayerList(_OfVersion):
    """The layers of one version of a model, in the order they run."""

    layers: tuple[ListedLayer, ...]


class OneLayer(_OfVersion):
    """One row of the table."""

    layer: LayerRow
    conventions: tuple[str, ...] = Field(description="what is counted, and how")


def table(network: Network, query: LayerShapesQuery, model: str, version: int) -> Reply:
    """The table of the network for the size asked for."""
    shapes = network.table(query.batch, query.height, query.width)
    return rendered(
        ModelLayerShapes(model=model, version=version, **dict(shapes)), query.format, f"{model} version {version}"
    )


def layer_list(network: Network, model: str, version: int) -> Reply:
    """All layers in short, for the size that the network is fed."""
    rows = network.table().layers
    listed = tuple(ListedLayer(**{name: getattr(row, name) for name in ListedLayer.model_fields}) for row in rows)
    return as_json(LayerList(model=model, version=version, layers=listed))


def one_layer(network: Network, name: str, model: str, version: int) -> Reply:
    """The row of a layer by its id or alias. Raises UnknownLayerError with the nearest names."""
    wanted = network.layer(name).id
    shapes = network.table()
    row = next(row for row in shapes.layers if row.id == wanted)
    return as_json(OneLayer(model=model, version=version, layer=row, conventions=shapes.conventions))


def rendered(shapes: LayerShapes, form: Form, title: str = "") -> Reply:
    if form == "json":
        return as_json(shapes)
    if form == "csv":
        return text(as_csv(shapes), TEXT_FORMS[form])
    return text({"text": as_text, "markdown": as_markdown}[form](shapes, title), TEXT_FORMS[form])
