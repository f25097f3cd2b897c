"""The queue between production and the inspector: bounded, in order, never waited for, and unharmed by a failure."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from service.api.live_sampler import MOST_WAITING, Sampler
from service.engine import classifier as classifiers
from service.engine import model_file
from service.engine.classifier import Classifier
from service.engine.devices import chosen_device
from service.errors import UnsupportedModelError
from service.inspection.live.running_statistics import Activations, activations, merged_layers
from tests import tiny_models

CPU = chosen_device("cpu", 1)


def loaded(name: str, seed: int = 0) -> Classifier:
    file = model_file.from_bytes(tiny_models.classifier(seed=seed).SerializeToString())
    return classifiers.load(name, 1, file, CPU)


def images(count: int, side: int = 8) -> np.ndarray:
    return np.random.default_rng(0).random((count, 3, side, side), dtype=np.float32)


class Inspector:
    """Looks at what it is asked once it is `open`; remembers how many images each question had, and of which file."""

    def __init__(self, most: int = 100) -> None:
        self.open = asyncio.Event()
        self.asked: list[tuple[int, str]] = []
        self._most = most

    async def ask(
        self, _work: object, file: Any, sent: Sequence[np.ndarray], _seconds: float
    ) -> dict[str, Activations]:
        self.asked.append((len(sent), file.sha256))
        await self.open.wait()
        return merged_layers({"input": activations(image[None])} for image in sent[: self._most])


async def settled(inspector: Inspector, sampler: Sampler) -> None:
    """Follows until nothing waits any more."""
    following = asyncio.create_task(sampler.follow(inspector.ask))
    inspector.open.set()
    for _ in range(100):
        await asyncio.sleep(0)
    following.cancel()


def test_while_the_inspector_is_slow_what_finds_the_queue_full_is_dropped_and_counted() -> None:
    async def scenario() -> None:
        sampler, inspector, classifier = Sampler(1.0), Inspector(), loaded("one")
        following = asyncio.create_task(sampler.follow(inspector.ask))
        sampler.offer(classifier, images(8))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert inspector.asked == [(8, classifier.file.sha256)]  # and it does not answer
        for _ in range(50):
            sampler.offer(classifier, images(20))
        assert sampler.seen(classifier).dropped == 1000 - MOST_WAITING
        assert sampler.seen(classifier).images == 0
        await settled(inspector, sampler)
        assert sampler.seen(classifier).images == 8 + MOST_WAITING
        assert max(count for count, _ in inspector.asked) == 8
        following.cancel()

    asyncio.run(scenario())


def test_large_images_fill_the_queue_by_their_bytes() -> None:
    async def scenario() -> None:
        sampler, classifier = Sampler(1.0), loaded("one")
        sampler.offer(classifier, images(10, side=1024))  # of 12 MiB
        assert sampler.seen(classifier).dropped == 5
        await settled(inspector := Inspector(), sampler)
        sampler.offer(classifier, images(5, side=1024))
        assert sampler.seen(classifier).dropped == 5
        assert sum(count for count, _ in inspector.asked) == 5

    asyncio.run(scenario())


def test_a_question_is_of_one_network_and_each_gets_its_own_figures() -> None:
    async def scenario() -> None:
        sampler, inspector, one, two = Sampler(1.0), Inspector(), loaded("one"), loaded("two", seed=1)
        for classifier, count in ((one, 3), (two, 2), (one, 1)):
            sampler.offer(classifier, images(count))
        await settled(inspector, sampler)
        assert inspector.asked == [(3, one.file.sha256), (2, two.file.sha256), (1, one.file.sha256)]
        assert (sampler.seen(one).images, sampler.seen(two).images) == (4, 2)

    asyncio.run(scenario())


def test_images_for_which_the_time_did_not_suffice_count_as_dropped() -> None:
    async def scenario() -> None:
        sampler, classifier = Sampler(1.0), loaded("one")
        sampler.offer(classifier, images(8))
        await settled(Inspector(most=3), sampler)
        assert (sampler.seen(classifier).images, sampler.seen(classifier).dropped) == (3, 5)

    asyncio.run(scenario())


def test_a_failure_is_counted_and_said_and_the_next_image_is_looked_at(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        sampler, inspector, classifier = Sampler(1.0), Inspector(), loaded("one")
        failures: list[Exception] = [UnsupportedModelError("it is odd", "ask another"), OSError("gone")]

        async def ask(*args: Any) -> Mapping[str, Activations]:
            if failures:
                raise failures.pop()
            return await inspector.ask(*args)

        inspector.open.set()
        following = asyncio.create_task(sampler.follow(ask))  # type: ignore[arg-type]
        for _ in range(3):
            sampler.offer(classifier, images(2))
            for _ in range(20):
                await asyncio.sleep(0)
        seen = sampler.seen(classifier)
        assert (seen.images, seen.failed, seen.problem) == (2, 4, "it is odd; ask another")
        following.cancel()

    asyncio.run(scenario())
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "gone" not in caplog.messages[0]


def test_what_is_kept_is_a_copy_of_the_image_and_not_the_batch_it_came_in() -> None:
    async def scenario() -> None:
        sampler, inspector, classifier = Sampler(1.0), Inspector(), loaded("one")
        batch = np.ones((1, 3, 8, 8), np.float32)
        sampler.offer(classifier, batch)
        batch[:] = 5
        await settled(inspector, sampler)
        assert sampler.seen(classifier).layers["input"].max == 1

    asyncio.run(scenario())
