"""What looking inside costs those who classify, and those who look: p99 beside it, the run alone, a table's opening.

    python -m benchmarks inspect

Production runs at half of saturation (open loop, Poisson), first alone, then while four clients ask for feature maps
without pause; in each round both, in turn.
"""

import http.client
import json
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks import closed_loop, networks, systems
from benchmarks.arrivals import Seen, send
from benchmarks.pictures import MULTIPART, RAW, Picture
from benchmarks.report import Goal, Section, spread, table
from benchmarks.server import Server, running
from service.engine import model_file
from service.engine.devices import Device, open_session
from service.engine.session_model import SessionModel
from service.images.decoding import ImageLimits
from service.inspection.network import Network
from service.inspection.prefix_sessions import PrefixSessions, prefix

SHARE = 0.5
LOOKERS = 4
LAYERS = "conv"  # all 20 convolutions
_DEPTHS = ("conv_1", "conv_10", "conv_20")
_RUNS = 15
_TABLE_BYTES = 100_000_000


def section(models: Path, photograph: Picture, rounds: int, seconds: int) -> Section:
    """ResNet-18, fp32."""
    seen = _beside_production(models, photograph, rounds, seconds)
    runs = _beside_the_bare_run(networks.file(models, 1), photograph)
    opened = _tables()
    ratio = [each.looked_at.of("200", "p99_ms") / each.alone.of("200", "p99_ms") for each in seen]
    rows = [
        ("production alone: p50, p99 ms", _median(seen, "alone", "p50_ms"), spread(_all(seen, "alone", "p99_ms"))),
        ("while 4 clients look", _median(seen, "looked_at", "p50_ms"), spread(_all(seen, "looked_at", "p99_ms"))),
        ("production's statuses, alone", seen[-1].alone.statuses, ""),
        ("production's statuses, looked at", seen[-1].looked_at.statuses, ""),
        ("answers with feature maps a second", spread([each.looks_per_second for each in seen]), ""),
        *((f"run up to {name} / the bare run", f"{ratio:.2f}", "") for name, ratio in runs.items()),
        *((f"table of a 100 MB file: {name}, s", f"{took:.3f}", "") for name, took in opened.items()),
    ]
    goals = (
        Goal("p99 while 4 clients look, of p99 alone, at half of saturation", "<= 1.2 x", spread(ratio)),
        Goal("inference part of a feature map, of the bare truncated run", "<= 1.15 x", spread(list(runs.values()))),
        Goal("opening a 100 MB model's table; again", "< 1 s; cached", spread(list(opened.values()), 3)),
    )
    raw = {"production": [asdict(each) for each in seen], "runs": runs, "tables": opened}
    return Section("Looking inside", table(("ResNet-18, 224x224", "", ""), rows), goals, raw)


@dataclass(frozen=True)
class Round:
    alone: Seen
    looked_at: Seen
    looks_per_second: float


def _beside_production(models: Path, photograph: Picture, rounds: int, seconds: int) -> list[Round]:
    system = systems.fovea(models, networks.NAME, 1)
    with running(system) as server:
        url = server.url(MULTIPART)
        closed_loop.measure(url, photograph, MULTIPART, 16, 2)
        rate = SHARE * closed_loop.measure(url, photograph, MULTIPART, 16, 4).requests_per_second
        server.drain(photograph, MULTIPART)
        found = []
        for _ in range(rounds):
            alone = send(url, photograph, MULTIPART, rate, seconds)
            with _looking(server, photograph) as answers:
                began = time.monotonic()
                looked_at = send(url, photograph, MULTIPART, rate, seconds)
                took = time.monotonic() - began
            found.append(Round(alone, looked_at, len(answers) / took))
            print(f"p99 {alone.of('200', 'p99_ms'):.1f}, {looked_at.of('200', 'p99_ms'):.1f} ms", file=sys.stderr)
    return found


@contextmanager
def _looking(server: Server, picture: Picture) -> Iterator[list[int]]:
    """Clients that ask for feature maps without pause; the statuses of their answers."""
    answers: list[int] = []
    stop = threading.Event()
    path = f"/v1/models/{networks.NAME}/versions/1/feature-maps?layers={LAYERS}"

    def look() -> None:
        while not stop.is_set():
            status, body = server.post(path, picture.body(RAW), picture.header(RAW))
            if status != http.client.OK:
                raise RuntimeError(f"feature maps answer {status}: {body[:300]!r}")
            answers.append(status)

    look_once = server.post(path, picture.body(RAW), picture.header(RAW))
    if look_once[0] != http.client.OK:
        raise RuntimeError(f"feature maps answer {look_once}")
    threads = [threading.Thread(target=look) for _ in range(LOOKERS)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _beside_the_bare_run(path: Path, photograph: Picture) -> dict[str, float]:
    """What a network's values take, divided by a plain session of the same prefix; one after the other, medians."""
    device = Device("cpu", 1, "benchmark")
    file = model_file.read(path)
    network = Network(file, PrefixSessions(lambda model: open_session(SessionModel(model), device), 2**30))
    image = network.input(photograph.path.read_bytes(), ImageLimits(max_pixels=10**8))
    return {name: _ratio(network, network.layer(name).output, image, device) for name in _DEPTHS}


def _ratio(network: Network, tensor: str, image: np.ndarray, device: Device) -> float:
    session = open_session(SessionModel(prefix(network.file.model, [tensor]).SerializeToString()), device)
    feed = {network.file.input.name: image[None]}
    ours, bare = [], []
    for _ in range(_RUNS):
        began = time.perf_counter()
        network.values([tensor], image)
        between = time.perf_counter()
        session.run([tensor], feed)
        ours.append(between - began)
        bare.append(time.perf_counter() - between)
    return statistics.median(ours[1:]) / statistics.median(bare[1:])


def _tables() -> dict[str, float]:
    """Seconds until the table of a file of 100 MB is answered: the very first question, another file's, once more."""
    with TemporaryDirectory() as folder:
        for name in ("first", "second"):
            target = Path(folder) / name / "1/model.onnx"
            target.parent.mkdir(parents=True)
            target.write_bytes(_large().SerializeToString())
        with running(systems.fovea(Path(folder), "first")) as server:
            questions = {"the first question": "first", "another file": "second", "the same again": "second"}
            return {name: _seconds(server, model) for name, model in questions.items()}


def _seconds(server: Server, model: str) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    began = time.perf_counter()
    connection.request("GET", f"/v1/models/{model}/layer-shapes")
    response = connection.getresponse()
    body = json.loads(response.read())
    took = time.perf_counter() - began
    connection.close()
    if response.status != http.client.OK or not body["totals"]["parameters"]:
        raise RuntimeError(f"the table answers {response.status}: {str(body)[:300]}")
    return took


def _large() -> onnx.ModelProto:
    """Ten convolutions of 512 channels and a dense layer: 100 MB of random weights."""
    random = np.random.default_rng(0)
    shapes: Sequence[tuple[int, ...]] = [(512, 3, 3, 3), *[(512, 512, 3, 3)] * 11]
    nodes, weights, tensor = [], [], "image"
    for number, shape in enumerate(shapes):
        weights.append(
            numpy_helper.from_array(random.normal(0, 0.02, shape).astype(np.float32), f"conv{number}.weight")
        )
        nodes.append(
            helper.make_node("Conv", [tensor, f"conv{number}.weight"], [f"c{number}"], strides=[1 + (number < 3)] * 2)
        )
        nodes.append(helper.make_node("Relu", [f"c{number}"], [f"r{number}"]))
        tensor = f"r{number}"
    weights.append(numpy_helper.from_array(random.normal(0, 0.02, (10, 512)).astype(np.float32), "fc.weight"))
    nodes += [
        helper.make_node("GlobalAveragePool", [tensor], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Gemm", ["flat", "fc.weight"], ["logits"], transB=1),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 224, 224])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])
    model = helper.make_model(
        helper.make_graph(nodes, "large", [image], [logits], weights),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    if model.ByteSize() < _TABLE_BYTES:
        raise RuntimeError(f"the file has only {model.ByteSize():,} bytes")
    return model


def _all(seen: Sequence[Round], part: str, figure: str) -> list[float]:
    return [getattr(each, part).of("200", figure) for each in seen]


def _median(seen: Sequence[Round], part: str, figure: str) -> str:
    return f"{statistics.median(_all(seen, part, figure)):.1f}"
