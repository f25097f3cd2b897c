import threading

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from service.engine import classifier as classifiers
from service.engine import model_file, runner
from service.engine.costs import Costs
from service.engine.devices import RUNTIME_ERRORS, Device, chosen_device
from service.engine.parted import Parted
from service.engine.runner import BoundRunner, Runner, runners
from service.engine.session_model import SessionModel, whole
from service.engine.turn import StoppedError, Turn
from tests import tiny_models

CPU = chosen_device("cpu", 1)
GRAPHS = Device("cpu", 1, "as on a GPU", cuda_graphs=True)


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 3, 8, 8), dtype=np.float32)


def tiny() -> SessionModel:
    return whole(Parted(tiny_models.classifier()))


def repeating() -> SessionModel:
    """times -> y = 1 + 1 + ..., one addition after the other: 10 s for ten million of them."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go_on"], ["still"]), helper.make_node("Add", ["value", "one"], ["sum"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, [1]),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, [1]),
        ],
    )
    loop = helper.make_node("Loop", ["times", "", "zero"], ["y"], body=body)
    weights = {"zero": np.zeros(1), "one": np.ones(1)}
    times, y = int(TensorProto.INT64), int(TensorProto.FLOAT)
    return whole(Parted(tiny_models.model([loop], weights, ("times", times, [1]), ("y", y, [1]))))


def repeats(times: int) -> dict[str, np.ndarray]:
    return {"times": np.array([times])}


def test_a_running_inference_is_stopped_from_another_thread_and_the_session_stays_usable() -> None:
    slow, turn = Runner(repeating(), CPU), Turn()
    threading.Timer(0.05, turn.stop).start()
    with pytest.raises(StoppedError):
        slow.run(repeats(10**7), "y", turn)
    assert slow.run(repeats(3), "y", Turn()) == 3


def test_a_turn_that_was_stopped_before_its_run_never_runs() -> None:
    turn = Turn()
    turn.stop()
    with pytest.raises(StoppedError):
        Runner(repeating(), CPU).run(repeats(10**7), "y", turn)


def test_an_error_of_the_runtime_is_not_taken_for_a_stop() -> None:
    with pytest.raises(RUNTIME_ERRORS, match="Got invalid dimensions"):
        Runner(tiny(), CPU).run({"image": np.zeros((1, 2, 8, 8), np.float32)}, "logits", Turn())


@pytest.mark.parametrize("device", [CPU, GRAPHS])
def test_bound_memory_gives_the_answers_of_a_plain_run(device: Device) -> None:
    plain, bound = Runner(tiny(), CPU), BoundRunner(tiny(), device, memory="cpu")
    for rows, seed in [(1, 0), (4, 1), (1, 2), (4, 3), (3, 4)]:
        feed = {"image": images(rows, seed)}
        assert np.array_equal(bound.run(feed, "logits", Turn()), plain.run(feed, "logits", Turn()))


def test_an_answer_stays_what_it_was_when_its_memory_is_used_again() -> None:
    bound = BoundRunner(tiny(), CPU, memory="cpu")
    first = bound.run({"image": images(2, 0)}, "logits", Turn())
    kept = first.copy()
    bound.run({"image": images(2, 1)}, "logits", Turn())
    assert np.array_equal(first, kept)


def test_each_shape_has_one_slot_whose_graph_has_a_number_of_its_own() -> None:
    bound = BoundRunner(tiny(), GRAPHS, memory="cpu")
    for rows in (1, 2, 1, 2):
        bound.run({"image": images(rows)}, "logits", Turn())
    assert [slot.graph for slot in bound.slots.values()] == ["1", "2"]


def test_shapes_beyond_the_slots_are_answered_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "MOST_SLOTS", 2)
    bound = BoundRunner(tiny(), GRAPHS, memory="cpu")
    answers = [bound.run({"image": images(rows)}, "logits", Turn()) for rows in (1, 2, 3)]
    assert [len(answer) for answer in answers] == [1, 2, 3]
    assert len(bound.slots) == 2


def test_threads_never_share_a_slot() -> None:
    plain, bound = Runner(tiny(), CPU), BoundRunner(tiny(), CPU, memory="cpu")
    wrong: list[int] = []

    def ask(seed: int) -> None:
        feed = {"image": images(8, seed)}
        expected = plain.run(feed, "logits", Turn())
        wrong.extend(seed for _ in range(50) if not np.array_equal(bound.run(feed, "logits", Turn()), expected))

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_device_of_one_session_gets_one_runner_without_foreign_nodes() -> None:
    (only,) = runners(tiny(), CPU)
    assert only.foreign_nodes == ()


def test_each_executor_runs_on_the_session_it_drives() -> None:
    two = Device("cpu", 1, "two sessions, as of two GPUs", executors=(0, 1, 0, 1))
    file = model_file.from_bytes(tiny().graph)
    both = (Runner(tiny(), CPU), Runner(whole(Parted(tiny_models.classifier(seed=1))), CPU))
    classifier = classifiers.Classifier("tiny", 1, file, both, two, None, Costs({1: 1.0}), steady=True)
    answers = [classifier.scores(images(2), Turn(executor)) for executor in range(4)]
    assert np.array_equal(answers[0], answers[2])
    assert np.array_equal(answers[1], answers[3])
    assert not np.array_equal(answers[0], answers[1])


def test_a_float16_file_answers_in_float32() -> None:
    half = tiny_models.classifier()
    for tensor in half.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    half.graph.node[0].input[0] = "half"
    half.graph.node.insert(0, helper.make_node("Cast", ["image"], ["half"], to=TensorProto.FLOAT16))
    half.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    single = classifiers.load("tiny", 1, model_file.from_bytes(tiny().graph), CPU)
    classifier = classifiers.load("tiny", 2, model_file.from_bytes(half.SerializeToString()), CPU)
    scores = classifier.scores(images(3), Turn())
    assert scores.dtype == np.float32
    assert scores == pytest.approx(single.scores(images(3), Turn()), abs=0.02)
    assert not np.array_equal(scores, single.scores(images(3), Turn()))
