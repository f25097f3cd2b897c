"""One service over tiny models on a real port, as `serve` has it, which outlives all that is sent to it."""

import base64
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.settings import Settings
from tests import tiny_models
from tests.service.api.conftest import named, pixels, png, put, ready

GREY, COLOUR = "/v1/models/grey/classify", "/v1/models/colour/classify"
PICTURE = png(pixels())
MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_IMAGES = 4
_JSON_UP_TO = 100_000
_BOUNDARY = "limit"


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    put(folder, "grey", named(tiny_models.classifier(layout="NHWC", dtype=tiny_models.UINT8, channels=1)))
    put(folder, "colour", named(tiny_models.classifier(layout="NHWC", dtype=tiny_models.UINT8)))
    return folder


@pytest.fixture(scope="session")
def client(repository: Path) -> Iterator[httpx.Client]:
    settings = Settings(
        models=repository,
        max_body_bytes=MAX_BODY_BYTES,
        max_images=MAX_IMAGES,
        provider="cpu",
        request_timeout_seconds=600,  # what looks inside gets what a busy machine leaves over
    )
    with ready(settings) as client:
        yield client


@pytest.fixture(autouse=True)
def _the_service_outlives_the_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever was sent: the service lives, and classifies as before."""
    client: httpx.Client | None = request.getfixturevalue("client") if "client" in request.fixturenames else None
    yield
    if client is not None:
        assert client.get("/health/live").status_code == httpx.codes.OK
        assert client.post(GREY, content=PICTURE).status_code == httpx.codes.OK


def form(*parts: tuple[str, bytes], boundary: str = _BOUNDARY) -> tuple[dict[str, str], bytes]:
    """Content-Type and body of multipart written by hand: (headers, contents) of each part."""
    written = b"".join(b"--%b\r\n%b\r\n\r\n%b\r\n" % (boundary.encode(), head.encode(), data) for head, data in parts)
    content_type = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return content_type, written + f"--{boundary}--\r\n".encode()


def file_part(data: bytes, name: str = "a.png", more: str = "") -> tuple[str, bytes]:
    return f'Content-Disposition: form-data; name="file"; filename="{name}"{more}', data


def code_of(answer: httpx.Response) -> tuple[int, str | None]:
    """The status, and the code of a problem."""
    problem = answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"] if problem else None


def asked(client: httpx.Client, path: str, data: bytes) -> tuple[int, str | None]:
    """What one image is answered, which is the same through all doors: raw, as plain and as unusual multipart, JSON."""
    unusual, body = form(file_part(data, more="\r\nX-Unusual: 1"))
    answers = [
        client.post(path, content=data),
        client.post(path, files={"file": data}),
        client.post(path, content=body, headers=unusual),
    ]
    if len(data) <= _JSON_UP_TO:
        answers.append(client.post(path, json={"images": [base64.b64encode(data).decode()]}))
    found = [code_of(answer) for answer in answers]
    assert len(set(found)) == 1, found
    return found[0]
