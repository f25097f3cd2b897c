"""The same work under LitServe. MODEL is the file, THREADS those of one run; WORKERS, API_SERVERS, BATCH and
BATCH_SECONDS are LitServe's own knobs.

LitServe reads JSON or one form field; the dependency below gives it raw bodies and several files, as plain `bytes`,
which cross its process border more cheaply than an UploadFile.
"""

import os
import sys
from typing import Annotated, Any

import litserve as ls
from fastapi import Depends, Request
from network import Network
from starlette.datastructures import UploadFile


async def files(request: Request) -> list[bytes]:
    if request.headers["content-type"].startswith("multipart/"):
        form = await request.form()
        return [await upload.read() for upload in form.getlist("file") if isinstance(upload, UploadFile)]
    return [await request.body()]


class Classify(ls.LitAPI):
    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe's signature
        self.network = Network(os.environ["MODEL"], int(os.environ["THREADS"]))

    def decode_request(self, request: Annotated[Any, Depends(files)]) -> list[Any]:
        return [self.network.pixels(file) for file in request]

    def batch(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return inputs

    def predict(self, x: Any) -> Any:
        """Several requests' images where LitServe batches (BATCH > 1), else one request's; one run either way."""
        if BATCH == 1:
            return self.network.predictions(x)
        rows = iter(self.network.predictions([image for request in x for image in request]))
        return [[next(rows) for _ in request] for request in x]

    def unbatch(self, output: Any) -> Any:
        return output

    def encode_response(self, output: Any) -> dict[str, object]:
        return {"model": "model", "results": [{"predictions": row} for row in output]}


BATCH = int(os.environ["BATCH"])

if __name__ == "__main__":
    api = Classify(max_batch_size=BATCH, batch_timeout=float(os.environ["BATCH_SECONDS"]), api_path="/classify")
    server = ls.LitServer(
        api,
        accelerator="cpu",
        workers_per_device=int(os.environ["WORKERS"]),
        fast_queue=os.environ["FAST_QUEUE"] == "1",
    )
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=int(os.environ["API_SERVERS"]),
        log_level="error",
        generate_client_file=False,
        access_log=False,
    )
