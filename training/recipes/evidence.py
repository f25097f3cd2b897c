"""What a recipe gave, measured by `python -m training measure RECIPE --write`, kept beside the recipes as JSON."""

import statistics
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from training.recipes.recipe import Recipe

FOLDER = Path(__file__).parent / "measured"


class Evidence(BaseModel):
    """Accuracies on the test set as shares 0..1, by seed 0, 1, ...; `seconds` from the first step to the last
    measurement on the held-out images, one per seed.

    `test_time` has the accuracies with the recipe's test-time augmentation; empty where it has none. `settings` are
    what was measured: a recipe that has changed since has no evidence. `commit` is that of the last seed; where a
    measurement was stopped and gone on with later, `earlier_commits` are those of the seeds before it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: str
    settings: dict[str, str]
    dataset: str
    accuracies: tuple[float, ...] = Field(min_length=1)
    test_time: tuple[float, ...] = ()
    seconds: tuple[float, ...]
    hardware: str
    date: str
    commit: str | None
    earlier_commits: tuple[str, ...] = ()
    command: str

    @property
    def sentence(self) -> str:
        """As in `99.62 % ± 0.03`: mean and standard deviation over the seeds, with test-time augmentation if any."""
        plain = spread(self.accuracies)
        return plain if not self.test_time else f"{plain}; {spread(self.test_time)} with test-time augmentation"

    @property
    def time(self) -> str:
        """The median of the seeds: one of them may have shared the machine."""
        minutes, seconds = divmod(round(statistics.median(self.seconds)), 60)
        return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"

    def commits_before(self, commit: str | None) -> tuple[str, ...]:
        """`earlier_commits` of what is gone on with at this commit."""
        known = dict.fromkeys((*self.earlier_commits, *filter(None, [self.commit])))
        return tuple(name for name in known if name != commit)


def spread(accuracies: tuple[float, ...]) -> str:
    mean = f"{100 * statistics.fmean(accuracies):.2f} %"
    return mean if len(accuracies) == 1 else f"{mean} ± {100 * statistics.stdev(accuracies):.2f}"


def evidence_of(recipe: Recipe) -> Evidence | None:
    """What is kept for this recipe; nothing where it has changed since it was measured."""
    path = evidence_file(recipe.name)
    found = Evidence.model_validate_json(path.read_text()) if path.is_file() else None
    return found if found is not None and found.settings == written(recipe) else None


def written(recipe: Recipe) -> dict[str, str]:
    """Every setting as text."""
    return {key: str(value) for key, value in vars(recipe).items()}


def evidence_file(recipe: str) -> Path:
    return FOLDER / f"{recipe}.json"
