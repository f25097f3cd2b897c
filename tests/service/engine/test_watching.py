"""The repository followed, look by look, over tiny real networks; the trial process has its own tests."""

import gc
import shutil
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx
import pytest

from service.engine.devices import chosen_device
from service.engine.registry import Registry, Slot
from service.engine.repository import path_of
from service.engine.statistics import Statistics
from service.engine.watching import Watcher
from service.errors import ModelFileError, ModelUnavailableError, UnknownModelError, UnknownVersionError
from tests import tiny_models

CPU = chosen_device("cpu", 1)


class Watched:
    """A repository in a folder, and who follows it. Counts what was tried; `refusals` are given out by path."""

    def __init__(self, folder: Path, *, on_demand: bool = False) -> None:
        self.folder = folder
        self.registry = Registry()
        self.tried: list[Path] = []
        self.refusals: dict[Path, str] = {}
        self.statistics = Statistics()
        self.watcher = Watcher(folder, self.registry, CPU, self._trial, self.statistics, on_demand=on_demand)

    def _trial(self, paths: Sequence[Path]) -> Iterator[tuple[Path, str | None]]:
        for path in paths:
            self.tried.append(path)
            yield path, self.refusals.get(path)

    def put(self, version: int, data: bytes | None = None, *, seed: int | None = None) -> Path:
        """Written beside and moved, as a careful deployment does."""
        path = path_of(self.folder, "tiny", version)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".new")
        draft.write_bytes(network(version if seed is None else seed) if data is None else data)
        return draft.rename(path)

    def slot(self, version: int) -> Slot:
        return self.registry.slot("tiny", str(version))

    def sha256(self, version: int) -> str:
        return self.registry.classifier("tiny", str(version)).file.sha256

    def look(self, times: int = 2) -> None:
        for _ in range(times):
            self.watcher.poll()

    def reasons(self) -> list[str]:
        return [item.reason for item in self.registry.ignored()]


def network(seed: int) -> bytes:
    return tiny_models.classifier(seed=seed).SerializeToString()


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    """Version 1 is there and loaded."""
    repository = Watched(tmp_path)
    repository.put(1)
    repository.watcher.reload()
    return repository


def test_what_is_there_at_the_start_loads_at_once(watched: Watched) -> None:
    assert watched.registry.classifier("tiny").version == 1


def test_a_new_version_shows_as_loading_and_answers_once_two_looks_agree(watched: Watched) -> None:
    watched.put(2)
    watched.look(1)
    assert watched.slot(2).state == "loading"
    assert watched.registry.classifier("tiny").version == 1
    watched.look(1)
    assert watched.registry.classifier("tiny").version == 2


def test_a_replaced_file_takes_the_place_of_the_old_one(watched: Watched) -> None:
    before = watched.sha256(1)
    watched.put(1, seed=7)
    watched.look(1)
    assert watched.sha256(1) == before
    watched.look(1)
    assert watched.sha256(1) != before


def test_nothing_is_tried_twice(watched: Watched) -> None:
    watched.put(2, b"not a model")
    watched.look(5)
    assert [path.parent.name for path in watched.tried] == ["1", "2"]


def test_a_file_still_being_written_is_not_judged(watched: Watched) -> None:
    data, path = network(2), watched.put(2, b"")
    for size in range(1, len(data), len(data) // 5):
        path.write_bytes(data[:size])
        watched.look(1)
        assert watched.slot(2).state == "loading"
    path.write_bytes(data)
    watched.look()
    assert watched.slot(2).state == "ready"
    assert watched.tried.count(path) == 1


def test_a_verdict_on_a_file_that_changed_meanwhile_does_not_count(watched: Watched) -> None:
    path = watched.put(2, b"half of it")
    whole = network(2)

    def finished_meanwhile(paths: Sequence[Path]) -> Iterator[tuple[Path, str | None]]:
        path.write_bytes(whole)
        return ((path, "model_corrupt: cut short") for path in paths)

    hasty = Watcher(watched.folder, watched.registry, CPU, finished_meanwhile)
    hasty.reload()
    assert watched.slot(2).state == "loading"
    assert watched.slot(2).reason is None


def test_bytes_that_nobody_tried_are_not_parsed(watched: Watched) -> None:
    before = watched.sha256(1)
    path = watched.put(1, seed=3)

    def replaced_after_its_trial(paths: Sequence[Path]) -> Iterator[tuple[Path, str | None]]:
        for path in paths:
            watched.put(1, seed=4)
            yield path, None

    Watcher(watched.folder, watched.registry, CPU, replaced_after_its_trial).reload()
    assert watched.sha256(1) == before
    assert path.exists()


def test_a_bad_new_version_is_refused_with_its_reason_and_the_old_one_answers(watched: Watched) -> None:
    watched.put(2, b"not a model")
    watched.look()
    assert watched.registry.classifier("tiny").version == 1
    with pytest.raises(ModelUnavailableError, match="model_corrupt"):
        watched.registry.classifier("tiny", "2")


def test_a_bad_replacement_changes_nothing_but_the_reason(watched: Watched) -> None:
    before = watched.slot(1)
    watched.put(1, b"not a model")
    watched.look()
    after = watched.slot(1)
    assert (after.state, after.classifier) == ("ready", before.classifier)
    assert after.reason is not None
    assert after.reason.startswith("its new file is refused and the old one answers: model_corrupt")


def test_a_file_that_its_trial_refused_is_not_parsed(watched: Watched) -> None:
    before = watched.sha256(1)
    watched.refusals[watched.put(1, seed=3)] = "it crashed"
    watched.look()
    assert watched.sha256(1) == before
    assert "it crashed" in str(watched.slot(1).reason)


def test_the_old_file_put_back_clears_the_reason_and_loads_nothing(watched: Watched) -> None:
    before = watched.slot(1).classifier
    watched.put(1, b"not a model")
    watched.look()
    watched.put(1)
    watched.look()
    assert watched.slot(1).classifier is before
    assert watched.slot(1).reason is None
    assert len(watched.tried) == 2


def test_the_same_bytes_written_again_are_not_loaded_again(watched: Watched) -> None:
    before = watched.slot(1).classifier
    watched.put(1)
    watched.look()
    assert watched.slot(1).classifier is before
    assert len(watched.tried) == 1


def test_a_refused_version_answers_once_its_file_is_repaired(watched: Watched) -> None:
    watched.put(2, b"not a model")
    watched.look()
    watched.put(2)
    watched.look()
    assert watched.slot(2).reason is None
    assert watched.registry.classifier("tiny").version == 2


def test_a_file_that_is_gone_is_unloaded_and_the_version_before_answers(watched: Watched) -> None:
    watched.put(2)
    watched.look()
    path_of(watched.folder, "tiny", 2).unlink()
    watched.look(1)
    assert watched.registry.classifier("tiny").version == 2  # may be about to be replaced
    watched.look(1)
    assert watched.registry.classifier("tiny").version == 1
    with pytest.raises(UnknownVersionError):
        watched.registry.classifier("tiny", "2")


def test_a_version_that_comes_back_is_loaded_again(watched: Watched) -> None:
    path_of(watched.folder, "tiny", 1).unlink()
    watched.look()
    with pytest.raises(UnknownModelError):
        watched.registry.classifier("tiny")
    watched.put(1)
    watched.look()
    assert watched.registry.classifier("tiny").version == 1


def test_a_folder_that_is_gone_unloads_nothing(watched: Watched) -> None:
    shutil.move(watched.folder, watched.folder.with_name("elsewhere"))
    watched.look(3)
    assert watched.registry.classifier("tiny").version == 1
    assert watched.registry.problem is None
    problem = f"the repository {watched.folder} (FOVEA_MODELS) cannot be read: it is gone"
    assert watched.reasons() == [f"{problem}; what is loaded stays"]
    shutil.move(watched.folder.with_name("elsewhere"), watched.folder)
    watched.look(1)
    assert watched.reasons() == []


def test_a_folder_that_cannot_be_read_is_why_nothing_answers() -> None:
    repository = Watched(Path("x" * 300))
    repository.watcher.reload()
    assert "File name too long" in str(repository.registry.problem)


def test_the_memory_of_the_old_network_is_given_back_with_its_last_request(watched: Watched) -> None:
    held = watched.registry.classifier("tiny")  # as a request under way does
    network_of_old = weakref.ref(held.runners[0].session)
    watched.put(1, seed=5)
    watched.look()
    gc.collect()
    assert network_of_old() is not None
    del held
    assert network_of_old() is None  # by counting alone: no collection is waited for


def test_one_bad_file_among_several_stops_no_other(watched: Watched) -> None:
    for version in (2, 4):
        watched.put(version)
    watched.put(3, onnx.ModelProto().SerializeToString())
    watched.look()
    assert [slot.state for slot in watched.registry.slots("tiny")] == ["ready", "unavailable", "ready", "ready"]


def pin(watched: Watched, text: str) -> None:
    (watched.folder / "tiny" / "default").write_text(text)


def test_a_pinned_version_is_the_way_back_from_a_bad_release(watched: Watched) -> None:
    watched.put(2)
    watched.look()
    pin(watched, "1\n")
    watched.look(1)
    assert watched.registry.classifier("tiny").version == 1
    watched.put(3)
    watched.look()
    assert watched.registry.classifier("tiny").version == 1
    (watched.folder / "tiny" / "default").unlink()
    watched.look(1)
    assert watched.registry.classifier("tiny").version == 3


def test_a_pin_holds_from_the_start_and_through_a_replacement(watched: Watched) -> None:
    watched.put(2)
    pin(watched, "1")
    watched.look()
    watched.put(1, seed=9)
    watched.look()
    assert watched.registry.classifier("tiny").version == 1
    assert watched.reasons() == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("7", "the default of tiny is version 7, which is not there; its versions: 2, 1"),
        ("2", "the default of tiny is version 2, which is unavailable; its versions: 2, 1"),
        ("best", "the default of tiny is 'best': write one version into it, a whole number"),
    ],
)
def test_a_pin_that_cannot_be_followed_is_ignored_with_its_reason(watched: Watched, text: str, reason: str) -> None:
    watched.put(2, b"not a model")
    pin(watched, text)
    watched.look()
    assert watched.registry.classifier("tiny").version == 1
    assert watched.reasons() == [reason]


def test_an_unloaded_version_stays_so_until_its_file_changes(watched: Watched) -> None:
    watched.watcher.unload("tiny", "1")
    watched.put(1)  # the same bytes
    watched.look(3)
    with pytest.raises(ModelUnavailableError, match="it was unloaded"):
        watched.registry.classifier("tiny")
    watched.put(1, seed=2)
    watched.look()
    assert watched.slot(1).state == "ready"


def test_a_version_unloaded_before_it_was_judged_stays_unloaded(watched: Watched) -> None:
    watched.put(2)
    watched.look(1)
    watched.watcher.unload("tiny", "2")
    watched.look(3)
    assert watched.slot(2).state == "unloaded"


def test_an_unloaded_version_is_loaded_again_when_asked(watched: Watched) -> None:
    watched.watcher.unload("tiny", "1")
    watched.watcher.load("tiny", "1")
    assert watched.slot(1).state == "ready"
    assert watched.slot(1).reason is None


def test_unloading_gives_the_memory_back_and_keeps_the_file(watched: Watched) -> None:
    session = weakref.ref(watched.registry.classifier("tiny").runners[0].session)
    watched.watcher.unload("tiny", "1")
    assert session() is None
    assert path_of(watched.folder, "tiny", 1).exists()


def test_loading_what_is_loaded_does_nothing(watched: Watched) -> None:
    before = watched.slot(1).classifier
    watched.watcher.load("tiny", "1")
    assert watched.slot(1).classifier is before


def test_loading_judges_a_new_file_at_once(watched: Watched) -> None:
    watched.put(2)
    watched.watcher.load("tiny", "2")
    assert watched.registry.classifier("tiny").version == 2


def test_loading_a_bad_file_says_why_and_what_ran_still_runs(watched: Watched) -> None:
    watched.put(1, b"not a model")
    with pytest.raises(ModelFileError, match="model_corrupt"):
        watched.watcher.load("tiny", "1")
    assert watched.registry.classifier("tiny").version == 1


def test_loading_a_file_that_is_gone_says_so(watched: Watched) -> None:
    path_of(watched.folder, "tiny", 1).unlink()
    with pytest.raises(ModelFileError, match="the file of tiny version 1 is gone; put it back"):
        watched.watcher.load("tiny", "1")


def test_loading_an_unknown_name_or_version_names_what_there_is(watched: Watched) -> None:
    with pytest.raises(UnknownModelError, match="loaded models: tiny"):
        watched.watcher.load("tyni", "1")
    with pytest.raises(UnknownVersionError, match="its versions: 1"):
        watched.watcher.unload("tiny", "2")


def test_loading_a_model_loads_each_of_its_versions_and_announces_nothing_else(watched: Watched) -> None:
    watched.watcher.unload("tiny", "1")
    watched.put(2)
    other = path_of(watched.folder, "other", 1)
    other.parent.mkdir(parents=True)
    other.write_bytes(network(3))
    watched.watcher.load("tiny")
    assert [(slot.entry.version, slot.state) for slot in watched.registry.slots("tiny")] == [(2, "ready"), (1, "ready")]
    assert watched.registry.names() == ["tiny"]


def test_loading_a_model_names_each_version_that_cannot_be_and_loads_the_others(watched: Watched) -> None:
    for version, data in ((2, b"not a model"), (3, None), (4, b"neither")):
        watched.put(version, data)
    with pytest.raises(ModelFileError, match=r"^version 4: model_corrupt.*, version 2: model_corrupt") as refusal:
        watched.watcher.load("tiny")
    assert "version 3" not in str(refusal.value)
    assert watched.registry.classifier("tiny").version == 3


def test_loading_a_model_without_files_says_so(watched: Watched) -> None:
    path_of(watched.folder, "tiny", 1).unlink()
    with pytest.raises(ModelFileError, match="the file of every version of tiny is gone; put it back"):
        watched.watcher.load("tiny")


def test_unloading_a_model_unloads_each_of_its_versions(watched: Watched) -> None:
    watched.put(2)
    watched.watcher.load("tiny")
    watched.watcher.unload("tiny")
    watched.look(3)
    assert {slot.state for slot in watched.registry.slots("tiny")} == {"unloaded"}


def test_without_an_interval_the_folder_is_looked_at_once(tmp_path: Path) -> None:
    repository = Watched(tmp_path)
    repository.put(1)
    repository.watcher.follow(0.0, threading.Event())  # returns
    assert repository.statistics.all_started()
    assert repository.registry.classifier("tiny").version == 1


@pytest.fixture
def on_demand(tmp_path: Path) -> Watched:
    """Versions 1 and 2 are there and nobody has asked for them."""
    repository = Watched(tmp_path, on_demand=True)
    repository.put(1)
    repository.put(2)
    repository.watcher.reload()
    return repository


def test_on_demand_nothing_is_loaded_before_it_is_asked_for(on_demand: Watched) -> None:
    on_demand.look(3)
    assert [slot.state for slot in on_demand.registry.slots("tiny")] == ["ready", "ready"]
    assert on_demand.tried == []
    on_demand.watcher.load("tiny")
    assert on_demand.registry.classifier("tiny").version == 2
    assert len(on_demand.tried) == 2


def test_what_was_given_back_is_not_loaded_by_looking_but_by_asking_again(on_demand: Watched) -> None:
    on_demand.watcher.load("tiny")
    gone = weakref.ref(on_demand.registry.classifier("tiny"))
    on_demand.watcher.give_back("tiny")
    on_demand.look(3)
    gc.collect()
    assert gone() is None
    assert on_demand.slot(2).state == "ready"
    with pytest.raises(ModelUnavailableError):
        on_demand.registry.classifier("tiny")
    on_demand.watcher.load("tiny")
    assert on_demand.registry.classifier("tiny").version == 2


def test_a_new_version_of_a_model_that_is_loaded_on_demand_is_loaded_too(on_demand: Watched) -> None:
    on_demand.watcher.load("tiny")
    on_demand.put(3)
    on_demand.look()
    assert on_demand.registry.classifier("tiny").version == 3


def test_another_file_in_place_of_a_refused_one_may_be_asked_for(on_demand: Watched) -> None:
    on_demand.put(1, b"not a model")
    on_demand.put(2, b"nor is this")
    on_demand.look()
    with pytest.raises(ModelFileError):
        on_demand.watcher.load("tiny")
    assert on_demand.slot(2).state == "unavailable"
    on_demand.put(2)
    on_demand.look()
    assert on_demand.slot(2).state == "ready"
    with pytest.raises(ModelFileError):  # of version 1
        on_demand.watcher.load("tiny")
    assert on_demand.registry.classifier("tiny").version == 2


def test_what_is_announced_shows_as_loading_before_anything_is_tried(tmp_path: Path) -> None:
    """Else a worker that was just started again would say that its models do not exist."""
    repository = Watched(tmp_path)
    repository.put(1)
    repository.watcher.announce()
    assert (repository.slot(1).state, repository.tried) == ("loading", [])
    repository.watcher.reload()
    assert repository.slot(1).state == "ready"


def test_a_repository_that_cannot_be_read_announces_nothing() -> None:
    repository = Watched(Path("/proc/self/mem/models"))
    repository.watcher.announce()
    assert repository.registry.names() == []
