"""The repository followed: what changes on disk is tried, loaded and swapped in while everything else answers.

Knows the files and the registry; knows neither HTTP nor who holds a classifier: an old one lives as long as a request
holds it.
"""

import errno
import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from service.engine import classifier as classifiers
from service.engine import model_file
from service.engine.classifier import Classifier
from service.engine.devices import Device
from service.engine.registry import Registry, Slot
from service.engine.repository import PIN_NAME, Entry, Ignored, Listing, Stamp, listing, pinned, stamp
from service.engine.statistics import Statistics
from service.engine.trial import verdicts
from service.errors import FoveaError, ModelFileError

Trial = Callable[[Sequence[Path]], Iterable[tuple[Path, str | None]]]

log = logging.getLogger("fovea")


@dataclass(frozen=True)
class Sighting:
    """A version's file as one look found it."""

    entry: Entry
    stamp: Stamp


Sightings = Mapping[tuple[str, int], Sighting]


class Watcher:
    """Keeps `registry` as `folder` is. Thread-safe: one change at a time, and readers of the registry never wait.

    `trial` judges a file before it is parsed in this process; `statistics` count what becomes of it. `on_demand`: a
    version is ready at once and loaded by whoever calls `load`, and looks judge only what is loaded.
    """

    def __init__(
        self,
        folder: Path,
        registry: Registry,
        device: Device,
        trial: Trial = verdicts,
        statistics: Statistics | None = None,
        max_batch: int = 32,
        *,
        on_demand: bool = False,
    ) -> None:
        self._on_demand = on_demand
        self._max_batch = max_batch
        self._folder = folder
        self._registry = registry
        self._device = device
        self._trial = trial
        self._statistics = statistics or Statistics()
        self._seen: Sightings = {}
        self._judged: dict[tuple[str, int], Sighting] = {}
        self._changing = threading.Lock()

    def announce(self) -> None:
        """Has every version there show as loading, so that nobody is told that it does not exist. Costs a listing.

        What cannot be read is for `follow` to say.
        """
        self._registry.start()
        with suppress(OSError), self._changing:
            self._announced(self._listing())

    def follow(self, poll_seconds: float, stop: threading.Event) -> None:
        """Loads every version, then looks every `poll_seconds` (0: never again) until `stop` is set. Never raises."""
        try:
            self.reload()
        except Exception as error:
            log.exception("loading the models failed")
            self._registry.problem = f"loading the models failed: {type(error).__name__}"
        finally:
            self._registry.started()
            self._statistics.started()
        while poll_seconds and not stop.wait(poll_seconds):
            try:
                self.poll()
            except Exception:
                log.exception("looking at the repository failed; what is loaded stays")

    def poll(self) -> None:
        """One look. A file that is new, changed or gone counts once two looks in a row agree on it.

        Costs a listing and a stat per file where nothing changed; else also what the changed files cost.
        """
        self._look(at_once=False)

    def reload(self) -> None:
        """As `poll`, but what is there counts at once: who asks says that the files are complete."""
        self._look(at_once=True)

    def load(self, name: str, version: str | None = None) -> None:
        """Judges the version's file now, without a version those of all in the repository; also after `unload` or a
        refusal. Does nothing where it is loaded already.

        Raises Unknown...Error, and ModelFileError with the reasons where one cannot be loaded; what ran still runs.
        """
        with self._changing:
            sightings = self._files_of(name, version)
            for sighting in sightings:
                slot = self._slot(sighting.entry)
                if slot.classifier is None:
                    self._put(replace(slot, state="loading", reason=None, sha256=None))
            self._judge(sightings)
            slots = [self._slot(sighting.entry) for sighting in sightings]
            if failed := [slot for slot in slots if slot.reason or slot.classifier is None]:
                raise ModelFileError(", ".join(map(_failure, failed)), "put a sound file in its place")

    def unload(self, name: str, version: str | None = None) -> None:
        """Gives back the version's memory, without a version that of all, and keeps the files: they answer again after
        `load`, or once they change.

        Raises Unknown...Error.
        """
        with self._changing:
            for slot in self._slots(name, version):
                key = _key(slot.entry)
                if key in self._seen:
                    self._judged[key] = self._seen[key]
                self._put(replace(slot, state="unloaded", reason="it was unloaded; load it again", classifier=None))

    def give_back(self, name: str) -> None:
        """As `unload` of every version, for the next one that asks for the model to `load` them again.

        Raises UnknownModelError.
        """
        with self._changing:
            for slot in self._slots(name, None):
                self._put_on_demand(slot)

    def _files_of(self, name: str, version: str | None) -> list[Sighting]:
        """The asked files as they lie there now. Says nothing of other versions: who loads one may not poll."""
        try:
            found = self._listing()
        except OSError as error:
            raise ModelFileError(f"the repository cannot be read: {error.strerror}", "check its folder") from error
        asked = (entry for entry in found.entries if entry.name == name and version in (None, str(entry.version)))
        now = self._announced(replace(found, entries=tuple(asked)))
        there = [now[key] for slot in self._slots(name, version) if (key := _key(slot.entry)) in now]
        if not there:
            gone = f"{name} version {version}" if version else f"every version of {name}"
            raise ModelFileError(f"the file of {gone} is gone", "put it back, then load it")
        return there

    def _slots(self, name: str, version: str | None) -> list[Slot]:
        return self._registry.slots(name) if version is None else [self._registry.slot(name, version)]

    def _look(self, *, at_once: bool) -> None:
        with self._changing:
            try:
                found = self._listing()
            except OSError as error:
                self._keep(f"the repository {self._folder} (FOVEA_MODELS) cannot be read: {error.strerror}")
                return
            self._complain(None if found.entries or self._registry.names() else self._emptiness())
            before, now = self._seen, self._announced(found)
            self._seen = now
            settled = now if at_once else {key: now[key] for key in now if now[key] == before.get(key)}
            self._forget(now if at_once else {**before, **now})
            self._pin(found.ignored)
            self._judge_changed([settled[key] for key in settled if settled[key] != self._judged.get(key)])
            self._pin(found.ignored)

    def _listing(self) -> Listing:
        """A folder that is gone after the start is a lost disk, not an order to unload everything."""
        if self._seen and not self._folder.is_dir():
            raise FileNotFoundError(errno.ENOENT, "it is gone")
        return listing(self._folder)

    def _emptiness(self) -> str:
        what = "holds no model file yet" if self._folder.is_dir() else "is no folder"
        return f"the repository {self._folder} (FOVEA_MODELS) {what}"

    def _complain(self, problem: str | None) -> None:
        """Why nothing answers, in the log once."""
        if problem is not None and problem != self._registry.problem:
            log.error("no model is loaded: %s", problem)
        self._registry.problem = problem

    def _keep(self, problem: str) -> None:
        """Nothing can be seen: that is why nothing answers, or only to be known while what was loaded answers."""
        if not self._registry.names():
            self._complain(problem)
        self._note([Ignored(self._folder, f"{problem}; what is loaded stays")])

    def _announced(self, found: Listing) -> Sightings:
        """What is there, by name and version; versions not known before show as loading from now on."""
        stamps = [(entry, stamp(entry.path)) for entry in found.entries]
        now = {_key(entry): Sighting(entry, of_file) for entry, of_file in stamps if of_file is not None}
        known = {_key(slot.entry) for slot in self._registry.all_slots()}
        for key in now.keys() - known:
            self._registry.put(Slot(now[key].entry, "ready" if self._on_demand else "loading"))
        return now

    def _forget(self, present: Sightings) -> None:
        for slot in self._registry.all_slots():
            if _key(slot.entry) not in present:
                self._judged.pop(_key(slot.entry), None)
                self._registry.remove(slot.entry)
                self._statistics.ready(_key(slot.entry), is_ready=False)
                log.info("%s version %d is gone", slot.entry.name, slot.entry.version)

    def _judge_changed(self, changed: Iterable[Sighting]) -> None:
        due = []
        for sighting in changed:
            if self._is_wanted(sighting.entry.name):
                due.append(sighting)
            else:
                self._judged[_key(sighting.entry)] = sighting
                self._put_on_demand(self._slot(sighting.entry))
        self._judge(due)

    def _is_wanted(self, name: str) -> bool:
        return not self._on_demand or any(slot.classifier is not None for slot in self._registry.slots(name))

    def _put_on_demand(self, slot: Slot) -> None:
        self._put(replace(slot, state="ready", reason=None, classifier=None, sha256=None))

    def _judge(self, due: Iterable[Sighting]) -> None:
        """Each file tried, loaded, warmed and put into its slot, one after the other."""
        changed = {sighting.entry.path: sighting for sighting in due if not self._is_loaded_already(sighting)}
        if changed:
            for path, refusal in self._trial(list(changed)):
                self._take(changed[path], refusal)

    def _is_loaded_already(self, sighting: Sighting) -> bool:
        """The same bytes, written again or put back in place of a refused file. Costs reading the file."""
        slot = self._slot(sighting.entry)
        if slot.sha256 is None or slot.sha256 != _sha256(sighting.entry.path):
            return False
        self._judged[_key(sighting.entry)] = sighting
        self._registry.put(replace(slot, entry=sighting.entry, reason=None if slot.classifier else slot.reason))
        return True

    def _take(self, sighting: Sighting, refusal: str | None) -> None:
        entry, before = sighting.entry, time.monotonic()
        found = _loaded(sighting, refusal, self._device, self._max_batch)
        slot = replace(self._slot(entry), entry=entry)
        if found is None:  # still being written: the next looks decide
            return
        self._statistics.loaded(entry.name, time.monotonic() - before, succeeded=isinstance(found, Classifier))
        self._judged[_key(entry)] = sighting
        if isinstance(found, Classifier):
            self._put(replace(slot, state="ready", reason=None, classifier=found, sha256=found.file.sha256))
        elif slot.classifier is not None:
            self._put(replace(slot, reason=f"its new file is refused and the old one answers: {found}"))
        else:
            self._put(replace(slot, state="unavailable", reason=found, sha256=None))

    def _pin(self, ignored: Sequence[Ignored]) -> None:
        complaints = [complaint for name in self._registry.names() for complaint in self._pinned(name)]
        self._note([*ignored, *complaints])

    def _pinned(self, name: str) -> Iterator[Ignored]:
        """Marks the version that the model's file `default` names; gives the reason where none answers by it."""
        pin, slots = pinned(self._folder, name), self._registry.slots(name)
        for slot in slots:
            if slot.pinned != (slot.entry.version == pin):
                self._registry.put(replace(slot, pinned=not slot.pinned))
        if isinstance(pin, Ignored):
            yield pin
        elif pin is not None:
            states = {slot.entry.version: slot.state for slot in slots}
            if (state := states.get(pin, "not there")) not in {"ready", "loading"}:
                path, there = self._folder / name / PIN_NAME, ", ".join(map(str, states))
                yield Ignored(path, f"the default of {name} is version {pin}, which is {state}; its versions: {there}")

    def _note(self, ignored: Sequence[Ignored]) -> None:
        for item in ignored:
            if item not in self._registry.ignored():
                log.warning("%s is ignored: %s", item.path.name, item.reason)
        self._registry.ignore(ignored)

    def _put(self, slot: Slot) -> None:
        self._registry.put(slot)
        self._statistics.ready(_key(slot.entry), is_ready=slot.classifier is not None)
        reason = f": {slot.reason}" if slot.reason else ""
        fields = {"model": slot.entry.name, "version": slot.entry.version, "state": slot.state}
        log.info(
            "%s version %d is %s%s", slot.entry.name, slot.entry.version, slot.state, reason, extra={"fields": fields}
        )

    def _slot(self, entry: Entry) -> Slot:
        return self._registry.slot(entry.name, str(entry.version))


def _failure(slot: Slot) -> str:
    return f"version {slot.entry.version}: {slot.reason or 'its file is still being written'}"


def _key(entry: Entry) -> tuple[str, int]:
    return entry.name, entry.version


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _loaded(sighting: Sighting, refusal: str | None, device: Device, max_batch: int) -> Classifier | str | None:
    """The classifier, or the reason why there is none; None where the file changed since it was seen. Never raises."""
    entry = sighting.entry
    try:
        data = b"" if refusal else entry.path.read_bytes()
        if stamp(entry.path) != sighting.stamp:
            return None  # the verdict is of other bytes, and bytes that nobody tried are not parsed here
        if refusal:
            return refusal
        return classifiers.load(entry.name, entry.version, model_file.from_bytes(data), device, max_batch)
    except FoveaError as error:
        return f"{error.code}: {error}"
    except OSError as error:
        return None if stamp(entry.path) != sighting.stamp else f"model_corrupt: it cannot be read: {error.strerror}"
    except Exception as error:
        log.exception("%s version %d cannot be loaded", entry.name, entry.version)
        return f"loading failed: {type(error).__name__}"
