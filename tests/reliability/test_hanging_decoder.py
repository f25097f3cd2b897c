"""An image whose decoding never ends: its sender gets 504, everybody else an answer, and the service still stops."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from service.engine.decoders import MOST_LOST
from tests.reliability.conftest import OTHER, PICTURE, SMALL, URL, Hang, service
from tests.service.api.conftest import until


def test_images_that_hang_get_504_and_others_are_answered_by_threads_that_take_their_place(
    models: Path, hang: Hang
) -> None:
    with service(models, request_timeout_seconds=2.0) as (app, client):
        threads = app.state.services.decoder_threads
        with ThreadPoolExecutor(threads) as senders:
            hung = [senders.submit(client.post, URL, content=PICTURE) for _ in range(threads)]
            for _ in range(threads):
                assert hang.begun.acquire(timeout=60)
            assert client.post(URL, content=SMALL).status_code == 200
            assert client.get("/health/live").status_code == 200
            answers = [one.result() for one in hung]
        assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(504, "deadline_exceeded")}
        assert [client.post(URL, content=OTHER).status_code for _ in range(5)] == [200] * 5
        assert app.state.services.decoders.lost == threads
        assert client.get("/health/ready").status_code == 200
    assert not hang.end.is_set()  # the service stopped all the same


def test_of_many_images_no_more_are_decoded_once_nobody_waits(models: Path, hang: Hang) -> None:
    """Else a few requests of many images would hold all threads for a minute, which then count as lost."""
    with service(models, request_timeout_seconds=2.0) as (app, client):
        threads = app.state.services.decoder_threads
        images = threads * [PICTURE, *(4 * [OTHER])]  # each thread begins with one that hangs
        answer = client.post(URL, files=[("image", (f"{n}.png", one)) for n, one in enumerate(images)])
        assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")
        hang.end.set()
        until(lambda: not any(getattr(one, "_began", None) for one in threading.enumerate() if one.name == "decoder"))
        assert hang.decoded == threads * [PICTURE]


@pytest.mark.usefixtures("hang")
def test_a_process_that_has_lost_too_many_threads_says_that_it_has_to_be_started_again(models: Path) -> None:
    with service(models, request_timeout_seconds=0.5) as (app, client):
        while app.state.services.decoders.problem is None:
            assert client.get("/health/live").json()["status"] == "live"
            assert client.post(URL, content=PICTURE).status_code == 504
        for path in ("/health/live", "/health/ready"):
            answer = client.get(path)
            assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
            (reason,) = answer.json()["reasons"]
            lost, _, rest = reason.partition(" ")
            assert int(lost) >= MOST_LOST  # the last two may be noticed together
            assert rest == "images are decoded without end: start the service again"
        assert client.post(URL, content=SMALL).status_code == 200
