"""Of a network that is right, the evidence lies on what was written, more than beside it."""

import os
from pathlib import Path
from time import perf_counter

import numpy as np
import onnx
import pytest

from service.errors import InvalidParameterError
from service.inspection.evidence import attribution
from service.inspection.evidence.attribution import Case, Evidence
from service.inspection.evidence.cam import enlarged, positive
from tests.inspected import network as opened
from training.datasets import load

MODELS = Path("models")
MNIST = Path(os.environ.get("FOVEA_DATA", "../shared/data")) / "mnist"
PICTURES = 24
METHODS = {"auto": attribution.automatic, "ablation": attribution.by_ablation, "occlusion": attribution.by_occlusion}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_the_evidence_for_a_digit_lies_on_its_strokes(name: str, method: str) -> None:
    if name == "mnist" and not MNIST.is_dir():
        pytest.skip(f"needs the four MNIST files in {MNIST} (FOVEA_DATA names the folder above)")
    network = opened(onnx.load(MODELS / name / "1" / "model.onnx"))
    pictures = load(name, MNIST if name == "mnist" else None, (28, 28, 1)).test.images[:PICTURES].numpy()
    shares = []
    for picture in pictures:
        evidence = METHODS[method](Case(network, picture, None, None, perf_counter() + 1000))
        per_pixel = _on(picture, evidence)
        strokes = picture[:, :, 0] > picture.max() / 2
        shares.append((per_pixel[strokes].mean(), per_pixel[~strokes].mean()))
    on, beside = np.array(shares).T
    assert (on > beside).mean() >= 0.75
    assert on.sum() > 1.25 * beside.sum()


def _on(picture: np.ndarray, evidence: Evidence) -> np.ndarray:
    """The evidence for the class at each pixel."""
    assert evidence.placed is not None
    down, across = (
        (np.arange(side) - centre) / jump
        for side, centre, jump in zip(picture.shape[:2], evidence.placed.centre, evidence.placed.jump, strict=True)
    )
    return enlarged(positive(evidence.values), (down, across))


def test_behind_quantised_layers_there_are_no_slopes_and_ablation_is_taken() -> None:
    network = opened(onnx.load(MODELS / "mnist" / "2" / "model.onnx"))
    picture = np.random.default_rng(0).integers(0, 256, (28, 28, 1), np.uint8)
    case = Case(network, picture, None, "pool1.dequantized", perf_counter() + 1000)
    with pytest.raises(
        InvalidParameterError, match=r"the score moves in steps, its slopes differ by .*: ask for ablation"
    ):
        attribution.by_grad_cam(case)
    assert attribution.automatic(case).method == "ablation"
