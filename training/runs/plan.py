"""What was asked of a training run, as its checkpoint remembers it: enough to go on without asking again."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from service.engine.repository import NAME
from training.errors import InvalidNameError
from training.recipes import Recipe

UNTRAINED, TRAINED = 0, 1


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`name` is the model's; `data` the folder of the data set's files; `backbone` what the weights begin with.

    Raises InvalidNameError for a name that the service would not serve.
    """

    recipe: Recipe
    seed: int = 0
    name: str
    data: Path | None = None
    out: Path = Path("models")
    backbone: Path | None = None
    skip_unreadable: bool = False

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise InvalidNameError(self.name)

    def with_data(self, folder: Path | None) -> "Plan":
        """The same with its data somewhere else now, where a folder is given."""
        return self if folder is None else replace(self, data=folder)

    def written(self) -> dict[str, Any]:
        """As numbers and text, for a checkpoint."""
        paths = {key: str(value) for key, value in vars(self).items() if isinstance(value, Path)}
        return {key: getattr(self, key) for key in vars(self)} | paths | {"recipe": asdict(self.recipe)}


def read_plan(written: dict[str, Any]) -> Plan:
    """The plan that `written` gave."""
    paths = {key: Path(written[key]) for key in ("data", "out", "backbone") if written[key] is not None}
    return Plan(**(written | paths | {"recipe": Recipe(**written["recipe"])}))
