"""The bytes of a model file: an exported graph with all that it says of itself, measured on its own answers."""

import torch
from torch import nn

from service.engine.model_metadata import Metrics, ModelMetadata, Provenance, with_metadata
from service.engine.training_history import TrainingHistory
from training.datasets import Dataset
from training.evaluation import accuracy, cross_entropy
from training.files.layer_statistics import with_training_report
from training.graphs.export import Exported
from training.graphs.parity import check_parity


def described(
    network: nn.Module,
    graph: Exported,
    dataset: Dataset,
    temperature: float,
    provenance: Provenance,
    trained: TrainingHistory | None,
) -> tuple[bytes, ModelMetadata]:
    """The bytes of the model file and what it says of itself, measured on the file's own answers.

    Raises ParityError where these are not the network's.
    """
    logits = check_parity(network, graph, dataset.test.images)
    metadata = ModelMetadata(
        class_names=dataset.class_names,
        preprocessing=dataset.preprocessing,
        layers=graph.layers,
        metrics=metrics(logits, dataset, temperature),
        temperature=temperature,
        provenance=provenance,
        training_history=trained,
    )
    reported = with_training_report(graph.model, metadata, dataset.training.images)
    return with_metadata(graph.model, reported).SerializeToString(deterministic=True), reported


def metrics(logits: torch.Tensor, dataset: Dataset, temperature: float) -> Metrics:
    """Accuracy and loss on the test part; the loss is that of softmax(logits / temperature)."""
    labels = dataset.test.labels
    return Metrics(
        dataset=dataset.description,
        images=len(labels),
        accuracy=accuracy(logits, labels),
        loss=cross_entropy(logits, labels, temperature),
    )
