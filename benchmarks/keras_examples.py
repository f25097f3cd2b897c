"""The two Keras examples trained by Keras and by `training`, on the same CIFAR-10 images, one after the other.

    python -m benchmarks.keras_examples DIR [--seeds 3] [--epochs 10] [--set KEY=VALUE ...] [--write]

DIR holds CIFAR-10 in a form that `training` reads. Each system gets both processors and its own defaults: the same
network, batch size, optimiser, learning rate, epochs and share held out; the last epoch's weights count. Seconds are an
epoch's training without its validation; the first epoch of each run is left out, since Keras compiles in it. `--set`
changes our recipes, as where `python -m training probe keras_1` finds another arithmetic faster than float32.
"""

import argparse
import json
import statistics
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks import machine
from benchmarks.environments import PEERS, peer_python, version
from benchmarks.report import spread, table
from training.allocator import keep_freed_memory
from training.commands.measure import accuracies
from training.datasets import Dataset, load
from training.learning.events import Epoch, Step
from training.learning.group import Group
from training.recipes import Recipe, recipe_named, with_settings
from training.runs.plan import Plan
from training.runs.session import begun
from training.subnormals import flush_subnormals


@dataclass(frozen=True)
class Trained:
    """What one run gave; `seconds` of each epoch but the first."""

    accuracy: float
    seconds: list[float]
    parameters: int


Pair = dict[str, Trained]
EXAMPLES = ("keras_1", "keras_2")
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    options = _options()
    keep_freed_memory()  # as the command line does, and the next
    flush_subnormals()
    dataset = load("cifar10", options.data, (32, 32, 3))
    with TemporaryDirectory() as folder:
        arrays = Path(folder) / "cifar10.npz"
        _save(dataset, arrays)
        runs = {
            example: [_pair(example, arrays, dataset, options, seed) for seed in range(options.seeds)]
            for example in EXAMPLES
        }
    report = _report(runs, dataset, options)
    print(report)
    if options.write:
        path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d-%H%M}-keras-examples"
        path.with_suffix(".md").write_text(report)
        path.with_suffix(".json").write_text(json.dumps(runs, indent=1, default=asdict))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, metavar="DIR")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="settings")
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


def _pair(example: str, arrays: Path, dataset: Dataset, options: argparse.Namespace, seed: int) -> Pair:
    recipe = with_settings(replace(recipe_named(example), epochs=options.epochs), options.settings)
    pair = {"keras": _keras(example, arrays, options.epochs, seed), "fovea": _ours(recipe, dataset, seed)}
    print(example, seed, pair, flush=True)
    return pair


def _save(dataset: Dataset, arrays: Path) -> None:
    np.savez(
        arrays,
        training=dataset.training.images.numpy(),
        training_labels=dataset.training.labels.numpy(),
        test=dataset.test.images.numpy(),
        test_labels=dataset.test.labels.numpy(),
    )


def _keras(example: str, arrays: Path, epochs: int, seed: int) -> Trained:
    command = [str(peer_python("keras")), str(PEERS / "keras/train.py"), example, str(arrays), str(epochs), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own command
    return Trained(**json.loads(done.stdout.splitlines()[-1]))


def _ours(recipe: Recipe, dataset: Dataset, seed: int) -> Trained:
    session = begun(Plan(recipe=recipe, seed=seed, name=recipe.name), dataset, Group())
    seconds = _epoch_seconds(session.events())
    parameters = sum(parameter.numel() for parameter in session.state.network.parameters())
    return Trained(accuracies(session)[0], seconds[1:], parameters)


def _epoch_seconds(events: Iterator[Step | Epoch]) -> list[float]:
    """Of every epoch's training alone."""
    ends = [0.0, *(event.record.seconds for event in events if isinstance(event, Epoch))]
    return [after - before for before, after in pairwise(ends)]


def _report(runs: dict[str, list[Pair]], dataset: Dataset, options: argparse.Namespace) -> str:
    keras = peer_python("keras")
    about = f"{machine.processors()}; keras {version(keras, 'keras')}, tensorflow {version(keras, 'tensorflow-cpu')}"
    command = " ".join(
        [f"python -m benchmarks.keras_examples DIR --seeds {options.seeds} --epochs {options.epochs}"]
        + [f"--set {setting}" for setting in options.settings]
    )
    head = ("example", "parameters", "accuracy: Keras", "Fovea", "s per epoch: Keras", "Fovea", "times as fast")
    rows = [_row(example, pairs) for example, pairs in runs.items()]
    return (
        f"# Keras's two examples, trained by Keras and by Fovea\n\n{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {about}; "
        f"`{command}`; {dataset.description}. Accuracies: mean (least–most) over the seeds, in per cent; seconds and "
        f"ratios: median (least–most).\n\n{table(head, rows)}\n"
    )


def _row(example: str, pairs: list[Pair]) -> list[str]:
    keras, fovea = ([pair[name] for pair in pairs] for name in ("keras", "fovea"))
    ratios = [statistics.median(a.seconds) / statistics.median(b.seconds) for a, b in zip(keras, fovea, strict=True)]
    times = [spread([second for run in runs for second in run.seconds], 1) for runs in (keras, fovea)]
    counts = {run.parameters for run in (*keras, *fovea)}
    return [example, " / ".join(f"{n:,}" for n in counts), _mean(keras), _mean(fovea), *times, spread(ratios)]


def _mean(runs: list[Trained]) -> str:
    values = [100 * run.accuracy for run in runs]
    return f"{statistics.fmean(values):.2f} ({min(values):.2f}–{max(values):.2f})"


if __name__ == "__main__":
    main()
