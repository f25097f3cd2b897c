"""Asks a service as KServe's own client does, and prints what it was told as one JSON object.

Runs in tests/kserve/.venv, not among the tests: ask.py ADDRESS MODEL PIXELS PICTURE, the last two files.
"""

# ruff: noqa: T201 - it prints its findings

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput


def tensor(pixels: np.ndarray, *, binary: bool, datatype: str = "UINT8") -> InferInput:
    """A batch of pictures as numbers."""
    image = InferInput("image", list(pixels.shape), datatype)
    image.set_data_from_numpy(pixels, binary_data=binary)
    return image


def file(content: bytes) -> InferInput:
    """One picture as the bytes of its file."""
    image = InferInput("image", [1], "BYTES")
    image.set_data_from_numpy(np.array([content], dtype=np.object_), binary_data=True)
    return image


async def found(address: str, model: str, pixels: np.ndarray, picture: bytes) -> dict[str, Any]:
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0, timeout=60))

    async def scores(image: InferInput, of: str = model, **wishes: Any) -> list[float]:
        request = InferRequest(model_name=of, infer_inputs=[image], **wishes)
        answer = await client.infer(address, request, model_name=of)
        (output,) = answer.outputs
        return [float(value) for value in output.as_numpy().ravel()]

    async def refusal(image: InferInput, of: str = model) -> str:
        try:
            return f"not refused: {await scores(image, of)}"
        except Exception as error:  # noqa: BLE001 - whatever the client makes of it
            return str(error)

    one = pixels[None]
    return {
        "server_live": await client.is_server_live(address),
        "server_ready": await client.is_server_ready(address),
        "model_ready": await client.is_model_ready(address, model),
        "broken_ready": await client.is_model_ready(address, "broken"),
        "json": await scores(tensor(one, binary=False)),
        "binary": await scores(tensor(one, binary=True)),
        "binary_answer": await scores(
            tensor(one, binary=True),
            request_outputs=[RequestedOutput("logits", parameters={"binary_data": True})],
        ),
        "picture": await scores(file(picture)),
        "large": len(await scores(tensor(np.repeat(one, 200, axis=0), binary=True))),
        "wrong_datatype": await refusal(tensor(one.astype(np.float32), binary=False, datatype="FP32")),
        "wrong_model": await refusal(tensor(one, binary=False), "gray"),
    }


def main(address: str, model: str, pixels: str, picture: str) -> None:
    print(json.dumps(asyncio.run(found(address, model, np.load(pixels), Path(picture).read_bytes()))))


if __name__ == "__main__":
    main(*sys.argv[1:])
