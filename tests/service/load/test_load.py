"""`python -m service load` as a person types it, against the service and against servers that misbehave."""

import asyncio
import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as families

from service.__main__ import main
from service.load.address import Model, parsed
from service.load.exact_sleep import event_loop
from service.load.loops import Loop, arrivals
from service.load.tally import Tally
from service.settings import Settings
from tests import tiny_models
from tests.service.api.conftest import named, pixels, png, put, ready
from tests.service.load.scripted import GOOD, scripted

NOISES = 16
OVERLOADED = 503, {"code": "overloaded", "detail": "9 images are waiting", "remedy": "try again in 1 s"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("models")
    put(folder, "grey", named(tiny_models.classifier(layout="NHWC", dtype=tiny_models.UINT8, channels=1)))
    put(folder, "colour", tiny_models.classifier())
    with ready(Settings(models=folder, provider="cpu")) as client:
        yield client


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    path.write_bytes(png(pixels()))
    return path


def load(url: object, *options: object) -> int:
    return main(["load", *map(str, options), "--url", str(url)])


def rows(text: str) -> dict[str, list[float]]:
    """The table: requests, a second, images a second and the latencies, by what was answered."""
    lines = text.splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("answer"))
    found = {}
    for line in lines[head + 1 : -1]:
        *answer, requests, rate, images, p50, p90, p99, p999, most = line.split()
        numbers = [requests, rate, images.replace("-", "0"), p50, p90, p99, p999, most]
        found[" ".join(answer)] = [float(number.replace(",", "")) for number in numbers]
    return found


def images(client: httpx.Client, model: str = "grey") -> float:
    """How many the service itself counts."""
    samples = [one for family in families(client.get("/metrics").text) for one in family.samples]
    return sum(one.value for one in samples if one.name == "fovea_images_total" and one.labels["model"] == model)


def test_closed_loop_counts_what_the_service_counts(client: httpx.Client, capsys: pytest.CaptureFixture[str]) -> None:
    before = images(client)
    assert load(client.base_url, "grey", "--seconds", 0.5, "--clients", 3) == 0
    text = capsys.readouterr().out
    (answer,) = rows(text).items()
    assert answer[0] == "200"
    count, rate, per_second, *latencies = answer[1]
    assert count > 0
    assert images(client) - before == count + NOISES  # each picture is asked once before the clock runs
    assert rate == per_second > 0
    assert latencies == sorted(latencies)
    assert "closed loop: 3 clients" in text


def test_open_loop_sends_as_many_as_the_rate_says(client: httpx.Client, capsys: pytest.CaptureFixture[str]) -> None:
    before = images(client)
    assert load(client.base_url, "grey", "--seconds", 0.5, "--rate", 60) == 0
    text = capsys.readouterr().out
    assert rows(text)["200"][0] == 30
    assert images(client) - before == 30 + NOISES
    assert "latency from when each was due" in text
    assert "99 of 100 requests went out within" in text


def test_a_batch_is_so_many_images_in_each_request(
    client: httpx.Client, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = images(client)
    assert load(client.base_url, "grey@1", "--seconds", 0.5, "--rate", 20, "--batch", 3, "--files", picture) == 0
    (_, rate, per_second, *_) = rows(capsys.readouterr().out)["200"]
    assert per_second == pytest.approx(3 * rate, abs=0.2)
    assert images(client) - before == 3 * (10 + 1)


def test_a_colour_network_gets_colour_noise_of_its_size(
    client: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    assert load(client.base_url, "colour", "--seconds", 0.1, "--clients", 1) == 0
    assert list(rows(capsys.readouterr().out)) == ["200"]


def test_a_server_that_is_not_there_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with scripted(lambda _: GOOD) as server:
        url = server.url
    assert load(url, "grey") == 2
    error = capsys.readouterr().err
    assert error == (
        f"cannot_measure: {url} does not answer: Connection refused; start the service, or name another --url\n"
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["grex"], "model_unknown: no model named 'grex'; loaded models: grey"),
        (["grey@7"], "model 'grey', version '7': not ready; see GET /v1/models"),
        (["grey", "--files", "none.png"], "none.png cannot be read: No such file or directory; name picture files"),
        (["grey", "--files", __file__], "the bytes are text, not a supported image"),
        (["grey", "--batch", "2", "--files", __file__], "an image is refused: the bytes are text, not a supported"),
    ],
)
def test_what_cannot_be_measured_is_said_before_anything_is(
    client: httpx.Client, options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert load(client.base_url, *options) == 2
    found = capsys.readouterr()
    assert sentence in found.err
    assert found.err.count("\n") == 1
    assert found.out == ""


@pytest.mark.parametrize("url", ["https://here", "here:8000", "http://", "http://here:port", "http://here/?a=b"])
def test_an_address_that_is_none_is_said_with_what_would_be_one(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert load(url, "grey") == 2
    assert f"--url {url!r} cannot be used; give it as http://HOST:PORT" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--rate", "0"], ["--seconds", "nan"], ["--batch", "0"], ["--clients", "x"]])
def test_a_number_that_makes_no_run_is_refused(options: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        load("http://here", "grey", *options)
    assert ended.value.code == 2


def test_clients_and_rate_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load("http://here", "grey", "--rate", 5, "--clients", 5)
    assert "not allowed with argument" in capsys.readouterr().err


@pytest.mark.parametrize(("status", "body"), [(404, "nothing here"), (200, {"hello": "world"})])
def test_something_else_on_the_port_is_said(
    status: int, body: object, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted(lambda _: (status, body)) as server:
        assert load(server.url, "grey", "--files", picture) == 2
    assert f"{server.url} answers {status} as Fovea never does; name another --url" in capsys.readouterr().err


@pytest.mark.parametrize(("refusal", "called"), [(OVERLOADED, "503 overloaded"), ((429, {}), "429")])
def test_refusals_are_counted_by_status_and_never_asked_again(
    refusal: tuple[int, object], called: str, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted(lambda count: refusal if count % 3 == 1 else GOOD) as server:
        assert load(server.url, "grey", "--files", picture, "--rate", 60, "--seconds", 0.5) == 0
    found = rows(capsys.readouterr().out)
    assert {answer: numbers[0] for answer, numbers in found.items()} == {"200": 20, called: 10}
    assert found[called][2] == 0  # a refusal is no image
    assert len(server.paths) == 1 + 30


def test_a_connection_that_is_closed_is_no_answer_and_the_run_goes_on(
    picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted(lambda count: None if count in (3, 4) else GOOD) as server:
        assert load(server.url, "grey", "--files", picture, "--rate", 20, "--seconds", 0.5) == 0
    found = rows(capsys.readouterr().out)
    assert {answer: numbers[0] for answer, numbers in found.items()} == {
        "200": 8,
        "no answer: closed before the answer's end": 2,
    }


@pytest.mark.parametrize(("closing", "connections"), [(False, range(1, 9)), (True, range(9, 10))])
def test_a_connection_is_kept_unless_the_service_ends_it(*, closing: bool, connections: range) -> None:
    with scripted(lambda _: GOOD, closing=closing) as server:
        address = parsed(server.url)
        loop = Loop(address, [address.request("POST", "/", b"{}", "application/json")], 100.0)
        tally = run(loop, [0.0, *(0.2 + 0.1 * number for number in range(8))])
    assert len(tally.latencies["200"]) == 9
    assert server.connections in connections


def test_a_proxys_prefix_and_a_version_are_in_the_path(picture: Path) -> None:
    with scripted(lambda _: GOOD) as server:
        load(f"{server.url}/fovea/", "grey@2", "--files", picture, "--seconds", 0.01, "--clients", 1)
    assert set(server.paths) == {"/fovea/v1/models/grey/versions/2/classify"}


def test_an_ipv6_address_keeps_its_brackets() -> None:
    assert b"\r\nHost: [::1]:8000\r\n" in parsed("http://[::1]:8000").request("GET", "/")


def test_a_name_cannot_leave_its_place_in_the_path() -> None:
    assert Model.named("../x y").path == "/v1/models/..%2Fx%20y"


def run(loop: Loop, dues: list[float]) -> Tally:
    with asyncio.Runner(loop_factory=event_loop) as runner:
        return runner.run(loop.open(dues))


def test_what_waits_for_a_stalled_service_is_counted_from_when_it_was_due() -> None:
    lock = threading.Lock()

    def one_at_a_time(_count: int) -> tuple[int, object]:
        with lock:
            time.sleep(0.1)
        return GOOD

    with scripted(one_at_a_time) as server:
        address = parsed(server.url)
        loop = Loop(address, [address.request("POST", "/", b"{}", "application/json")], 1.0)
        waited = run(loop, [0.0, 0.01, 0.02, 0.03]).latencies["200"]
    assert len(waited) == 4
    assert min(waited) >= 0.1
    assert max(waited) >= 0.4 - 0.03


def test_a_request_that_goes_out_late_counts_its_lateness() -> None:
    with scripted(lambda _: GOOD) as server:
        address = parsed(server.url)
        loop = Loop(address, [address.request("POST", "/", b"{}", "application/json")], 1.0)
        tally = run(loop, [-0.2])
    assert tally.latencies["200"][0] >= 0.2
    assert tally.lags[0] >= 0.2


def test_a_run_that_is_stopped_says_what_it_has_until_then() -> None:
    loops: list[Loop] = []

    def stopping(count: int) -> tuple[int, object]:
        if count == 2:
            loops[0].stop()
        return GOOD

    with scripted(stopping) as server:
        address = parsed(server.url)
        loops.append(Loop(address, [address.request("POST", "/", b"{}", "application/json")], 3600.0))
        with asyncio.Runner(loop_factory=event_loop) as runner:
            tally = runner.run(loops[0].closed(1))
    assert len(tally.latencies["200"]) == 3
    assert 0 < tally.seconds < 3600


def test_arrivals_are_exactly_so_many_in_order_and_irregular() -> None:
    due = arrivals(100.0, 2.5)
    assert len(due) == 250
    assert due == sorted(due)
    assert due[0] >= 0
    assert due[-1] <= 2.5
    gaps = [after - before for before, after in itertools.pairwise(due)]
    assert max(gaps) > 3 * 2.5 / 250  # of a Poisson process; at even times all would be equal
