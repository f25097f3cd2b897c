"""The model registry in memory: which versions are loaded, loading or refused, and which one answers by default."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from service.engine import classifier as classifiers
from service.engine import model_file
from service.engine.classifier import Classifier
from service.engine.devices import Device
from service.engine.repository import Entry, Ignored, listing
from service.engine.trial import verdicts
from service.errors import FoveaError, ModelUnavailableError, UnknownModelError, UnknownVersionError

State = Literal["loading", "ready", "unavailable"]
Trial = Callable[[Sequence[Path]], Iterable[tuple[Path, str | None]]]


@dataclass(frozen=True)
class Slot:
    """One version: its state, the reason where it is unavailable, the classifier where it is ready."""

    entry: Entry
    state: State = "loading"
    reason: str | None = None
    classifier: Classifier | None = None


class Registry:
    """Thread-safe. Readers see whole versions only: a slot is replaced, never changed."""

    def __init__(self) -> None:
        self._slots: dict[str, dict[int, Slot]] = {}
        self._ignored: tuple[Ignored, ...] = ()
        self._lock = threading.Lock()
        self.loaded = threading.Event()
        self.problem: str | None = None

    def load(self, folder: Path, device: Device, trial: Trial = verdicts) -> None:
        """Loads every version in the folder; a file that fails is kept with its reason and stops no other.

        A folder that cannot be read becomes `problem`; so does a defect of ours, which is raised too.
        """
        try:
            self._load(folder, device, trial)
        except OSError as error:
            self.problem = f"the repository {folder} cannot be read: {error.strerror}"
        except Exception as error:
            self.problem = f"loading the models failed: {type(error).__name__}"
            raise
        finally:
            self.loaded.set()

    def _load(self, folder: Path, device: Device, trial: Trial) -> None:
        found = listing(folder)
        self._ignored = found.ignored
        for entry in found.entries:
            self._put(Slot(entry))
        entries = {entry.path: entry for entry in found.entries}
        for path, refusal in trial(list(entries)):
            self._put(_loaded(entries[path], refusal, device))

    def names(self) -> list[str]:
        return sorted(self._slots)

    def ignored(self) -> tuple[Ignored, ...]:
        return self._ignored

    def slots(self, name: str) -> list[Slot]:
        """All versions of a model, newest first; raises UnknownModelError."""
        if name not in self._slots:
            raise UnknownModelError(name, self.names())
        return [slot for _, slot in sorted(self._slots[name].items(), reverse=True)]

    def classifier(self, name: str, version: str | None = None) -> Classifier:
        """The asked version, else the default one. Raises Unknown...Error or ModelUnavailableError with the reason."""
        slots = self.slots(name)
        slot = default_slot(slots) if version is None else _of_version(slots, name, version)
        if slot.classifier is None:
            raise ModelUnavailableError(name, slot.reason or "it is still loading")
        return slot.classifier

    def _put(self, slot: Slot) -> None:
        with self._lock:
            versions = self._slots.get(slot.entry.name, {})
            self._slots = {**self._slots, slot.entry.name: {**versions, slot.entry.version: slot}}


def default_slot(slots: list[Slot]) -> Slot:
    """The highest ready version neither untrained nor of reduced precision, else the highest ready, else any."""
    ready = [slot for slot in slots if slot.classifier is not None]
    full = [slot for slot in ready if _is_full(slot)]
    return max(full or ready or slots, key=lambda slot: slot.entry.version)


def _is_full(slot: Slot) -> bool:
    stage = slot.classifier.file.metadata.provenance.stage if slot.classifier else None
    return slot.entry.version > 0 and stage not in {"untrained", "quantized"}


def _of_version(slots: list[Slot], name: str, version: str) -> Slot:
    for slot in slots:
        if str(slot.entry.version) == version:
            return slot
    raise UnknownVersionError(name, version, sorted(slot.entry.version for slot in slots))


def _loaded(entry: Entry, refusal: str | None, device: Device) -> Slot:
    """Never raises: whatever goes wrong with one file is that file's reason."""
    slot = Slot(entry)
    if refusal is not None:
        return replace(slot, state="unavailable", reason=refusal)
    try:
        file = model_file.read(entry.path)
        return replace(slot, state="ready", classifier=classifiers.load(entry.name, entry.version, file, device))
    except FoveaError as error:
        return replace(slot, state="unavailable", reason=f"{error.code}: {error}")
