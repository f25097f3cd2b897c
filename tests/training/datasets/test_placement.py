"""Images go to the device that trains where they fit. The device here is torch's `meta`, which holds no values."""

import pytest
import torch

from training.datasets import Examples
from training.datasets.placement import placed, placement

META = torch.device("meta")
EXAMPLES = Examples(torch.zeros((10, 4, 5, 3), dtype=torch.uint8), torch.zeros(10, dtype=torch.int64))
SIZE = 10 * 4 * 5 * 3


def test_what_fits_in_half_of_the_free_memory_goes_to_the_device() -> None:
    there = placed(EXAMPLES, META, free=lambda _: 2 * SIZE)
    assert (there.images.device, there.labels.device) == (META, META)


def test_what_does_not_stays_where_it_is() -> None:
    assert placed(EXAMPLES, META, free=lambda _: 2 * SIZE - 1) is EXAMPLES


def test_on_the_cpu_and_where_it_is_already_nothing_is_measured_or_moved() -> None:
    assert placed(EXAMPLES, torch.device("cpu")) is EXAMPLES
    there = placed(EXAMPLES, META, free=lambda _: 2 * SIZE)
    assert placed(there, META, free=lambda _: 0) is there


def test_a_device_without_memory_of_its_own_takes_from_the_machine() -> None:
    assert placed(EXAMPLES, META).images.device == META


def test_a_phrase_says_where_they_lie() -> None:
    assert placement(EXAMPLES) == "10 images, 0.0 MB in host memory"
    assert placement(placed(EXAMPLES, META, free=lambda _: 2 * SIZE)) == "10 images, 0.0 MB in meta"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_real_device_takes_them() -> None:
    assert placed(EXAMPLES, torch.device("cuda:0")).images.device.type == "cuda"
