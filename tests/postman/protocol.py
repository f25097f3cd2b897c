"""The Open Inference Protocol V2, which has a specification of its own and is not in ours."""

import json

from tests.postman.example import Body, Example
from tests.postman.interface import Operation

_FOLDER = "v2"
_INFER = {
    "inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": ["{{seven}}"]}],
    "outputs": [{"name": "logits", "parameters": {"classification": 2}}],
}


_MODEL, _VERSION = "/models/{model}", "/models/{model}/versions/{version}"


def _v2(method: str, path: str, summary: str, *, protected: bool = False) -> Operation:
    return Operation(method, f"/v2{path}", _FOLDER, summary, protected=protected)


OPERATIONS = {
    "v2_server": _v2("GET", "", "The server and its extensions"),
    "v2_live": _v2("GET", "/health/live", "Is the server alive"),
    "v2_ready": _v2("GET", "/health/ready", "Can it answer"),
    "v2_models": _v2("GET", "/models", "The names of all models"),
    "v2_all_stats": _v2("GET", "/models/stats", "Statistics of all models"),
    "v2_model": _v2("GET", _MODEL, "Inputs and outputs"),
    "v2_model_of_version": _v2("GET", _VERSION, "Inputs and outputs of one version"),
    "v2_model_ready": _v2("GET", f"{_MODEL}/ready", "Can the model answer"),
    "v2_model_ready_of_version": _v2("GET", f"{_VERSION}/ready", "Can the version answer"),
    "v2_config": _v2("GET", f"{_MODEL}/config", "Its configuration"),
    "v2_config_of_version": _v2("GET", f"{_VERSION}/config", "Its configuration, of one version"),
    "v2_stats": _v2("GET", f"{_MODEL}/stats", "Its statistics"),
    "v2_stats_of_version": _v2("GET", f"{_VERSION}/stats", "Its statistics, of one version"),
    "v2_infer": _v2("POST", f"{_MODEL}/infer", "Scores, or labelled classes"),
    "v2_infer_of_version": _v2("POST", f"{_VERSION}/infer", "Scores, or labelled classes, of one version"),
    "v2_index": _v2("POST", "/repository/index", "Every version and its state"),
    "v2_unload": _v2("POST", "/repository/models/{model}/unload", "Unload all versions", protected=True),
    "v2_load": _v2("POST", "/repository/models/{model}/load", "Load all versions", protected=True),
}
_LABELLED = Body("text", json.dumps(_INFER, indent=1))
_DIGITS = {"model": "digits"}

EXAMPLES = (
    Example("v2_server", "Server", holds={"name": "fovea"}),
    Example("v2_live", "Live", holds={"live": True}),
    Example("v2_ready", "Ready", holds={"ready": True}),
    Example("v2_models", "Names", holds={"models": ["cifar10", "digits", "fashion_mnist", "mnist"]}),
    Example("v2_model", "mnist's tensors", holds={"inputs[0].shape": [-1, 28, 28, 1], "outputs[0].name": "logits"}),
    Example("v2_model_ready", "mnist is ready", holds={"name": "mnist", "ready": True}),
    Example("v2_config", "mnist's configuration", holds={"max_batch_size": 32}),
    Example("v2_infer", "The two best classes of a picture", body=_LABELLED, holds={"outputs[0].shape": [1, 2]}),
    Example("v2_stats", "mnist's statistics", holds={"model_stats[0].name": "mnist"}),
    Example("v2_all_stats", "All statistics", holds={"model_stats[0].name": "cifar10"}),
    Example("v2_index", "The repository", body=Body("text", '{"ready": true}'), holds={"[0].name": "cifar10"}),
    Example("v2_unload", "Unload digits", path=_DIGITS, off="management_off"),
    Example("v2_load", "Load digits again", path=_DIGITS, off="management_off"),
)
