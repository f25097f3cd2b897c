"""The question as a whole, on small graphs: which method is taken, what is refused, and in which forms it answers."""

import json
from time import perf_counter
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from service.engine import model_file
from service.engine.model_metadata import with_metadata
from service.errors import InvalidParameterError, NotAClassifierError, TooManyPassesError, UnknownLayerError
from service.images.decoding import ImageLimits
from service.inspection import stopping
from service.inspection.evidence import attribution
from service.inspection.evidence.attribution import Case
from service.inspection.evidence.class_activation import ClassActivationQuery, class_activation
from service.inspection.evidence.suffix import bypasses, others_read, suffix
from service.inspection.network import Network
from tests import light_networks, networks, tiny_models
from tests.inspected import network as opened
from tests.service.api.conftest import png

PICTURE = np.random.default_rng(3).integers(0, 256, (8, 8, 3), np.uint8)


def answer(network: Network, **asked: Any) -> dict[str, Any]:
    query = ClassActivationQuery.model_validate(asked)
    limits = ImageLimits(max_pixels=10**6)
    reply = class_activation(network, png(PICTURE), query, limits, 10**6, 1000.0, "tiny", 1, "/v1/models/tiny")
    return json.loads(reply.body)  # type: ignore[no-any-return]


def case(network: Network, seconds: float = 1000.0, layer: str | None = None) -> Case:
    side = network.file.metadata.preprocessing.height
    picture = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    return Case(network, picture, None, layer, perf_counter() + seconds)


def flattened(shape: list[int], ending: str | None = None, batch: int | str = "batch") -> Network:
    """conv -> relu -> reshape to `shape` -> dense [-> ending]."""
    nodes = [
        helper.make_node("Conv", ["image", "conv.weight"], ["conv"], pads=[1] * 4),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("Reshape", ["relu", "shape"], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense.weight"], ["scores"], transB=1),
    ]
    if ending:
        nodes.append(helper.make_node(ending, ["scores"], ["chances"]))
    return opened(
        networks.network(
            nodes,
            {"image": (batch, 3, 8, 8)},
            ["chances" if ending else "scores"],
            weights={"conv.weight": (6, 3, 3, 3), "dense.weight": (4, 6 * 64)},
            values={"shape": np.array(shape)},
        )
    )


def test_a_pooled_head_gives_its_exact_map_without_any_pass() -> None:
    found = answer(opened(tiny_models.classifier()))
    assert (found["method"], found["layer"], found["passes"]) == ("cam", "relu_1", 0)
    assert "exact" in found["because"]
    assert found["class"]["predicted"]
    assert (found["relu"], found["range"]["min"] >= 0) == (True, True)


def test_maps_that_are_not_finite_have_no_component_and_are_refused_by_name() -> None:
    model = tiny_models.classifier()
    network = opened(model, {"conv.weight": np.full((5, 3, 3, 3), np.float32(3e38))})
    with pytest.raises(InvalidParameterError, match="not finite"):
        answer(network, method="eigen")


def test_another_head_gives_grad_cam_of_the_last_maps_and_says_what_it_cost() -> None:
    found = answer(flattened([-1, 384]))
    assert (found["method"], found["layer"]) == ("grad-cam", "relu_1")
    assert found["passes"] == 2 * (6 + 6 * 6)  # both directions; all channels once, and six steps tried on six
    assert found["milliseconds_per_pass"] > 0
    assert found["shape"] == [8, 8]
    weights = [abs(channel["weight"]) for channel in found["channels"]]
    assert (len(weights), weights) == (6, sorted(weights, reverse=True))


def test_the_weighted_sum_of_the_stated_channels_is_the_map_with_its_negative_part_if_asked() -> None:
    network = flattened([-1, 384])
    signed, cut = answer(network, relu="false"), answer(network)
    assert signed["range"]["min"] < 0
    assert np.array(cut["values"]) == pytest.approx(np.maximum(signed["values"], 0), rel=0.05, abs=1e-3)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_cam_is_the_same_whichever_way_the_image_comes(layout: Any) -> None:
    network = opened(tiny_models.classifier(layout=layout, dtype=tiny_models.UINT8))
    assert answer(network)["method"] == "cam"
    gradient = attribution.by_grad_cam(case(network))
    exact = attribution.by_cam(case(network))
    assert gradient.values * 64 == pytest.approx(exact.values, rel=0.02, abs=0.02 * np.abs(exact.values).max())


@pytest.mark.parametrize("axes", [(2, 3), (1, 2)])
def test_a_mean_over_both_axes_of_the_picture_is_a_pooled_head_in_either_layout(axes: tuple[int, int]) -> None:
    channels_last = axes == (1, 2)
    nodes = [
        helper.make_node("Conv", ["image", "conv.weight"], ["conv"], pads=[1] * 4),
        helper.make_node("Transpose", ["conv"], ["maps"], perm=[0, 2, 3, 1] if channels_last else [0, 1, 2, 3]),
        helper.make_node("ReduceMean", ["maps", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "dense.weight"], ["product"]),
        helper.make_node("Add", ["product", "dense.bias"], ["scores"]),
    ]
    weights = {"conv.weight": (6, 3, 3, 3), "dense.weight": (6, 4), "dense.bias": (4,)}
    model = networks.network(
        nodes, {"image": ("batch", 3, 8, 8)}, ["scores"], weights=weights, values={"axes": np.array(axes)}
    )
    network = opened(model)
    evidence = attribution.automatic(case(network))
    assert evidence.method == "cam"
    by_passes = attribution.by_grad_cam(case(network, layer=evidence.layer.id if evidence.layer else None))
    assert by_passes.values * 64 == pytest.approx(evidence.values, rel=1e-2, abs=1e-3)


def test_a_network_that_averages_one_map_per_class_shows_that_map() -> None:
    nodes = [
        helper.make_node("Conv", ["image", "conv.weight"], ["maps"], pads=[1] * 4),
        helper.make_node("GlobalAveragePool", ["maps"], ["pool"]),
        helper.make_node("Flatten", ["pool"], ["flat"]),
        helper.make_node("Softmax", ["flat"], ["chances"]),
    ]
    weights = {"conv.weight": (4, 3, 3, 3)}
    network = opened(networks.network(nodes, {"image": ("batch", 3, 8, 8)}, ["chances"], weights=weights))
    evidence = attribution.automatic(case(network))
    assert (evidence.method, evidence.target and evidence.target.tensor) == ("cam", "flat")
    assert evidence.target is not None
    maps = network.values(["maps"], case(network).image)["maps"][0]
    assert evidence.values == pytest.approx(maps[evidence.target.index])


def test_a_head_that_only_looks_pooled_is_not_taken_for_one() -> None:
    nodes = [
        helper.make_node("Conv", ["image", "conv.weight"], ["maps"], pads=[1] * 4),
        helper.make_node("AveragePool", ["maps"], ["pool"], kernel_shape=[4, 4], strides=[8, 8]),
        helper.make_node("Flatten", ["pool"], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense.weight"], ["scores"], transB=1),
    ]
    weights = {"conv.weight": (6, 3, 3, 3), "dense.weight": (4, 6)}
    network = opened(networks.network(nodes, {"image": ("batch", 3, 8, 8)}, ["scores"], weights=weights))
    assert answer(network)["method"] == "grad-cam"
    with pytest.raises(InvalidParameterError, match="ask for method=grad-cam"):
        answer(network, method="cam")


# Some files take any number of images and reshape them to one; others say 1 and would take more.
@pytest.mark.parametrize(("shape", "batch"), [([1, 384], "batch"), ([1, -1], 1), ([1, 384], 1), ([-1, 384], 1)])
def test_a_batch_fixed_inside_the_graph_changes_nothing(shape: list[int], batch: int | str) -> None:
    free = attribution.by_grad_cam(case(flattened([-1, 384])))
    network = flattened(shape, batch=batch)
    fixed = attribution.by_grad_cam(case(network))
    assert fixed.values == pytest.approx(free.values, rel=1e-2, abs=1e-4)
    assert suffix(network, "relu", "scores", case(network).image).rows > 1


def test_a_graph_that_takes_one_image_alone_is_run_row_by_row() -> None:
    nodes = [
        helper.make_node("Conv", ["image", "conv.weight"], ["conv"], pads=[1] * 4),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("Reshape", ["relu", "column"], ["flat"]),
        helper.make_node("Gemm", ["dense.weight", "flat"], ["turned"]),
        helper.make_node("Transpose", ["turned"], ["scores"]),
    ]
    weights = {"conv.weight": (6, 3, 3, 3), "dense.weight": (4, 384)}
    values = {"column": np.array([384, 1])}
    model = networks.network(nodes, {"image": (1, 3, 8, 8)}, ["scores"], weights=weights, values=values)
    alone = suffix(opened(model), "relu", "scores", case(opened(model)).image)
    assert (alone.rows, alone.exactly) == (1, True)
    several = attribution.by_grad_cam(case(flattened([-1, 384])))
    assert attribution.by_grad_cam(case(opened(model))).values.shape == several.values.shape


def test_the_score_is_taken_before_the_softmax_and_the_probability_is_the_files_own() -> None:
    plain, ending = answer(flattened([-1, 384])), answer(flattened([-1, 384], "Softmax"))
    assert ending["class"]["quantity"] == "logit"
    assert ending["class"]["score"] == pytest.approx(plain["class"]["score"], rel=1e-5)
    assert np.array(ending["values"]) == pytest.approx(np.array(plain["values"]), rel=1e-2, abs=1e-3)
    network = flattened([-1, 384], "Softmax")
    image = network.input(png(PICTURE), ImageLimits(max_pixels=10**6))
    chances = network.values(["chances"], image)["chances"][0]
    assert ending["class"]["probability"] == pytest.approx(chances.max(), rel=1e-5)


def test_where_only_probabilities_are_known_their_logarithm_is_explained() -> None:
    nodes = [
        helper.make_node("Conv", ["image", "conv.weight"], ["conv"], pads=[1] * 4),
        helper.make_node("Flatten", ["conv"], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense.weight"], ["logits"], transB=1),
        helper.make_node("Exp", ["logits"], ["powers"]),
        helper.make_node("ReduceSum", ["powers", "axis"], ["sum"], keepdims=1),
        helper.make_node("Div", ["powers", "sum"], ["chances"]),
    ]
    weights = {"conv.weight": (2, 3, 3, 3), "dense.weight": (4, 128)}
    values = {"axis": np.array([1])}
    network = opened(
        networks.network(nodes, {"image": ("batch", 3, 8, 8)}, ["chances"], weights=weights, values=values)
    )
    explained = answer(network)["class"]
    assert explained["quantity"] == "log_probability"
    assert explained["score"] == pytest.approx(np.log(explained["probability"]), rel=1e-5)


def test_what_reads_the_pictures_shape_alone_goes_round_nothing() -> None:
    nodes = [
        helper.make_node("Conv", ["image", "conv.weight"], ["conv"], pads=[1] * 4),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("Shape", ["image"], ["rows"], start=0, end=1),
        helper.make_node("Concat", ["rows", "rest"], ["shape"], axis=0),
        helper.make_node("Reshape", ["relu", "shape"], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense.weight"], ["scores"], transB=1),
    ]
    weights = {"conv.weight": (6, 3, 3, 3), "dense.weight": (4, 384)}
    model = networks.network(
        nodes, {"image": ("batch", 3, 8, 8)}, ["scores"], weights=weights, values={"rest": np.array([-1])}
    )
    assert bypasses(model.graph, "relu", "scores") == frozenset()
    assert others_read(model.graph, "relu", "scores") == {"image"}
    evidence = attribution.by_grad_cam(case(opened(model)))
    plain = attribution.by_grad_cam(case(flattened([-1, 384])))
    assert evidence.held == ()
    assert evidence.values == pytest.approx(plain.values, rel=1e-2, abs=1e-4)


def test_half_precision_finds_its_own_step() -> None:
    single, half = flattened([-1, 384]).file.model, onnx.ModelProto()
    half.CopyFrom(single)
    for weight in half.graph.initializer:
        if weight.data_type == onnx.TensorProto.FLOAT:
            weight.CopyFrom(
                onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight).astype(np.float16), weight.name)
            )
    for value in (*half.graph.input, *half.graph.output):
        value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    exact, rough = (attribution.by_grad_cam(case(opened(model))) for model in (single, half))
    assert exact.weights is not None
    assert rough.weights is not None
    assert np.corrcoef(exact.weights, rough.weights)[0, 1] > 0.99


def test_passes_that_cannot_end_in_time_are_refused_before_they_begin() -> None:
    network = flattened([-1, 384])
    with pytest.raises(TooManyPassesError, match=r"84 passes of .* ms take .* s; there are 0\.0 s") as refused:
        attribution.by_grad_cam(case(network, seconds=0))
    assert refused.value.remedy.startswith("ask for a later layer, or for method=eigen")


def test_the_remedy_is_cam_where_the_head_allows_it() -> None:
    with pytest.raises(
        TooManyPassesError, match="ask for method=cam, which takes one run of the network, on layer relu_1"
    ):
        attribution.by_grad_cam(case(opened(tiny_models.classifier()), seconds=0))


def test_too_many_patches_name_those_that_are_few_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attribution, "MAX_PASSES", 20)
    with pytest.raises(TooManyPassesError) as refused:
        attribution.by_occlusion(case(flattened([-1, 384])), patch=1, stride=1)
    assert refused.value.remedy == "ask for patch=4&stride=2, which takes 9 passes"
    assert attribution.by_occlusion(case(flattened([-1, 384])), patch=4, stride=2).passes == 9


def test_where_grad_cam_costs_too_much_occlusion_is_taken_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attribution, "MAX_PASSES", 83)
    network = flattened([-1, 384])
    evidence = attribution.by_occlusion(case(network), patch=2)
    found = attribution.automatic(case(network)) if evidence.passes <= 83 else evidence
    assert (found.method, found.because[:24]) == ("occlusion", "Grad-CAM is too expensiv")


def test_work_nobody_waits_for_ends_between_two_passes() -> None:
    stop = stopping.Stop()
    token = stopping.current.set(stop)
    try:
        stop.asked.set()
        with pytest.raises(stopping.StoppedError):
            attribution.by_grad_cam(case(flattened([-1, 384])))
    finally:
        stopping.current.reset(token)


def test_a_network_without_classes_shows_its_principal_component_and_nothing_of_a_class() -> None:
    network = opened(tiny_models.upscaler())
    found = answer(network, method="eigen")
    assert (found["class"], found["class_specific"], found["layer"]) == (None, False, "conv")
    for method in ("auto", "cam", "grad-cam", "ablation", "occlusion"):
        with pytest.raises(NotAClassifierError):
            answer(network, method=method)


@pytest.mark.parametrize(
    ("asked", "error", "sentence"),
    [
        ({"class": "clas_1"}, InvalidParameterError, "its names are like class_1"),
        ({"class": "9"}, InvalidParameterError, "its indices 0 to 3"),
        ({"layer": "rel_1"}, UnknownLayerError, "nearest names: relu_1"),
        ({"layer": "dense"}, InvalidParameterError, "its output is no map over the picture; .* conv, relu_1"),
        ({"layer": "conv", "method": "cam"}, InvalidParameterError, "CAM is of the layer that is averaged, relu_1"),
        ({"layer": "conv", "method": "occlusion"}, InvalidParameterError, "occlusion looks at no layer"),
        ({"method": "eigen", "class": "1"}, InvalidParameterError, "eigen is of no class"),
        ({"method": "occlusion", "patch": "9"}, InvalidParameterError, "receives 8x8 pixels: ask for less"),
        ({"method": "cam", "stride": "2"}, InvalidParameterError, "it belongs to method=occlusion"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_what_can(
    asked: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        answer(opened(tiny_models.classifier()), **asked)


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet", "inception_v1"])
def test_networks_nobody_here_wrote_have_exact_maps(name: str) -> None:
    network = opened(light_networks.network(name))
    evidence = attribution.automatic(case(network))
    assert evidence.method == "cam"
    assert evidence.scores is not None
    assert evidence.target is not None
    bias = evidence.scores[0, evidence.target.index] - evidence.values.mean()
    other = attribution.automatic(Case(network, 255 - case(network).picture, str(evidence.target.index), None, 1e9))
    assert other.scores is not None
    assert other.scores[0, evidence.target.index] - other.values.mean() == pytest.approx(bias, abs=1e-3)


def test_file_metadata_names_the_class() -> None:
    model = tiny_models.classifier()
    metadata = model_file.from_bytes(model.SerializeToString()).metadata
    described = metadata.model_copy(update={"class_names": ("ant", "bee", "cat", "dog"), "assumed": ()})
    found = answer(opened(with_metadata(model, described)), **{"class": "cat"})["class"]
    assert (found["label"], found["index"]) == ("cat", 2)


def test_a_map_whose_units_see_all_of_the_picture_is_laid_over_all_of_it() -> None:
    nodes = [
        helper.make_node("Conv", ["image", "conv.weight"], ["conv"], pads=[1] * 4, strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["conv"], ["squeezed"]),
        helper.make_node("Sigmoid", ["squeezed"], ["gate"]),
        helper.make_node("Mul", ["conv", "gate"], ["excited"]),
        helper.make_node("GlobalAveragePool", ["excited"], ["pool"]),
        helper.make_node("Flatten", ["pool"], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense.weight"], ["scores"], transB=1),
    ]
    weights = {"conv.weight": (6, 3, 3, 3), "dense.weight": (4, 6)}
    found = answer(opened(networks.network(nodes, {"image": ("batch", 3, 8, 8)}, ["scores"], weights=weights)))
    assert (found["method"], found["shape"]) == ("cam", [4, 4])
    assert found["on_picture"] == {"centre": [0.5, 0.5], "jump": [2, 2], "stretched": True}


def test_a_map_of_one_value_shows_no_place_and_earlier_maps_are_taken() -> None:
    nodes = [
        helper.make_node("Conv", ["image", "conv.weight"], ["conv"], pads=[1] * 4),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("Conv", ["relu", "last.weight"], ["single"]),
        helper.make_node("GlobalAveragePool", ["single"], ["pool"]),
        helper.make_node("Flatten", ["pool"], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense.weight"], ["scores"], transB=1),
    ]
    weights = {"conv.weight": (6, 3, 3, 3), "last.weight": (5, 6, 8, 8), "dense.weight": (4, 5)}
    network = opened(networks.network(nodes, {"image": ("batch", 3, 8, 8)}, ["scores"], weights=weights))
    assert (answer(network)["method"], answer(network)["layer"]) == ("grad-cam", "relu_1")
    with pytest.raises(InvalidParameterError, match="its output is no map over the picture"):
        answer(network, method="cam")
