"""The changes that were drawn, made to the images of a batch, on the device that holds them. Draws nothing itself."""

import torch
from jaxtyping import Float32
from torch import Tensor

from training.augmentation.cropping import cropped
from training.augmentation.draws import Draws
from training.augmentation.warping import warped
from training.tensors import Images, Pixels, WarpedImages

Fill = Float32[Tensor, " channels"]


def augmented(images: Images, draws: Draws, fill: Fill) -> Pixels:
    """Cropped, mirrored, warped, brightened, then erased in a square that takes the colour `fill`, 0..255.

    uint8 where pixels changed no more than their places, otherwise float32, 0..255. `draws` are those of these
    images, on their device.
    """
    return _erased(_brightened(_warped(_cropped(images, draws), draws), draws), draws, fill)


def _cropped(images: Images, draws: Draws) -> Images:
    if draws.crop_down is None and draws.mirrored is None:
        return images
    still = torch.zeros(len(images), dtype=torch.long, device=images.device)
    down = still if draws.crop_down is None else draws.crop_down
    right = still if draws.crop_right is None else draws.crop_right
    return cropped(images, down, right, still.bool() if draws.mirrored is None else draws.mirrored)


def _warped(pixels: Images, draws: Draws) -> Pixels:
    numbers = (draws.angle, draws.zoom, draws.right, draws.down)
    if all(number is None for number in numbers):
        return pixels
    zero = torch.zeros(len(pixels), device=pixels.device)
    still = (zero, zero + 1, zero, zero)
    angle, zoom, right, down = (
        unmoved if number is None else number for number, unmoved in zip(numbers, still, strict=True)
    )
    return warped(pixels, angle, zoom, right, down)


def _brightened(pixels: Pixels, draws: Draws) -> Pixels:
    """Brightness first; what leaves 0..255 is cut off after each of the two, as a camera would."""
    if draws.brightness is not None:
        pixels = (pixels * draws.brightness[:, None, None, None]).clamp(0, 255)
    if draws.contrast is not None:
        pixels = _contrasted(pixels.float(), draws.contrast).clamp(0, 255)
    return pixels


def _contrasted(pixels: WarpedImages, factor: Float32[Tensor, " images"]) -> WarpedImages:
    return torch.lerp(pixels.mean((1, 2, 3), keepdim=True), pixels, factor[:, None, None, None])


def _erased(pixels: Pixels, draws: Draws, fill: Fill) -> Pixels:
    """The square lies inside the image; one that is longer than the image ends at the edges."""
    if draws.erased_down is None or draws.erased_right is None:
        return pixels
    count, height, width, _ = pixels.shape
    places = torch.arange(max(count, draws.erased_side), device=pixels.device)
    rows = draws.erased_down[:, None] + places[: min(draws.erased_side, height)]
    columns = draws.erased_right[:, None] + places[: min(draws.erased_side, width)]
    colour = fill.round().to(pixels.dtype) if pixels.dtype == torch.uint8 else fill
    return pixels.index_put((places[:count, None, None], rows[:, :, None], columns[:, None]), colour)
