import os
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from service.engine.trial import EarlyTrial, verdicts
from tests import tiny_models

HOSTILE = Path(os.environ.get("FOVEA_DATA", "../shared/data")) / "hostile-models"


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def counting(limit: int) -> bytes:
    """A network that counts so far before it answers."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["condition"], ["go_on"]), helper.make_node("Relu", ["value"], ["next"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("condition", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    model = tiny_models.classifier()
    model.graph.node.append(helper.make_node("Loop", ["trips", "", "logits"], ["late"], body=body))
    model.graph.initializer.append(numpy_helper.from_array(np.array(limit, np.int64), "trips"))
    model.graph.output[0].name = "late"
    return model.SerializeToString()


def test_a_file_that_never_answers_is_stopped_and_the_next_one_is_tried(tmp_path: Path) -> None:
    good = written(tmp_path / "good.onnx", tiny_models.classifier().SerializeToString())
    slow = written(tmp_path / "slow.onnx", counting(2**62))
    after = written(tmp_path / "after.onnx", tiny_models.classifier(seed=1).SerializeToString())
    found = dict(verdicts([good, slow, after], timeout_seconds=5.0))
    assert found[good] is None
    assert found[after] is None
    assert found[slow] == "smoke_test_failed: loading and one run took over 5 s"


def test_a_refused_file_has_its_code_and_remedy(tmp_path: Path) -> None:
    ((_, reason),) = verdicts([written(tmp_path / "bad.onnx", b"<html>")])
    assert reason is not None
    assert reason.startswith("model_corrupt: ")


def test_files_tried_ahead_are_tried_again_when_asked_again(tmp_path: Path) -> None:
    """A repository of one file asks for the same list when that file is replaced."""
    path = written(tmp_path / "own.onnx", tiny_models.classifier().SerializeToString())
    trial = EarlyTrial([path])
    assert list(trial([path])) == [(path, None)]
    assert list(trial([path])) == [(path, None)]


def test_a_file_that_changed_after_it_was_tried_ahead_is_tried_anew(tmp_path: Path) -> None:
    path = written(tmp_path / "own.onnx", tiny_models.classifier().SerializeToString())
    trial = EarlyTrial([path])
    assert list(verdicts([path])) == [(path, None)]  # meanwhile the one that was begun has its verdict too
    written(path, b"<html>")
    ((_, reason),) = trial([path])
    assert reason is not None
    assert reason.startswith("model_corrupt: ")


def test_what_was_found_before_a_fork_is_remembered_and_only_what_changed_is_tried_again(tmp_path: Path) -> None:
    good = written(tmp_path / "good.onnx", tiny_models.classifier().SerializeToString())
    bad = written(tmp_path / "bad.onnx", b"<html>")
    trial = EarlyTrial([good, bad]).within(60.0)
    first = dict(trial([good, bad]))
    assert first[good] is None
    assert str(first[bad]).startswith("model_corrupt: ")
    written(bad, tiny_models.classifier(seed=1).SerializeToString())
    assert dict(trial([good, bad])) == {good: None, bad: None}


def test_a_fork_does_not_wait_for_a_file_that_takes_long(tmp_path: Path) -> None:
    good = written(tmp_path / "good.onnx", tiny_models.classifier().SerializeToString())
    slow = written(tmp_path / "slow.onnx", counting(2**62))
    trial = EarlyTrial([good, slow])
    found = trial.within(5.0)([good])
    assert dict(found) == {good: None}


@pytest.mark.skipif(not HOSTILE.is_dir(), reason="needs hostile-models in FOVEA_DATA")
def test_a_file_that_needs_gigabytes_is_refused() -> None:
    ((_, reason),) = verdicts([HOSTILE / "bomb_constantofshape_4GB.onnx"])
    assert reason is not None
    assert reason.startswith("smoke_test_failed")
