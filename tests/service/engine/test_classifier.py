import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import helper, numpy_helper

from service.engine import classifier as classifiers
from service.engine import model_file
from service.engine.classifier import Classifier
from service.engine.devices import chosen_device
from service.engine.model_metadata import with_metadata
from service.engine.probabilities import softmax
from service.engine.turn import Turn
from service.errors import ModelFileError, NotAClassifierError, SmokeTestError
from tests import tiny_models

CPU = chosen_device("cpu", 1)


def loaded(**options: object) -> Classifier:
    model = tiny_models.classifier(**options)  # type: ignore[arg-type]  # forwarded as they are
    return classifiers.load("tiny", 1, model_file.from_bytes(model.SerializeToString()), CPU)


def images(count: int) -> np.ndarray:
    return np.random.default_rng(1).random((count, 3, 8, 8), dtype=np.float32)


def test_the_softmax_of_the_lecture_notes() -> None:
    logits = np.array([[0.87, 3.2, 0.31, 7.2, 1.2, 0.4]], np.float32)
    expected = [1.7e-3, 1.8e-2, 9.9e-4, 0.98, 2.4e-3, 1.1e-3]
    assert softmax(logits)[0] == pytest.approx(expected, rel=0.05)


@given(arrays(np.float32, (3, 5), elements=st.floats(-(2.0**99), 2.0**99, width=32)))
def test_softmax_rows_sum_to_one_for_any_finite_logits(logits: np.ndarray) -> None:
    assert np.allclose(softmax(logits).sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("ending", ["Softmax", "Sigmoid"])
def test_an_output_that_already_is_activated_is_not_activated_again(ending: str) -> None:
    classifier = loaded(ending=ending)
    scores = classifier.scores(images(2), Turn())
    assert np.array_equal(classifier.probabilities(scores), scores)


def test_an_output_that_sums_to_one_without_a_softmax_node_is_a_distribution() -> None:
    model = tiny_models.classifier(classes=4)
    for tensor in model.graph.initializer:
        if tensor.name.startswith("dense"):
            value = np.full_like(numpy_helper.to_array(tensor), 0.25 if tensor.name == "dense.bias" else 0)
            tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
    file = model_file.from_bytes(model.SerializeToString())
    assert classifiers.load("tiny", 1, file, CPU).activation == "softmax"


def test_the_stated_temperature_divides_the_logits() -> None:
    model = tiny_models.classifier()
    metadata = model_file.from_bytes(model.SerializeToString()).metadata.model_copy(update={"temperature": 2.0})
    file = model_file.from_bytes(with_metadata(model, metadata).SerializeToString())
    classifier = classifiers.load("tiny", 1, file, CPU)
    scores = classifier.scores(images(1), Turn())
    assert classifier.probabilities(scores) == pytest.approx(softmax(scores / 2))


@pytest.mark.parametrize("fixed", [1, 2, 4])
def test_a_network_of_a_fixed_batch_answers_any_number_of_images(fixed: int) -> None:
    free, held = loaded(), loaded(batch=fixed)
    assert held.scores(images(5), Turn()) == pytest.approx(free.scores(images(5), Turn()), abs=1e-5)


def test_a_file_with_nan_weights_is_refused() -> None:
    model = tiny_models.classifier()
    weight = model.graph.initializer[0]
    weight.CopyFrom(numpy_helper.from_array(np.full_like(numpy_helper.to_array(weight), np.nan), weight.name))
    with pytest.raises(SmokeTestError, match="NaN"):
        classifiers.load("tiny", 1, model_file.from_bytes(model.SerializeToString()), CPU)


def test_a_custom_operator_is_refused_by_the_runtimes_own_words() -> None:
    model = tiny_models.classifier()
    model.graph.node[0].domain = "somebody"
    model.opset_import.add(domain="somebody", version=1)
    with pytest.raises(ModelFileError, match="somebody"):
        classifiers.load("tiny", 1, model_file.from_bytes(model.SerializeToString()), CPU)


def test_a_network_without_classes_loads_and_does_not_classify() -> None:
    model = tiny_models.classifier()
    del model.graph.node[2:]
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("relu", tiny_models.FLOAT, ["batch", 5, 8, 8]))
    classifier = classifiers.load("tiny", 1, model_file.from_bytes(model.SerializeToString()), CPU)
    with pytest.raises(NotAClassifierError, match="tiny"):
        classifier.scores(images(1), Turn())


def large() -> onnx.ModelProto:
    """Takes milliseconds an image."""
    return tiny_models.classifier(side=1024)


def test_a_large_network_gets_a_second_session_for_when_nothing_else_runs_where_that_is_quicker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(classifiers, "_WORTH_SHARE", 100.0)  # a busy machine may have no second CPU to give
    device = chosen_device("cpu", cpus=2)
    file = model_file.from_bytes(large().SerializeToString())
    classifier = classifiers.load("large", 1, file, device, max_batch=2)
    assert classifier.alone is not None
    assert classifier.runner(Turn(alone=True)) is classifier.alone
    assert classifier.runner(Turn()) is classifier.runners[0]
    image = classifiers.smoke_inputs(file)
    assert classifier.scores(image, Turn(alone=True)) == pytest.approx(classifier.scores(image, Turn()), abs=1e-5)
    monkeypatch.setattr(classifiers, "_WORTH_SHARE", 0.0)
    assert classifiers.load("large", 1, file, device, max_batch=2).alone is None


def test_a_small_network_gets_none() -> None:
    file = model_file.from_bytes(tiny_models.classifier().SerializeToString())
    assert classifiers.load("tiny", 1, file, chosen_device("cpu", cpus=2), max_batch=2).alone is None
