"""Test-time augmentation: the right views with the right weights, of a network as of an exported file."""

import torch

from service.engine.model_file import read
from tests.training.augmentation.images import noise
from tests.training.small_runs import Run
from training.datasets import Dataset
from training.graphs.runtime import onnx_logits
from training.test_time import view_logits

IMAGES = noise((2, 3, 4, 3))


def corner(images: torch.Tensor) -> torch.Tensor:
    """An answer that sees the pixel up left, where every view has another one."""
    return images[:, 0, 0].float()


def test_without_views_the_answer_is_the_plain_one() -> None:
    assert torch.equal(view_logits(corner, IMAGES, "none"), corner(IMAGES))


def test_the_mirror_counts_as_much_as_the_image() -> None:
    pixels = IMAGES.float()
    torch.testing.assert_close(view_logits(corner, IMAGES, "mirror"), (pixels[:, 0, 0] + pixels[:, 0, 3]) / 2)


def test_the_two_diagonal_shifts_have_a_quarter_each_and_mirrored_edges() -> None:
    pixels = IMAGES.float()
    expected = pixels[:, 0, 0] / 2 + pixels[:, 1, 1] / 4 + pixels[:, 1, 1] / 4  # beyond the corner lies [1, 1] again
    torch.testing.assert_close(view_logits(corner, IMAGES, "shift"), expected)
    last = view_logits(lambda images: images[:, 1, 2].float(), IMAGES, "shift")
    torch.testing.assert_close(last, pixels[:, 1, 2] / 2 + pixels[:, 0, 1] / 4 + pixels[:, 2, 3] / 4)


def test_both_together_are_six_views() -> None:
    seen: list[torch.Tensor] = []

    def remembered(images: torch.Tensor) -> torch.Tensor:
        seen.append(images)
        return corner(images)

    pixels = IMAGES.float()
    plain, shifted = pixels[:, 0, 0] + pixels[:, 0, 3], pixels[:, 1, 1] * 2 + pixels[:, 1, 2] * 2
    torch.testing.assert_close(view_logits(remembered, IMAGES, "mirror+shift"), plain / 4 + shifted / 8)
    assert len(seen) == 6
    assert not any(torch.equal(one, other) for i, one in enumerate(seen) for other in seen[:i])


def test_an_exported_file_answers_from_views_too(finished: Run, few_digits: Dataset) -> None:
    model, images = read(finished.trained).model, few_digits.test.images
    views = view_logits(lambda seen: onnx_logits(model, seen), images, "shift")
    plain = onnx_logits(model, images)
    assert views.shape == plain.shape
    assert not torch.equal(views, plain)
    assert float((views.argmax(1) == plain.argmax(1)).double().mean()) > 0.5
