"""The service that everybody writes: FastAPI, a multipart upload, Pillow, numpy, `session.run`, JSON.

Served by `uvicorn app:app --workers N --loop uvloop --http httptools --no-access-log`; MODEL is the file, THREADS
those of one run. ENDPOINT=async answers on the event loop, which costs the least for a tiny network; ENDPOINT=def in
FastAPI's threads, which is right where a run takes milliseconds.
"""

import os

from anyio.to_thread import run_sync
from fastapi import FastAPI, Request, UploadFile
from network import Network

app = FastAPI()
network = Network(os.environ["MODEL"], int(os.environ["THREADS"]))


def answer(files: list[bytes]) -> dict[str, object]:
    rows = network.predictions([network.pixels(file) for file in files])
    return {"model": "model", "results": [{"predictions": row} for row in rows]}


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ready"}


if os.environ["ENDPOINT"] == "async":

    @app.post("/classify")
    async def classify(file: list[UploadFile]) -> dict[str, object]:
        return answer([await upload.read() for upload in file])

    @app.post("/raw")
    async def raw(request: Request) -> dict[str, object]:
        return answer([await request.body()])

else:

    @app.post("/classify")
    def classify(file: list[UploadFile]) -> dict[str, object]:
        return answer([upload.file.read() for upload in file])

    @app.post("/raw")
    async def raw(request: Request) -> dict[str, object]:
        return await run_sync(answer, [await request.body()])
