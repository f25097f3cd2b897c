"""The model registry in memory: which versions are loaded, loading or refused, and which one answers by default.

Opens no file: `watching` says what is in the repository.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from service.engine.classifier import Classifier
from service.engine.repository import Entry, Ignored
from service.errors import ModelUnavailableError, UnknownModelError, UnknownVersionError

State = Literal["loading", "ready", "unavailable", "unloaded"]


@dataclass(frozen=True)
class Slot:
    """One version: its state, and the classifier where it is ready.

    A ready one without a classifier is loaded on demand. `reason` says why it does not answer; of a ready version, why
    its new file was refused while the old one answers.
    `sha256` is of the file that is loaded, or that was when it was unloaded.
    """

    entry: Entry
    state: State = "loading"
    reason: str | None = None
    classifier: Classifier | None = None
    sha256: str | None = None
    pinned: bool = False


class Registry:
    """Thread-safe. Readers see whole versions only and never wait: what they read is replaced, never changed."""

    def __init__(self) -> None:
        self._slots: dict[str, dict[int, Slot]] = {}
        self._defaults: dict[str, Slot] = {}
        self._writing = threading.Lock()
        self._ignored: tuple[Ignored, ...] = ()
        self._starting = False
        self.problem: str | None = None

    def start(self) -> None:
        """From now until `started` a model answers by default only with its pinned version, else with one neither
        untrained nor of reduced precision, as long as one that may be that is still loading.
        """
        self._starting = True

    def started(self) -> None:
        with self._writing:
            self._starting = False
            self._defaults = {name: _default_slot(list(versions.values())) for name, versions in self._slots.items()}

    def default(self, name: str) -> Slot:
        """The version that answers where none is named; raises UnknownModelError."""
        slot = self._defaults.get(name)
        if slot is None:
            raise UnknownModelError(name, self.names())
        return slot

    def names(self) -> list[str]:
        return sorted(self._slots)

    def ignored(self) -> tuple[Ignored, ...]:
        return self._ignored

    def ignore(self, ignored: Sequence[Ignored]) -> None:
        """What in the repository is not used now, and why."""
        self._ignored = tuple(ignored)

    def all_slots(self) -> list[Slot]:
        """Every version of every model as of one moment, by name, newest first."""
        return [slot for _, versions in sorted(self._slots.items()) for slot in _newest_first(versions)]

    def slots(self, name: str) -> list[Slot]:
        """All versions of a model, newest first; raises UnknownModelError."""
        versions = self._slots.get(name)
        if versions is None:
            raise UnknownModelError(name, self.names())
        return _newest_first(versions)

    def slot(self, name: str, version: str) -> Slot:
        """Raises UnknownModelError or UnknownVersionError."""
        return _of_version(self.slots(name), name, version)

    def classifier(self, name: str, version: str | None = None) -> Classifier:
        """The asked version, else the default one. Raises Unknown...Error or ModelUnavailableError with the reason."""
        slot = self.default(name) if version is None else self.slot(name, version)
        if slot.classifier is None:
            raise ModelUnavailableError(name, slot.reason or "it is still loading")
        return slot.classifier

    def put(self, slot: Slot) -> None:
        """Adds the version, or takes the place of the one there: who asks from now on gets this one."""
        name, version = slot.entry.name, slot.entry.version
        with self._writing:
            self._set(name, {**self._slots.get(name, {}), version: slot})

    def remove(self, entry: Entry) -> None:
        """Forgets the version, and with its last version the model. Whoever holds its classifier may finish."""
        with self._writing:
            left = {number: slot for number, slot in self._slots[entry.name].items() if number != entry.version}
            self._set(entry.name, left)

    def _set(self, name: str, versions: dict[int, Slot]) -> None:
        others = {other: slots for other, slots in self._slots.items() if other != name}
        defaults = {other: slot for other, slot in self._defaults.items() if other != name}
        self._slots = {**others, name: versions} if versions else others
        self._defaults = {**defaults, name: self._default_of(list(versions.values()))} if versions else defaults

    def _default_of(self, slots: list[Slot]) -> Slot:
        chosen = _default_slot(slots)
        undecided = [slot for slot in slots if slot.state == "loading"] if self._starting else []
        is_settled = _is_full(chosen) or (chosen.pinned and chosen.classifier is not None)
        waited_for = [slot for slot in undecided if slot.pinned] or ([] if is_settled else undecided)
        return max(waited_for, key=lambda slot: slot.entry.version, default=chosen)


def _default_slot(slots: list[Slot]) -> Slot:
    """The pinned version where it is ready. Else the highest ready one neither untrained nor of reduced precision,
    else the highest ready one, else the highest.
    """
    ready = [slot for slot in slots if slot.classifier is not None]
    pinned = [slot for slot in ready if slot.pinned]
    full = [slot for slot in ready if _is_full(slot)]
    return max(pinned or full or ready or slots, key=lambda slot: slot.entry.version)


def _is_full(slot: Slot) -> bool:
    stage = slot.classifier.file.metadata.provenance.stage if slot.classifier else None
    return slot.entry.version > 0 and stage not in {"untrained", "quantized"}


def _newest_first(versions: dict[int, Slot]) -> list[Slot]:
    return [slot for _, slot in sorted(versions.items(), reverse=True)]


def _of_version(slots: list[Slot], name: str, version: str) -> Slot:
    for slot in slots:
        if str(slot.entry.version) == version:
            return slot
    raise UnknownVersionError(name, version, sorted(slot.entry.version for slot in slots))
