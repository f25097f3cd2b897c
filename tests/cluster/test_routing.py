"""The path says which model a request is about."""

import pytest

pytest.importorskip("ray.serve", reason="Ray is not installed: the extra `cluster` has it")

from service.cluster.routing import model_of


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1/models/mnist/classify", "mnist"),
        ("/v1/models/mnist/versions/2/layer-shapes", "mnist"),
        ("/v1/models/mnist", "mnist"),
        ("/v2/models/a.b-c_d/infer", "a.b-c_d"),
        ("/v1/models", None),
        ("/v2/repository/index", None),
        ("/v1/models/-x/classify", None),
        ("/metrics", None),
    ],
)
def test_the_model_is_the_one_that_the_path_names(path: str, model: str | None) -> None:
    assert model_of({"type": "http", "path": path}) == model


def test_a_prefix_of_the_application_is_no_part_of_the_path() -> None:
    assert model_of({"type": "http", "path": "/fovea/v1/models/mnist", "root_path": "/fovea"}) == "mnist"


def test_what_is_no_request_names_none() -> None:
    assert model_of({"type": "lifespan"}) is None
