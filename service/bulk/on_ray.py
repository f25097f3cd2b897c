"""A job's parts spread over a Ray cluster by Ray Data, which starts again what a lost machine had begun.

The folder of answers, the images and the models must be the same on all machines. What is written decides what is
done: Ray Data only says who does which part.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

# Before Ray reads them. Nothing is told to anybody; and only numbers of parts go through the objects it keeps.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES", str(128 * 2**20))

import ray
from ray.data import ActorPoolStrategy, DataContext

from service.bulk.classification import part_classifier
from service.bulk.job import opened
from service.settings import Settings


class PartWorker:
    """One process of the cluster with the model loaded; classifies the parts that it is given."""

    def __init__(self, folder: Path, settings: Settings, cpus: int) -> None:
        self._classifier = part_classifier(opened(folder), settings, cpus=cpus)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """`part` in; `part` and `errors` out, once the part is written."""
        parts = [int(part) for part in batch["part"]]
        return {"part": parts, "errors": [self._classifier.write(part) for part in parts]}


def written(folder: Path, parts: Sequence[int], settings: Settings, cpus: int = 1) -> Iterator[tuple[int, int]]:
    """Each part and its errors once it is written, in any order; every process takes `cpus` CPUs of the cluster.

    That is the cluster of RAY_ADDRESS, or the one this machine belongs to; one for this job alone where there is none.
    """
    ray.init(ignore_reinit_error=True, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # what is done is said here
    DataContext.get_current().enable_progress_bars = False
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    workers = max(1, int(resources.get("CPU", 1)) // cpus)
    numbers = ray.data.from_items([{"part": part} for part in parts], override_num_blocks=len(parts))
    done = numbers.map_batches(
        PartWorker,
        fn_constructor_args=(folder, settings, cpus),
        batch_size=1,
        num_cpus=cpus,
        compute=ActorPoolStrategy(min_size=1, max_size=min(workers, len(parts))),
    )
    # Nothing fetched ahead: else a part that is done is only said once the next one is too.
    for batch in done.iter_batches(batch_size=1, prefetch_batches=0):
        yield int(batch["part"][0]), int(batch["errors"][0])
