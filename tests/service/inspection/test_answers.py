"""Answers of the inside against those of the classifier that serves the same file."""

import numpy as np
import onnx
import pytest

from service.engine import classifier as classifiers
from service.engine import model_file
from service.engine.devices import chosen_device, open_session
from service.engine.model_metadata import with_metadata
from service.engine.probabilities import probabilities
from service.engine.session_model import SessionModel
from service.engine.turn import Turn
from service.errors import InvalidParameterError, NotAClassifierError
from service.inspection.answers import class_index, class_scores, top_classes
from service.inspection.network import Network
from service.inspection.prefix_sessions import PrefixSessions
from tests import tiny_models

CPU = chosen_device("cpu", 1)


def network(model: onnx.ModelProto, class_names: tuple[str, ...] = ()) -> Network:
    metadata = model_file.from_bytes(model.SerializeToString()).metadata
    stated = {"class_names": class_names or metadata.class_names, "temperature": 2.0, "assumed": ()}
    described = with_metadata(model, metadata.model_copy(update=stated))
    file = model_file.from_bytes(described.SerializeToString())
    return Network(file, PrefixSessions(lambda data: open_session(SessionModel(data), CPU), 2**24))


def images(count: int) -> np.ndarray:
    return np.random.default_rng(1).random((count, 3, 8, 8), dtype=np.float32)


@pytest.mark.parametrize("options", [{}, {"ending": "Softmax"}, {"ending": "Sigmoid"}, {"batch": 2}])
def test_scores_and_probabilities_are_those_of_the_classifier(options: dict[str, object]) -> None:
    inside = network(tiny_models.classifier(**options))  # type: ignore[arg-type]  # forwarded as they are
    serving = classifiers.load("tiny", 1, inside.file, CPU)
    scores = class_scores(inside, images(3))
    assert scores == pytest.approx(serving.scores(images(3), Turn()), abs=1e-5)
    found = probabilities(scores, serving.activation, inside.file.metadata.temperature)
    assert np.array_equal(found, serving.probabilities(scores))


def test_the_most_probable_class_comes_first_with_its_name_its_probability_and_its_logit() -> None:
    scores = np.array([[1, 3, 2]], np.float32)
    ((first, second),) = top_classes(("ant", "bee", "cat"), scores, None, 2.0, 2)
    assert (first.label, first.index, first.logit) == ("bee", 1, 3)
    assert (second.label, second.index) == ("cat", 2)
    powers = np.exp([0.5, 1.5, 1])
    assert first.probability == pytest.approx(powers[1] / powers.sum())


def test_a_distribution_has_no_logits_and_stays_as_it_is() -> None:
    ((best,),) = top_classes(("no", "yes"), np.array([[0.2, 0.8]], np.float32), "softmax", 2.0, 1)
    assert (best.label, best.logit) == ("yes", None)
    assert best.probability == pytest.approx(0.8)


def test_scores_that_are_not_numbers_have_no_probability() -> None:
    ((best, _),) = top_classes(("no", "yes"), np.array([[np.nan, 1]], np.float32), None, 1.0, 2)
    assert (best.label, best.logit, best.probability) == ("yes", 1, None)


def test_a_class_is_found_by_its_name_and_else_by_its_index() -> None:
    inside = network(tiny_models.classifier(), ("3", "bee", "cat", "dog"))
    assert [class_index(inside, text) for text in ("cat", "1", "3")] == [2, 1, 0]


@pytest.mark.parametrize("text", ["bees", "4", "-1", "", "١", "9" * 5000])
def test_a_class_that_is_not_there_names_those_that_are(text: str) -> None:
    inside = network(tiny_models.classifier(), ("ant", "bee", "cat", "dog"))
    with pytest.raises(InvalidParameterError, match=r"its names are like bee.*, its indices 0 to 3|ant, bee, cat, dog"):
        class_index(inside, text)


def test_a_network_without_classes_has_no_scores() -> None:
    with pytest.raises(NotAClassifierError):
        class_scores(network(tiny_models.upscaler()), np.zeros((1, 8, 8, 1), np.uint8))
