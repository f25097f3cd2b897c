"""Evidence found with forward passes, against PyTorch's own backward pass and against direct loops."""

from collections import OrderedDict
from functools import cache
from time import perf_counter
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from service.engine import model_file
from service.engine.model_metadata import with_metadata
from service.inspection.evidence import attribution
from service.inspection.evidence.attribution import Case, Evidence
from tests.inspected import network as opened
from training.graphs.export import exported
from training.networks.layers.global_average_pool import GlobalAveragePool
from training.networks.layers.normalize import Normalize
from training.networks.resnet import BasicBlock

CLASSES = 5
HEADS = ("pooled", "dense")


def head_of(kind: str) -> OrderedDict[str, nn.Module]:
    if kind == "pooled":
        return OrderedDict(avgpool=GlobalAveragePool(), flatten=nn.Flatten(), fc=nn.Linear(16, CLASSES))
    hidden = OrderedDict(pool=nn.MaxPool2d(2), flatten=nn.Flatten(), fc1=nn.Linear(16 * 9, 32), relu1=nn.ReLU())
    return hidden | {"fc2": nn.Linear(32, CLASSES)}


class Made:
    """A residual network in PyTorch, and the same one as the service opens it."""

    def __init__(self, head: str) -> None:
        torch.manual_seed(0)
        torch.set_num_threads(1)
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            normalize=Normalize(3),
            conv1=nn.Conv2d(3, 8, 3, padding=1),
            relu=nn.ReLU(),
            block1=BasicBlock(8, 8, 1),
            block2=BasicBlock(8, 16, 2),
        )
        self.module = nn.Sequential(layers | head_of(head)).eval()
        for part in self.module.modules():
            _unsettle(part)
        made = exported(self.module, (12, 12, 3))
        metadata = model_file.from_bytes(made.model.SerializeToString()).metadata
        described = metadata.model_copy(update={"layers": made.layers, "assumed": ()})
        self.network = opened(with_metadata(made.model, described))

    def scores(self, picture: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(self.module(torch.from_numpy(picture[None])).numpy())

    def maps(self, picture: np.ndarray, layer: str) -> Tensor:
        """What the layer puts out, with the graph behind it."""
        kept: list[Tensor] = []
        hook = self.module.get_submodule(layer).register_forward_hook(lambda *a: kept.append(a[2]))
        self.module(torch.from_numpy(picture[None]))
        hook.remove()
        return kept[0]

    def grad_cam(self, picture: np.ndarray, layer: str, index: int) -> tuple[np.ndarray, np.ndarray]:
        """The weights and the map, by autograd."""
        kept: list[Tensor] = []
        hook = self.module.get_submodule(layer).register_forward_hook(lambda *a: kept.append(a[2]))
        score = self.module(torch.from_numpy(picture[None]))[0, index]
        hook.remove()
        (gradient,) = torch.autograd.grad(score, kept[0])
        weights = gradient.mean((0, 2, 3))
        return weights.numpy(), torch.einsum("k,kij->ij", weights, kept[0][0]).detach().numpy()

    def ablated(self, picture: np.ndarray, layer: str, channel: int) -> np.ndarray:
        """The scores where one channel of a layer is zero."""

        def silence(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
            changed = output.clone()
            changed[:, channel] = 0
            return changed

        hook = self.module.get_submodule(layer).register_forward_hook(silence)
        scores = self.scores(picture)
        hook.remove()
        return scores


made_with = cache(Made)


def _unsettle(part: nn.Module) -> None:
    """Statistics as training leaves them: those of a new BatchNorm would do nothing."""
    if isinstance(part, nn.BatchNorm2d):
        assert part.running_mean is not None
        assert part.running_var is not None
        part.running_mean.normal_(0, 0.2)
        part.running_var.uniform_(0.5, 2)
        part.weight.data.uniform_(0.5, 2)
        part.bias.data.normal_(0, 0.2)
    if isinstance(part, Normalize):
        part.mean.fill_(120)
        part.std.fill_(60)


@pytest.fixture(scope="module", params=HEADS)
def made(request: pytest.FixtureRequest) -> Made:
    return made_with(request.param)


@pytest.fixture(scope="module")
def pooled() -> Made:
    return made_with("pooled")


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (12, 12, 3), np.uint8)


def case(made: Made, layer: str | None = None, index: int | None = None, seconds: float = 1000) -> Case:
    return Case(made.network, picture(), None if index is None else str(index), layer, perf_counter() + seconds)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float((one * other).sum() / np.linalg.norm(one) / np.linalg.norm(other))


def agrees(evidence: Evidence, weights: np.ndarray, values: np.ndarray) -> None:
    assert evidence.weights is not None
    assert correlation(evidence.weights, weights) > 0.999
    assert correlation(evidence.values, values) > 0.999
    assert cosine(evidence.values, values) > 0.999


@pytest.mark.parametrize("index", range(CLASSES))
def test_cam_is_autograds_grad_cam_of_the_averaged_layer(pooled: Made, index: int) -> None:
    evidence = attribution.by_cam(case(pooled, index=index))
    weights, values = pooled.grad_cam(picture(), "block2.relu2", index)
    agrees(evidence, weights, values)
    units = evidence.values.size
    assert evidence.values == pytest.approx(values * units, rel=1e-4, abs=1e-5)
    assert evidence.layer is not None
    assert (evidence.layer.id, evidence.passes) == ("block2.relu2", 0)


def test_the_mean_of_a_cam_and_the_bias_are_the_score(pooled: Made) -> None:
    evidence = attribution.by_cam(case(pooled, index=2))
    bias = pooled.module.get_submodule("fc").bias[2].item()  # type: ignore[index]
    assert evidence.values.mean() + bias == pytest.approx(pooled.scores(picture())[0, 2], rel=1e-4)


# Inside a block the picture goes round the layer by the shortcut.
@pytest.mark.parametrize(
    ("layer", "bypassed"),
    [("block2.relu2", False), ("block2.bn2", True), ("block2.conv1", True), ("block1.relu2", False), ("conv1", False)],
)
def test_grad_cam_by_passes_is_autograds_at_any_layer(made: Made, layer: str, bypassed: bool) -> None:
    for index in (0, 3):
        evidence = attribution.by_grad_cam(case(made, layer, index))
        agrees(evidence, *made.grad_cam(picture(), layer, index))
        assert np.linalg.norm(evidence.values) == pytest.approx(
            np.linalg.norm(made.grad_cam(picture(), layer, index)[1]), rel=0.02
        )
        assert bool(evidence.held) is bypassed


def test_ablation_takes_one_channel_after_the_other_away(made: Made) -> None:
    scores = made.scores(picture())[0]
    for index in (int(scores.argmax()), int(scores.argmin())):
        evidence = attribution.by_ablation(case(made, "block2.relu1", index))
        without = [made.ablated(picture(), "block2.relu1", channel)[0, index] for channel in range(16)]
        drops = (scores[index] - np.array(without)) / abs(scores[index])
        maps = made.maps(picture(), "block2.relu1")[0].detach().numpy()
        agrees(evidence, drops, np.einsum("k,kij->ij", drops, maps))
        assert evidence.passes == 16


def test_eigen_is_the_first_principal_component_and_of_no_class(made: Made) -> None:
    evidence = attribution.by_eigen(case(made, "block1.relu2"))
    maps = made.maps(picture(), "block1.relu2")[0].detach().numpy().reshape(8, -1)
    left, sizes, right = np.linalg.svd(maps - maps.mean(axis=1, keepdims=True))
    component = sizes[0] * right[0]
    assert abs(cosine(evidence.values.ravel(), component)) == pytest.approx(1, abs=1e-5)
    assert np.abs(evidence.values).max() == pytest.approx(evidence.values.max())
    assert evidence.weights is not None
    assert abs(cosine(evidence.weights, left[:, 0])) == pytest.approx(1, abs=1e-5)
    assert evidence.target is None


def test_occlusion_covers_the_received_picture_patch_by_patch(made: Made) -> None:
    evidence = attribution.by_occlusion(case(made, index=4), patch=4, stride=3)
    expected = np.zeros((4, 4))
    for row in range(4):
        for column in range(4):
            covered = picture()
            colour = covered.reshape(-1, 3).mean(axis=0).round()
            covered[3 * row : 3 * row + 4, 3 * column : 3 * column + 4] = colour
            expected[row, column] = made.scores(picture())[0, 4] - made.scores(covered)[0, 4]
    assert evidence.values == pytest.approx(expected, abs=1e-4)
    assert np.ptp(expected) > 1e-2
    assert evidence.passes == 16
