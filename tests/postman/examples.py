"""The requests of the collection: what a tester asks of `mnist`, version 1, with docs/samples/seven.png.

Those of a named version need not be written: each follows from the one without.
"""

import json

from tests.postman.example import PICTURE, SEVEN, Body, Example

_NETWORK = {
    "input": {"channels": 3, "height": 227, "width": 227},
    "layers": [
        {"kind": "conv", "out_channels": 96, "kernel": 11, "stride": 4},
        {"kind": "max_pool", "kernel": 3, "stride": 2},
    ],
}
_IS_SEVEN = {"model": "mnist", "version": 1, "results[0].predictions[0].label": "7"}
_CONV1_MAPS = {"results[0].layers[0].id": "conv1", "results[0].layers[0].statistics.shape": [1, 16, 28, 28]}
_UNTRAINED = {"model": "digits", "version": 0}

HEALTH = (
    Example("live", "Alive", holds={"status": "live"}),
    Example("ready", "Ready", holds={"status": "ready"}),
    Example("metrics", "Metrics", content_type="text/plain"),
)
MODELS = (
    Example("models", "What is loaded", holds={"models[3].name": "mnist", "models[3].default_version": 1}),
    Example("model", "mnist and its versions", holds={"name": "mnist", "classes[7]": "7", "versions[1].default": True}),
)
CLASSIFY = (
    Example("classify", "One image as base64 JSON", query={"top": 2}, body=PICTURE, holds=_IS_SEVEN),
    Example(
        "classify",
        "One file as multipart",
        body=Body("multipart", file=SEVEN),
        holds=_IS_SEVEN | {"results[0].image": "seven.png"},
    ),
    Example(
        "classify", "One file as the body", body=Body("raw", file=SEVEN, content_type="image/png"), holds=_IS_SEVEN
    ),
    Example(
        "classify",
        "Two images, one of them broken",
        body=Body("text", '{"images": ["{{seven}}", "bm8gaW1hZ2U="]}'),
        holds=_IS_SEVEN | {"results[1].error.code": "image_format_unsupported"},
    ),
)
INSPECT = (
    Example("shapes_of_layers", "The table of layers", holds={"layers[4].id": "conv1", "layers[4].parameters": 416}),
    Example("shapes_of_layers", "The table as text", query={"format": "text"}, content_type="text/plain"),
    Example("list_layers", "The layers in short", holds={"layers[4].id": "conv1"}),
    Example("describe_layer", "One layer", holds={"layer.formula[0]": "floor((28 + 2*2 - 5)/1) + 1 = 28"}),
    Example(
        "calculate_layer_shapes",
        "AlexNet's first layers",
        body=Body("text", json.dumps(_NETWORK, indent=1)),
        holds={"layers[0].output_shape": [1, 96, 55, 55], "layers[1].output_shape": [1, 96, 27, 27]},
    ),
    Example("maps_of_layers", "Statistics of conv1", query={"layers": "conv1"}, body=PICTURE, holds=_CONV1_MAPS),
    Example(
        "maps_of_layers",
        "All channels of conv1 as a picture",
        query={"layers": "conv1", "format": "png"},
        body=PICTURE,
        content_type="image/png",
    ),
    Example(
        "picture_received",
        "What was done to the image",
        query={"format": "json"},
        body=PICTURE,
        holds={"sent.width": 28},
    ),
    Example("filters_of_layer", "The filters of conv1", holds={"shape": [16, 1, 5, 5]}),
    Example(
        "unit_of_layer",
        "One value of conv1, re-derived",
        query={"channel": 3, "y": 10, "x": 12},
        body=PICTURE,
        holds={"agrees": True},
    ),
    Example(
        "evidence_for_class", "Why a 7", query={"class": 7}, body=PICTURE, holds={"class.label": "7", "shape": [7, 7]}
    ),
    Example(
        "evidence_for_class",
        "Why a 7, over the picture",
        query={"class": 7, "format": "png"},
        body=PICTURE,
        content_type="image/png",
    ),
    Example(
        "comparison_of_two", "With the untrained network", query={"with_version": 0, "layers": "conv1"}, body=PICTURE
    ),
    Example(
        "shift_of_picture",
        "Moved to the right",
        query={"dx": "1,2,4", "layers": "conv1"},
        body=PICTURE,
        holds={"shifts[2].dx": 4, "shifts[0].answer.same_class": True},
    ),
    # Of a network that no other request asks: how many images were sampled by then would be chance.
    Example("statistics_of_layers", "What digits' layers hold", path={"model": "digits"}, off="live_statistics_off"),
)
MANAGEMENT = (
    Example("unload_of_version", "Unload digits 0", path=_UNTRAINED, off="management_off", holds={"name": "digits"}),
    Example("load_of_version", "Load digits 0 again", path=_UNTRAINED, off="management_off", holds={"name": "digits"}),
    Example("reload", "Look at the folder now", off="management_off", holds={"models[0].name": "cifar10"}),
)
ALL = (*HEALTH, *MODELS, *CLASSIFY, *INSPECT, *MANAGEMENT)
