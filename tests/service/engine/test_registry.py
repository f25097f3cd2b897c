from pathlib import Path

import pytest

from service.engine import classifier, model_file
from service.engine.devices import chosen_device
from service.engine.model_metadata import Provenance, with_metadata
from service.engine.registry import Registry, Slot
from service.engine.repository import Entry, path_of
from service.errors import ModelUnavailableError, UnknownModelError, UnknownVersionError
from tests import tiny_models

CPU = chosen_device("cpu", 1)


def ready(version: int, stage: str = "trained", *, pinned: bool = False) -> Slot:
    model = tiny_models.classifier(seed=version)
    metadata = model_file.from_bytes(model.SerializeToString()).metadata
    metadata = metadata.model_copy(update={"provenance": Provenance.model_validate({"stage": stage})})
    file = model_file.from_bytes(with_metadata(model, metadata).SerializeToString())
    loaded = classifier.load("tiny", version, file, CPU)
    return Slot(entry(version), "ready", classifier=loaded, pinned=pinned)


def entry(version: int, name: str = "tiny") -> Entry:
    return Entry(name, version, path_of(Path("models"), name, version))


def registry_of(*slots: Slot) -> Registry:
    registry = Registry()
    for slot in slots:
        registry.put(slot)
    return registry


def test_the_highest_trained_version_of_full_precision_answers_by_default() -> None:
    registry = registry_of(ready(0, "untrained"), ready(1), ready(2), ready(3, "quantized"))
    assert registry.classifier("tiny").version == 2


def test_an_untrained_version_answers_where_it_is_the_only_one() -> None:
    assert registry_of(ready(0, "untrained")).classifier("tiny").version == 0


def test_a_pinned_version_answers_before_a_higher_one() -> None:
    assert registry_of(ready(1, pinned=True), ready(2)).classifier("tiny").version == 1


def test_a_pinned_version_that_is_not_ready_pins_nothing() -> None:
    registry = registry_of(Slot(entry(1), "unavailable", "broken", pinned=True), ready(2), ready(3))
    assert registry.classifier("tiny").version == 3


def test_while_the_service_starts_no_untrained_version_answers_for_one_that_is_loading() -> None:
    registry = Registry()
    registry.start()
    for slot in (Slot(entry(1)), ready(0, "untrained")):
        registry.put(slot)
    with pytest.raises(ModelUnavailableError, match="still loading"):
        registry.classifier("tiny")
    assert registry.classifier("tiny", "0").version == 0
    registry.put(ready(1))
    assert registry.classifier("tiny").version == 1


def test_while_the_service_starts_no_other_version_answers_for_the_pinned_one() -> None:
    registry = Registry()
    registry.start()
    for slot in (Slot(entry(1), pinned=True), ready(2)):
        registry.put(slot)
    with pytest.raises(ModelUnavailableError, match="still loading"):
        registry.classifier("tiny")
    registry.started()
    assert registry.classifier("tiny").version == 2


def test_an_untrained_version_that_is_pinned_answers_at_once() -> None:
    registry = Registry()
    registry.start()
    for slot in (Slot(entry(1)), ready(0, "untrained", pinned=True)):
        registry.put(slot)
    assert registry.classifier("tiny").version == 0


def test_a_newer_version_that_takes_long_keeps_no_trained_one_from_answering() -> None:
    registry = Registry()
    registry.start()
    for slot in (Slot(entry(2)), ready(1)):
        registry.put(slot)
    assert registry.classifier("tiny").version == 1


def test_a_named_version_answers() -> None:
    assert registry_of(ready(0, "untrained"), ready(1)).classifier("tiny", "0").version == 0


def test_a_version_that_is_refused_or_loading_says_so_and_the_others_answer() -> None:
    registry = registry_of(ready(1), Slot(entry(2), "unavailable", "model_corrupt: cut short"), Slot(entry(3)))
    assert registry.classifier("tiny").version == 1
    with pytest.raises(ModelUnavailableError, match="model_corrupt"):
        registry.classifier("tiny", "2")
    with pytest.raises(ModelUnavailableError, match="still loading"):
        registry.classifier("tiny", "3")


def test_unknown_names_and_versions_name_what_there_is() -> None:
    registry = registry_of(ready(1))
    with pytest.raises(UnknownModelError, match="loaded models: tiny"):
        registry.classifier("tyni")
    with pytest.raises(UnknownVersionError, match="its versions: 1"):
        registry.classifier("tiny", "01")


def test_a_model_is_gone_with_its_last_version() -> None:
    registry = registry_of(Slot(entry(1)), Slot(entry(2)), Slot(entry(1, "other")))
    registry.remove(entry(2))
    assert [slot.entry.version for slot in registry.slots("tiny")] == [1]
    registry.remove(entry(1))
    assert registry.names() == ["other"]


def test_all_versions_come_by_name_and_newest_first() -> None:
    registry = registry_of(Slot(entry(1)), Slot(entry(1, "other")), Slot(entry(2)))
    found = [(slot.entry.name, slot.entry.version) for slot in registry.all_slots()]
    assert found == [("other", 1), ("tiny", 2), ("tiny", 1)]
