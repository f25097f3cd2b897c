"""What became of a picture, in words: every way of resizing with its numbers."""

import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from service.errors import InvalidParameterError
from service.images.decoding import ImageLimits
from service.images.preprocessing import Preprocessing
from service.inspection.maps.received import ReceivedQuery, received, resize_in_words
from tests.inspected import network as opened
from tests.networks import chain, conv


@pytest.mark.parametrize(
    ("size", "how", "words"),
    [
        ((32, 24), {}, "none: it was sent as 32x24"),
        ((64, 64), {}, "64x64 pixels were stretched to 32x24, bilinear interpolation"),
        ((640, 300), {"resize": "crop"}, "the middle 400x300 of 640x300 pixels was cut out and brought to 32x24, "),
        ((640, 300), {"resize": "crop", "crop_fraction": 0.5}, "the middle 200x150 of 640x300 pixels was cut out"),
        ((32, 24), {"resize": "crop", "crop_fraction": 0.5}, "the middle 16x12 of 32x24 pixels was cut out"),
        ((64, 24), {"resize": "pad"}, "64x24 pixels were brought to 32x12 and set in the middle of 32x24, the rest"),
        (
            (147, 112),
            {"resize": "pad"},
            "147x112 pixels were brought to 32x24 and set in the middle of 32x24, the rest",
        ),
        ((64, 64), {"interpolation": "nearest"}, "64x64 pixels were stretched to 32x24, nearest interpolation"),
    ],
)
def test_the_way_from_the_sent_size_to_the_networks(size: tuple[int, int], how: dict[str, Any], words: str) -> None:
    preprocessing = Preprocessing(width=32, height=24, color="rgb", **how)
    assert resize_in_words(*size, preprocessing).startswith(words)


def test_the_sent_size_is_that_of_the_upright_picture() -> None:
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (40, 20)).save(file, "JPEG", exif=exif)
    network = opened(chain([conv("conv1", 2, 3, 3)], ("batch", 3, 16, 16)))
    query = ReceivedQuery(format="json")
    answer = json.loads(received(network, file.getvalue(), query, ImageLimits(), 10**6, "m", 1).body)
    assert answer["sent"] == {"width": 20, "height": 40}


def test_a_picture_is_magnified_as_far_as_a_page_can_show() -> None:
    file = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(file, "PNG")
    network = opened(chain([conv("conv1", 2, 3, 3)], ("batch", 3, 600, 16)))
    with pytest.raises(InvalidParameterError, match="magnification=7 cannot be used; this picture can be magnified 6"):
        received(network, file.getvalue(), ReceivedQuery(magnification=7), ImageLimits(), 10**6, "m", 1)
