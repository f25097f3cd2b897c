"""`report`: a model file and its data set in, one HTML file out. The only place here that knows files and data sets."""

from dataclasses import asdict
from pathlib import Path

from service.engine.model_file import ModelFile
from service.engine.model_metadata import Metrics, graph_sha256
from service.errors import FoveaError
from service.inspection.network import Network
from training.datasets import Dataset
from training.errors import UnusableFileError
from training.files.origin import checked_file, dataset_of, recipe_of
from training.files.publishing import publish
from training.graphs.runtime import onnx_logits
from training.reporting.charts import Chart, curves, reliability
from training.reporting.measured import Answer, Measured, answer, confused_pairs, measured, mistakes
from training.reporting.page import Report, Seen, Setting, page
from training.reporting.pictures import (
    convolutions,
    depth,
    example,
    filters_beside,
    first_of_each,
    network_of,
)

MISTAKES = 24
PAIRS = 30
SAMPLES = 3


def report(
    file: Path,
    data: Path | None,
    out: Path,
    *,
    test_time: Metrics | None = None,
    skip_unreadable: bool = False,
    fetch: bool = False,
) -> Path:
    """Measures `file` on its recipe's test set and writes the page to `out`, which it returns.

    `test_time`: what the same file reaches as a mean over views, for a row of its own. Raises UnusableFileError where
    the file is not sound or names no recipe, and what loading the data raises; then nothing was written. Takes 3 s for
    the 10,000 images of mnist; the page has 0.3 MB.
    """
    checked = checked_file(file)
    dataset = dataset_of(file, checked, data, skip_unreadable=skip_unreadable, fetch=fetch)
    publish({out: page(gathered(file, checked, dataset, test_time)).encode()})
    return out


def gathered(path: Path, file: ModelFile, dataset: Dataset, test_time: Metrics | None = None) -> Report:
    """What the page of `file`, which lies at `path`, shows of these test images. Writes nothing."""
    labels, network = dataset.test.labels, network_of(file)
    found = measured(
        onnx_logits(file.model, dataset.test.images), labels, dataset.class_names, file.metadata.temperature
    )
    name, version = _named(path, file)
    before, problems = _before(path, version)
    return Report(
        name=name,
        version=version,
        file=file,
        graph_sha256=graph_sha256(file.parted),
        measured=found,
        dataset=dataset.description,
        curves=_curves(file, problems),
        pairs=confused_pairs(found, PAIRS),
        calibration=reliability(found.before, found.after),
        mistakes=tuple(_mistaken(dataset, wrong) for wrong in mistakes(found, labels, MISTAKES)),
        filters=tuple(filters_beside(network, before, name, version or 0)),
        has_before=before is not None,
        maps=_maps(network, dataset, found, problems),
        layers=network.table(),
        settings=_settings(path, file),
        problems=problems,
        test_time=test_time,
    )


def _named(path: Path, file: ModelFile) -> tuple[str, int | None]:
    """The model's name and version by its place, models/<name>/<version>/model.onnx; else by its recipe."""
    folder = path.resolve().parent
    if folder.name.isdecimal():
        return folder.parent.name, int(folder.name)
    return file.metadata.provenance.recipe or path.stem, None


def _before(path: Path, version: int | None) -> tuple[Network | None, dict[str, str]]:
    """Version 0 of the same model, or the sentence that says why there is none."""
    untrained = path.resolve().parent.parent / "0" / "model.onnx"
    if version == 0:
        return None, {"filters": "This is version 0, the untrained network: there is nothing before it."}
    if version is None or not untrained.exists():
        return None, {"filters": "There is no version 0, the untrained network, beside this file to compare with."}
    try:
        return network_of(checked_file(untrained)), {}
    except UnusableFileError as error:
        return None, {"filters": f"Version 0 cannot be compared with: {error.detail}."}


def _curves(file: ModelFile, problems: dict[str, str]) -> tuple[Chart, ...]:
    history = file.metadata.training_history
    if history is None or not history.epochs:
        problems["history"] = "The file says nothing of how its training went: it was exported without a history."
        return ()
    return curves(history)


def _mistaken(dataset: Dataset, wrong: Answer) -> Seen:
    alt = f"Test image {wrong.image}: {wrong.true}, taken for {wrong.given}"
    return Seen(wrong, example(dataset.test.images[wrong.image].numpy(), alt))


def _maps(network: Network, dataset: Dataset, found: Measured, problems: dict[str, str]) -> tuple[Seen, ...]:
    """The first test image of a few classes, by depth."""
    if not convolutions(network):
        problems["maps"] = "The network has no convolution, and so no feature maps."
        return ()
    labels = dataset.test.labels.tolist()
    images = first_of_each(labels, SAMPLES)
    try:
        return tuple(_seen(network, dataset, found, image) for image in images)
    except FoveaError as error:
        problems["maps"] = f"The feature maps cannot be shown: {error.detail}."
        return ()


def _seen(network: Network, dataset: Dataset, found: Measured, image: int) -> Seen:
    pixels = dataset.test.images[image].numpy()
    given = answer(found, image, int(dataset.test.labels[image]))
    maps = depth(network, pixels, f"test image {image}")
    return Seen(given, example(pixels, f"Test image {image}: {given.true}"), maps)


def _settings(path: Path, file: ModelFile) -> tuple[Setting, ...]:
    """As the training wrote them down; of an older file, those that the recipe of its name has now."""
    provenance, history = file.metadata.provenance, file.metadata.training_history
    changed = {pair.partition("=")[0] for pair in provenance.settings}
    stated = history.recipe if history else {key: str(value) for key, value in asdict(recipe_of(path, file)).items()}
    return tuple(Setting(key, value, key in changed) for key, value in stated.items())
