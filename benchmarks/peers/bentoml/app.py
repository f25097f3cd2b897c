"""The same work under BentoML. MODEL is the file, THREADS those of one run; WORKERS, BATCH and BATCH_MILLISECONDS are
BentoML's own knobs: its adaptive batching is on where BATCH is above 1.
"""

import os

import bentoml
from network import Network
from PIL.Image import Image

BATCH = int(os.environ["BATCH"])


@bentoml.service(
    workers=int(os.environ["WORKERS"]),
    threads=int(os.environ["WORKER_THREADS"]),
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    traffic={"timeout": 30},
)
class Classify:
    def __init__(self) -> None:
        self.network = Network(os.environ["MODEL"], int(os.environ["THREADS"]))

    def results(self, images: list[Image]) -> list[dict[str, object]]:
        rows = self.network.predictions([self.network.prepared(image) for image in images])
        return [{"predictions": row} for row in rows]

    if BATCH > 1:

        @bentoml.api(
            batchable=True,
            max_batch_size=BATCH,
            max_latency_ms=int(os.environ["BATCH_MILLISECONDS"]),
            route="/classify",
        )
        def classify(self, file: list[Image]) -> list[dict[str, object]]:
            return self.results(file)

    else:

        @bentoml.api(route="/classify")
        async def classify(self, file: list[Image]) -> list[dict[str, object]]:
            return self.results(file)

    @bentoml.api(route="/raw")
    async def raw(self, file: Image, /) -> list[dict[str, object]]:
        return self.results([file])
