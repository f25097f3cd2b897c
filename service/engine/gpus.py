"""The NVIDIA GPUs that this process may use, as the driver names and counts them. Knows no ONNX Runtime.

The driver's own library is asked, because it applies CUDA_VISIBLE_DEVICES and numbers the devices as CUDA does;
device files do neither, and a container may see files of GPUs that it cannot use.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_LIBRARY = "libcuda.so.1"
_NAME_BYTES = 256


@dataclass(frozen=True)
class Gpu:
    """`index` is CUDA's number for it in this process."""

    index: int
    name: str


class NoGpuError(Exception):
    """No GPU can be used; the message says what the driver answered."""


def visible_gpus(load: Callable[[str], Any] = ctypes.CDLL) -> tuple[Gpu, ...]:
    """At least one GPU; raises NoGpuError where there is none or no driver. Takes no GPU memory."""
    try:
        driver = load(_LIBRARY)
    except OSError:
        raise NoGpuError(f"the NVIDIA driver's library {_LIBRARY} is not here") from None
    _checked("cuInit", driver.cuInit(0))
    count = ctypes.c_int()
    _checked("cuDeviceGetCount", driver.cuDeviceGetCount(ctypes.byref(count)))
    if count.value == 0:
        raise NoGpuError("the NVIDIA driver shows no GPU; does CUDA_VISIBLE_DEVICES hide it?")
    return tuple(Gpu(index, _name(driver, index)) for index in range(count.value))


def _name(driver: Any, index: int) -> str:
    device, name = ctypes.c_int(), ctypes.create_string_buffer(_NAME_BYTES)
    _checked("cuDeviceGet", driver.cuDeviceGet(ctypes.byref(device), index))
    _checked("cuDeviceGetName", driver.cuDeviceGetName(name, _NAME_BYTES, device))
    return name.value.decode(errors="replace")


def _checked(function: str, code: int) -> None:
    # 100: no device, also where CUDA_VISIBLE_DEVICES hides all of them.
    if code == 100:
        raise NoGpuError("the NVIDIA driver shows no GPU; does CUDA_VISIBLE_DEVICES hide it?")
    if code != 0:
        raise NoGpuError(f"the NVIDIA driver's {function} answered error {code}")
