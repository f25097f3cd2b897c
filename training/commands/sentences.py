"""What several commands print."""

from collections.abc import Mapping
from pathlib import Path

from service.engine.model_metadata import Metrics, ModelMetadata


def measured(found: Metrics | None) -> str:
    if found is None:
        return "not measured"
    return f"{found.accuracy:.2%} of {found.images:,} images right, loss {found.loss:.4f} ({found.dataset})"


def say(files: Mapping[Path, ModelMetadata]) -> None:
    """A line for each file that was written."""
    for path, metadata in files.items():
        print(f"{path}  {metadata.provenance.stage}  {measured(metadata.metrics)}")
