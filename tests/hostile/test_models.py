"""Rows R1 to R17, R19: model files. Each arrives as a new version of a model that answers; that one goes on answering.

The reason stands where an operator looks, `GET /v1/models/{model}`; a file outside of the repository is never opened.
"""

import os
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from service.app import create_app
from service.engine import model_file
from service.engine.model_metadata import with_metadata
from service.engine.trial import verdicts
from service.settings import Settings
from tests import tiny_models
from tests.hostile.conftest import PICTURE
from tests.hostile.corpus import MODELS
from tests.hostile.rows import row
from tests.service.api.conftest import named, put, served, until

PATH = "/v1/models/tiny/classify"
TRIAL_SECONDS = 20.0  # a busy machine needs some for what an idle one does in one
Edit = Callable[[onnx.ModelProto], None]


def tiny(edit: Edit | None = None, **options: object) -> bytes:
    """A sound network, changed."""
    model = tiny_models.classifier(**options)  # type: ignore[arg-type]  # the keywords are those of the network
    if edit is not None:
        edit(model)
    return model.SerializeToString()


def outside(location: str, **entries: str) -> Edit:
    """The first weight lies in another file."""

    def edit(model: onnx.ModelProto) -> None:
        weight = model.graph.initializer[0]
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        for key, value in {"location": location, **entries}.items():
            weight.external_data.add(key=key, value=value)

    return edit


def weights(value: float) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        for tensor in model.graph.initializer:
            tensor.CopyFrom(numpy_helper.from_array(np.full(tensor.dims, value, np.float32), tensor.name))

    return edit


def dims(*sizes: int) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        model.graph.initializer[0].dims[:] = sizes

    return edit


def node(op_type: str, domain: str = "") -> Edit:
    """One operator more behind the scores."""

    def edit(model: onnx.ModelProto) -> None:
        model.graph.node.append(helper.make_node(op_type, ["logits"], ["more"], domain=domain))
        model.graph.output[0].name = "more"

    return edit


def opset(version: int) -> Edit:
    return lambda model: setattr(model.opset_import[0], "version", version)


def functions(depth: int) -> Edit:
    """A chain of functions that call one another; ONNX Runtime follows 3,000 of them into a crash."""

    def edit(model: onnx.ModelProto) -> None:
        model.opset_import.append(helper.make_opsetid("chain", 1))
        imports = [helper.make_opsetid("", 20), helper.make_opsetid("chain", 1)]
        for number in range(depth):
            calls = helper.make_node("Relu", ["x"], ["y"])
            if number + 1 < depth:
                calls = helper.make_node(f"f{number + 1}", ["x"], ["y"], domain="chain")
            model.functions.append(helper.make_function("chain", f"f{number}", ["x"], ["y"], [calls], imports))
        node("f0", "chain")(model)

    return edit


def cycle(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = "logits"


def constant_of(elements: int) -> Edit:
    """The scores and the sum of so many floats that only a run makes."""

    def edit(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(numpy_helper.from_array(np.array([elements], np.int64), "many"))
        model.graph.node.extend(
            [
                helper.make_node("ConstantOfShape", ["many"], ["zeros"]),
                helper.make_node("Exp", ["zeros"], ["ones"]),
                helper.make_node("ReduceSum", ["ones"], ["sum"], keepdims=0),
                helper.make_node("Add", ["logits", "sum"], ["late"]),
            ]
        )
        model.graph.output[0].name = "late"

    return edit


def two_inputs(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("extra", TensorProto.FLOAT, ["batch", 4]))
    model.graph.node.append(helper.make_node("Add", ["logits", "extra"], ["sum"]))
    model.graph.output[0].name = "sum"


def input_of(*shape: int | str) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        model.graph.input[0].CopyFrom(helper.make_tensor_value_info("image", TensorProto.FLOAT, shape))

    return edit


def no_output(model: onnx.ModelProto) -> None:
    del model.graph.output[:]


def metadata(**stated: object) -> bytes:
    """The file says of itself what cannot be."""
    model = tiny_models.classifier()
    known = model_file.from_bytes(model.SerializeToString()).metadata
    return with_metadata(model, known.model_copy(update=stated)).SerializeToString()


def metadata_text(key: str, text: str) -> bytes:
    model = onnx.load_model_from_string(metadata(class_names=("a", "b", "c", "d"), assumed=()))
    next(entry for entry in model.metadata_props if entry.key == key).value = text
    return model.SerializeToString()


def flipped_weight() -> bytes:
    """A release whose checksum is stated, with one bit of one weight turned afterwards."""
    data = named(tiny_models.classifier()).SerializeToString()
    weight = struct.pack("<f", float(numpy_helper.to_array(tiny_models.classifier().graph.initializer[0]).flat[0]))
    place = data.index(weight)
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


SOUND = tiny()
FILES: dict[str, tuple[str, str, bytes]] = {}


def file(name: str, note: str, data: bytes, code: str) -> object:
    """A row, whose file is one of those that the fixture puts into the repository, a version each."""
    FILES[f"{name} {note}"] = (name, code, data)
    return row(name, note, f"{name} {note}")


CORRUPT, INVALID, CONTRACT = "model_corrupt", "model_invalid", "model_contract"
OUTSIDE, SMOKE = "external_data_forbidden", "smoke_test_failed"
ROWS = [
    file("R1", "empty", b"", CORRUPT),
    file("R1", "text", b"hello world", CORRUPT),
    file("R1", "PNG", PICTURE, CORRUPT),
    file("R1", "pickle", b"\x80\x04cos\nsystem\n(S'id'\ntR.", CORRUPT),
    file("R1", "zeros", b"\0" * 4096, CORRUPT),
    file("R1", "random", np.random.default_rng(0).bytes(4096), CORRUPT),
    file("R1", "half", SOUND[: len(SOUND) // 2], CORRUPT),
    file("R1", "7 bytes short", SOUND[:-7], CORRUPT),
    file("R2", "a flipped bit in a weight", flipped_weight(), "checksum_mismatch"),
    file("R3", "beside it", tiny(outside("w.bin")), OUTSIDE),
    file("R3", "above", tiny(outside("../../../canary")), OUTSIDE),
    file("R3", "above, nested", tiny(outside("a/../../../../canary")), OUTSIDE),
    file("R3", "absolute", tiny(outside("/etc/passwd")), OUTSIDE),
    file("R3", "a device", tiny(outside("/dev/zero", length="500")), OUTSIDE),
    file("R3", "the environment", tiny(outside("/proc/self/environ")), OUTSIDE),
    file("R4", "a hard link", tiny(outside("hard.bin")), OUTSIDE),
    file("R4", "a symbolic link", tiny(outside("soft.bin")), OUTSIDE),
    file("R5", "an offset beyond", tiny(outside("w.bin", offset="1000000000000")), OUTSIDE),
    file("R5", "a negative offset", tiny(outside("w.bin", offset="-1")), OUTSIDE),
    file("R5", "a huge length", tiny(outside("w.bin", length="1000000000000000")), OUTSIDE),
    file("R5", "a key of Python's", tiny(outside("w.bin", __class__="x")), OUTSIDE),
    file("R5", "an address in memory", tiny(outside("*/_ORT_MEM_ADDR_/*", offset="4096")), OUTSIDE),
    file("R6", "10^12 weights without data", tiny(dims(10**6, 10**6)), INVALID),
    file("R6", "sizes that overflow", tiny(dims(2**32, 2**32, 3, 3)), INVALID),
    file("R6", "negative sizes", tiny(dims(-5, 3, 3, 3)), INVALID),
    file("R6", "too few bytes", tiny(dims(500, 3, 3, 3)), INVALID),
    file("R7", "3000 functions deep", tiny(functions(3000)), INVALID),
    file("R8", "a cycle", tiny(cycle), INVALID),
    file("R8", "an output of nobody", tiny(lambda model: setattr(model.graph.output[0], "name", "none")), INVALID),
    file("R8", "no output", tiny(no_output), CONTRACT),
    file("R9", "opset 99", tiny(opset(99)), INVALID),
    file("R9", "opset 0", tiny(opset(0)), INVALID),
    file("R9", "IR version 99", tiny(lambda model: setattr(model, "ir_version", 99)), INVALID),
    file("R9", "no opset", tiny(lambda model: model.ClearField("opset_import")), INVALID),
    file("R10", "an operator of a domain of its own", tiny(node("Pwn", "evil")), INVALID),
    file("R10", "an unknown operator", tiny(node("Pwn")), INVALID),
    file("R11", "two inputs", tiny(two_inputs), CONTRACT),
    file("R11", "four channels", tiny(channels=4), CONTRACT),
    file("R11", "an input of rank 2", tiny(input_of("batch", 192)), CONTRACT),
    file("R12", "five names for four classes", metadata(class_names=tuple("abcde"), assumed=()), "metadata_invalid"),
    file("R12", "no names", metadata(class_names=(), assumed=()), "metadata_invalid"),
    file("R13", "weights of NaN", tiny(weights(float("nan"))), SMOKE),
    file("R13", "weights of infinity", tiny(weights(float("inf"))), SMOKE),
    file("R14", "4 GB in a run", tiny(constant_of(2**30)), SMOKE),
    file("R14", "4 TB in a run", tiny(constant_of(2**40)), SMOKE),
    file("R15", "2^62 turns", tiny_models.counting(2**62).SerializeToString(), SMOKE),
    file("R17", "metadata that is no JSON", metadata_text("fovea.preprocessing", "{"), "metadata_invalid"),
    file("R17", "a deviation of 0", metadata_text("fovea.preprocessing", '{"std": [0]}'), "metadata_invalid"),
    file("R17", "a YAML bomb", metadata_text("fovea.class_names", "a: &a [x]\nb: [*a, *a]"), "metadata_invalid"),
    file("R17", "nested deep", metadata_text("fovea.class_names", "[" * 100_000), "metadata_invalid"),
]


@contextmanager
def asked_meanwhile(client: httpx.Client) -> Iterator[list[tuple[int, int]]]:
    """Status and version of every answer of a client that asks again and again, and leaves trials some of the CPU."""
    answers: list[tuple[int, int]] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=client.base_url, timeout=60) as other:
            while not stop.is_set():
                answer = other.post(PATH, content=PICTURE)
                answers.append((answer.status_code, answer.json().get("version", -1)))
                stop.wait(0.02)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        stop.set()
        thread.join()


def reasons(client: httpx.Client) -> Mapping[int, tuple[str, str]]:
    """State and reason of every version that was judged."""
    versions = client.get("/v1/models/tiny").json()["versions"]
    return {one["version"]: (one["state"], one["reason"] or "") for one in versions if one["state"] != "loading"}


def dropped(folder: Path, files: Mapping[int, bytes]) -> tuple[Mapping[int, tuple[str, str]], list[tuple[int, int]]]:
    """The files put beside version 1 of a service that runs and is asked; its judgements, and the answers meanwhile."""
    put(folder, "tiny", named(tiny_models.classifier(layout="NHWC", dtype=tiny_models.UINT8, channels=1)))
    (folder / "tiny" / "default").write_text("1")
    trial = partial(verdicts, timeout_seconds=TRIAL_SECONDS)
    settings = Settings(models=folder, provider="cpu", poll_seconds=0.05)
    with served(create_app(settings, trial)) as client:
        until(lambda: client.get("/health/ready").status_code == httpx.codes.OK)
        with asked_meanwhile(client) as answers:
            for version, data in files.items():
                path = folder / "tiny" / str(version) / "model.onnx"
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(data)
            until(lambda: len(reasons(client)) == len(files) + 1)
        return reasons(client), answers


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Mapping[str, str], list[tuple[int, int]]]:
    """All files of the rows, dropped at once."""
    folder = tmp_path_factory.mktemp("repository") / "models"
    folder.mkdir()
    numbers = dict(enumerate(FILES, start=2))
    (folder.parent / "canary").write_bytes(b"\0" * 4096)
    for number, key in numbers.items():
        if FILES[key][0] == "R4":
            beside = folder / "tiny" / str(number)
            beside.mkdir(parents=True)
            os.link(folder.parent / "canary", beside / "hard.bin")
            (beside / "soft.bin").symlink_to(folder.parent / "canary")
    found, answers = dropped(folder, {number: FILES[key][2] for number, key in numbers.items()})
    return {numbers[number]: f"{state}: {reason}" for number, (state, reason) in found.items() if number > 1}, answers


Judged = tuple[Mapping[str, str], list[tuple[int, int]]]


@pytest.mark.parametrize("key", ROWS)
def test_a_bad_file_is_refused_by_its_code(judged: Judged, key: str) -> None:
    assert judged[0][key].startswith(f"unavailable: {FILES[key][1]}: "), judged[0][key]


@pytest.mark.parametrize("what", [row("R19", "the old version", 1)])
def test_the_old_version_answers_throughout(judged: Judged, what: int) -> None:
    assert len(judged[1]) > 50
    assert set(judged[1]) == {(200, what)}


@pytest.mark.skipif(not MODELS.is_dir(), reason=f"needs hostile-models in {MODELS} (FOVEA_DATA)")
@pytest.mark.parametrize("what", [row("R16", "the collection", 66)])
def test_every_collected_model_leaves_the_old_version_answering(tmp_path: Path, what: int) -> None:
    """66 files; those that are sound after all (foreign layouts, deep but honest graphs) may serve, and are named."""
    files = sorted(MODELS.glob("*.onnx"))
    found, answers = dropped(tmp_path, {number: path.read_bytes() for number, path in enumerate(files, start=2)})
    assert len(files) == what
    assert set(answers) == {(200, 1)}
    ready = {path.name for number, path in enumerate(files, start=2) if found[number][0] == "ready"}
    assert ready == SOUND_AFTER_ALL
    assert all(reason for state, reason in found.values() if state == "unavailable")


SOUND_AFTER_ALL = {
    "100k_nodes.onnx",
    "bitflip1.onnx",  # the file states no checksum, so nothing can be said of its weights
    "classes_1000.onnx",
    "func_chain_100.onnx",
    "fixed_batch1.onnx",
    "nested_if_30.onnx",
    "ok.onnx",
    "two_inputs.onnx",  # the second is read by no node
}


@pytest.mark.parametrize(
    "location", [row("R3", "canary", "../canary"), row("R3", "absolute canary", "{folder}/canary")]
)
def test_a_file_outside_is_never_opened(tmp_path: Path, location: str) -> None:
    """Watched through Python's audit events here, and by the time of the last access for what is not Python."""
    canary = tmp_path / "canary"
    canary.write_bytes(b"\0" * 4096)
    os.utime(canary, (1, 1))
    model = tmp_path / "models" / "own.onnx"
    model.parent.mkdir()
    model.write_bytes(tiny(outside(location.format(folder=tmp_path))))
    opened: list[str] = []
    watching = True

    def heard(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event == "open":
            opened.append(str(arguments[0]))

    sys.addaudithook(heard)
    ((_, reason),) = verdicts([model])
    with pytest.raises(Exception, match="lies outside the file"):
        model_file.read(model)
    watching = False
    assert str(reason).startswith("external_data_forbidden")
    assert canary.stat().st_atime == 1
    assert not [path for path in opened if "canary" in path]
