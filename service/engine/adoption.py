"""Puts a foreign ONNX file into the repository: with the metadata it lacks, tried, and written in one step."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from service.engine import model_file
from service.engine.model_metadata import ModelMetadata, validated, with_metadata
from service.engine.network_interface import ClassOutput
from service.engine.repository import NAME, listing, path_of
from service.engine.trial import verdicts
from service.errors import InvalidMetadataError, InvalidParameterError, ModelFileError


def adopt(
    source: Path,
    folder: Path,
    name: str,
    *,
    version: int | None = None,
    labels: Path | None = None,
    preprocessing: Mapping[str, object] | None = None,
    temperature: float | None = None,
) -> Path:
    """The path of the new version. Raises ModelFileError or InvalidParameterError; then nothing is written.

    What is not given keeps what the file states, else what its shapes suggest, and is listed as assumed.
    """
    if not NAME.fullmatch(name):
        raise InvalidParameterError("name", name, "use 1 to 64 of A-Z a-z 0-9 . _ -, a letter or digit first")
    target = path_of(folder, name, _next_version(folder, name) if version is None else version)
    if target.exists():
        raise InvalidParameterError("version", target.parent.name, f"{target} is there already; choose another")
    file = model_file.read(source)
    metadata = _completed(file, labels, preprocessing or {}, temperature)
    _write(with_metadata(file.model, metadata).SerializeToString(deterministic=True), target)
    return target


def _completed(
    file: model_file.ModelFile, labels: Path | None, preprocessing: Mapping[str, object], temperature: float | None
) -> ModelMetadata:
    fields = file.metadata.model_dump()
    assumed = set(file.metadata.assumed)
    if labels is not None:
        fields["class_names"] = class_names(labels, file.output)
        assumed.discard("class_names")
    if preprocessing:
        fields["preprocessing"] |= preprocessing
        assumed.discard("preprocessing")
    if temperature is not None:
        fields["temperature"] = temperature
    return validated(fields | {"assumed": sorted(assumed)})


def class_names(labels: Path, output: ClassOutput | None) -> tuple[str, ...]:
    """One name per line, UTF-8; as many as the network has classes."""
    try:
        names = tuple(line.strip() for line in labels.read_text("utf-8-sig").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidMetadataError(f"{labels.name} cannot be read: {error}", "give a UTF-8 text file") from error
    classes = output.classes if output else 0
    if len(names) != classes:
        raise InvalidMetadataError(
            f"{labels.name} has {len(names)} names and the network {classes} classes", "give one name per class"
        )
    return names


def _next_version(folder: Path, name: str) -> int:
    return 1 + max((entry.version for entry in listing(folder).entries if entry.name == name), default=0)


def _write(data: bytes, target: Path) -> None:
    """Whole or not at all: tried in a hidden folder of the repository, then moved."""
    repository = target.parents[2]
    repository.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=repository, prefix=".adding-") as hidden:
        draft = Path(hidden) / target.name
        draft.write_bytes(data)
        for _, refusal in verdicts([draft]):
            if refusal is not None:
                raise ModelFileError(refusal, "nothing was written")
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.rename(target)
