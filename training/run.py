"""One recipe from its data to two published versions: 0, the initial weights, and 1, what training made of them."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from service.engine.model_metadata import Metrics, ModelMetadata, Provenance, with_metadata
from service.images.preprocessing import Preprocessing
from training.datasets import Dataset, Examples, split
from training.errors import InvalidRecipeError
from training.evaluation import accuracy, cross_entropy, fitted_temperature, torch_logits
from training.export import Exported, exported
from training.layer_statistics import with_training_report
from training.loop import Epoch, Step, train
from training.networks import NETWORKS
from training.parity import check_parity
from training.provenance import commit, versions
from training.publishing import publish, refuse_existing, version_path
from training.recipes import RECIPES, Recipe

if TYPE_CHECKING:
    from training.networks.normalize import Normalize

Follow = Callable[[Iterator[Step | Epoch]], None]
UNTRAINED, TRAINED = 0, 1


def run(
    recipe: Recipe, dataset: Dataset, *, seed: int, out: Path, overwrite: bool, follow: Follow
) -> dict[Path, ModelMetadata]:
    """Trains and publishes; returns what the files say of themselves. `follow` consumes the events of the training.

    Raises VersionExistsError before any work; DivergedError and ParityError before anything is written.
    """
    paths = {version: version_path(out, recipe.name, version) for version in (UNTRAINED, TRAINED)}
    if not overwrite:
        refuse_existing(paths.values())
    training, validation = _parts(dataset, recipe)
    initial = initial_network(recipe, dataset, seed)
    network = deepcopy(initial)
    follow(train(network, training, validation, recipe))
    temperature = fitted_temperature(torch_logits(network, validation.images), validation.labels)
    provenance = Provenance(
        stage="trained", recipe=recipe.name, seed=seed, commit=commit(), versions=versions(), note=_changed(recipe)
    )
    shape = image_shape(dataset)
    untrained = provenance.model_copy(update={"stage": "untrained"})
    files = {
        paths[UNTRAINED]: described(initial, exported(initial, shape), dataset, 1.0, untrained),
        paths[TRAINED]: described(network, exported(network, shape), dataset, temperature, provenance),
    }
    publish({path: content for path, (content, _) in files.items()})
    return {path: metadata for path, (_, metadata) in files.items()}


def initial_network(recipe: Recipe, dataset: Dataset, seed: int) -> nn.Module:
    """The network before its first step. Seeds torch's global generator, which training goes on to draw from."""
    torch.manual_seed(seed)
    network = NETWORKS[recipe.network]()
    cast("Normalize", network.get_submodule("normalize")).measure(dataset.training.images)
    return network


def metrics(logits: torch.Tensor, dataset: Dataset, temperature: float) -> Metrics:
    """Accuracy and loss on the test part; the loss is that of softmax(logits / temperature)."""
    labels = dataset.test.labels
    return Metrics(
        dataset=dataset.description,
        images=len(labels),
        accuracy=accuracy(logits, labels),
        loss=cross_entropy(logits, labels, temperature),
    )


def described(
    network: nn.Module, graph: Exported, dataset: Dataset, temperature: float, provenance: Provenance
) -> tuple[bytes, ModelMetadata]:
    """The bytes of the model file and what it says of itself, measured on the file's own answers.

    Raises ParityError where these are not the network's.
    """
    height, width, channels = image_shape(dataset)
    logits = check_parity(network, graph, dataset.test.images)
    metadata = ModelMetadata(
        class_names=dataset.class_names,
        preprocessing=Preprocessing(
            height=height, width=width, color="gray" if channels == 1 else "rgb", dtype="uint8"
        ),
        layers=graph.layers,
        metrics=metrics(logits, dataset, temperature),
        temperature=temperature,
        provenance=provenance,
    )
    reported = with_training_report(graph.model, metadata, dataset.training.images)
    return with_metadata(graph.model, reported).SerializeToString(deterministic=True), reported


def image_shape(dataset: Dataset) -> tuple[int, int, int]:
    """(height, width, channels) of its images."""
    height, width, channels = dataset.training.images.shape[1:]
    return height, width, channels


def _parts(dataset: Dataset, recipe: Recipe) -> tuple[Examples, Examples]:
    training, validation = split(dataset.training, recipe.validation_every)
    if not len(validation):
        raise InvalidRecipeError("validation_every", recipe.validation_every, "no class has that many images: lower it")
    return training, validation


def _changed(recipe: Recipe) -> str | None:
    """The settings that differ from the recipe of this name."""
    original = RECIPES.get(recipe.name, recipe)
    pairs = [(field.name, getattr(recipe, field.name)) for field in fields(recipe)]
    return ", ".join(f"{key}={value}" for key, value in pairs if value != getattr(original, key)) or None
