import ctypes
from typing import Any

import pytest

from service.engine.gpus import Gpu, NoGpuError, visible_gpus


class Driver:
    """Answers as NVIDIA's driver library does: through pointers, with 0 for success."""

    def __init__(self, *names: str, code: int = 0) -> None:
        self.names, self.code = names, code

    def __call__(self, library: str) -> "Driver":
        assert library == "libcuda.so.1"
        return self

    def cuInit(self, flags: int) -> int:  # noqa: N802 - the library's name
        assert flags == 0
        return self.code

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        count._obj.value = len(self.names)
        return 0

    def cuDeviceGet(self, device: Any, index: int) -> int:  # noqa: N802
        device._obj.value = 10 + index  # a handle, not the index
        return 0

    def cuDeviceGetName(self, name: Any, size: int, device: ctypes.c_int) -> int:  # noqa: N802
        assert len(name) == size
        name.value = self.names[device.value - 10].encode()
        return 0


def test_every_gpu_the_driver_shows_is_counted_and_named() -> None:
    assert visible_gpus(Driver("NVIDIA H100 80GB HBM3", "NVIDIA L4")) == (
        Gpu(0, "NVIDIA H100 80GB HBM3"),
        Gpu(1, "NVIDIA L4"),
    )


@pytest.mark.parametrize("driver", [Driver(), Driver(code=100)])
def test_hidden_gpus_are_said_to_be_hidden(driver: Driver) -> None:
    with pytest.raises(NoGpuError, match="shows no GPU; does CUDA_VISIBLE_DEVICES hide it"):
        visible_gpus(driver)


def test_a_driver_that_fails_is_quoted() -> None:
    with pytest.raises(NoGpuError, match="the NVIDIA driver's cuInit answered error 999"):
        visible_gpus(Driver("NVIDIA L4", code=999))


def test_a_machine_without_the_driver_is_said_to_lack_its_library() -> None:
    def load(library: str) -> Any:
        return ctypes.CDLL(f"no-such-{library}")

    with pytest.raises(NoGpuError, match=r"the NVIDIA driver's library libcuda\.so\.1 is not here"):
        visible_gpus(load)
