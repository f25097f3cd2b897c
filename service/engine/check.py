"""What a model file holds and what is wrong with it, as text for a person."""

from collections.abc import Iterator
from pathlib import Path

from service.engine.model_file import ModelFile, read
from service.engine.model_metadata import ModelMetadata
from service.engine.network_interface import ClassOutput, ImageInput
from service.engine.trial import verdicts
from service.errors import ModelFileError

_SHOWN_NAMES = 5


def report(path: Path) -> tuple[str, bool]:
    """The text, and whether the file can be served. The file is tried in a process of its own first."""
    try:
        file = read(path)
    except ModelFileError as error:
        return f"{path}: cannot be served\n  {error.code}: {error.detail}\n  remedy: {error.remedy}", False
    refusals = [reason for _, reason in verdicts([path]) if reason is not None]
    verdict = "cannot be served" if refusals else "can be served"
    lines = [f"  {reason}" for reason in refusals]
    lines += [f"  {name:<14} {value}" for name, value in _facts(file)]
    return "\n".join([f"{path}: {verdict}", *lines]), not refusals


def _facts(file: ModelFile) -> Iterator[tuple[str, str]]:
    metadata = file.metadata
    yield "input", _input(file.input)
    yield "output", _output(file.output)
    yield "classes", _names(metadata.class_names)
    yield "preprocessing", _preprocessing(metadata)
    yield "temperature", f"{metadata.temperature:g}"
    yield "layers", f"{len(metadata.layers)} named by the file" if metadata.layers else "named from the graph"
    yield "metrics", _metrics(metadata)
    yield "provenance", _provenance(metadata)
    yield "assumed", ", ".join(metadata.assumed) or "nothing"
    yield "checksum", "verified" if file.checksum_stated else "not stated by the file"
    yield "sha256", file.sha256
    yield "size", f"{file.size_bytes:,} bytes"


def _input(taken: ImageInput) -> str:
    sides = [taken.height or "?", taken.width or "?"]
    shape = [*sides, taken.channels] if taken.layout == "NHWC" else [taken.channels, *sides]
    return f"{taken.name} {taken.dtype} {taken.layout} [{', '.join(map(str, [taken.batch or '?', *shape]))}]"


def _output(output: ClassOutput | None) -> str:
    if output is None:
        return "no scores per class: it can be inspected, it does not classify"
    ending = f"already {output.activation}" if output.activation else "logits"
    return f"{output.name}, {output.classes} classes, {ending}"


def _names(names: tuple[str, ...]) -> str:
    more = f", … ({len(names)} in all)" if len(names) > _SHOWN_NAMES else ""
    return ", ".join(names[:_SHOWN_NAMES]) + more or "none"


def _preprocessing(metadata: ModelMetadata) -> str:
    steps = metadata.preprocessing
    arithmetic = (
        "as decoded; arithmetic in the graph"
        if steps.in_graph
        else (f"x {steps.scale:.6g}, mean {_numbers(steps.mean)}, std {_numbers(steps.std)}")
    )
    return f"{steps.height}x{steps.width} {steps.color}, {steps.resize}, {steps.interpolation}; {arithmetic}"


def _numbers(values: tuple[float, ...]) -> str:
    return ",".join(f"{value:g}" for value in values)


def _metrics(metadata: ModelMetadata) -> str:
    metrics = metadata.metrics
    if metrics is None:
        return "not stated"
    return f"accuracy {metrics.accuracy:.4f} on {metrics.images:,} images of {metrics.dataset}"


def _provenance(metadata: ModelMetadata) -> str:
    source = metadata.provenance
    parts = [
        source.stage,
        source.recipe and f"recipe {source.recipe}",
        source.seed is not None and f"seed {source.seed}",
    ]
    return ", ".join(str(part) for part in parts if part)
