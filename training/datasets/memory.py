"""Where the pixels of a data set lie: in memory, or in a temporary file that is mapped into it. Knows no image."""

import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from training.errors import InvalidDataError

_MACHINE = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")
_UNKNOWN = 4 << 30  # bytes, where the system does not say


def room(shape: tuple[int, ...], *, in_file: bool) -> UInt8[Tensor, "..."]:
    """Bytes of that shape to be written to, in memory or in a file that the system removes with the last use of it.

    The file lies where TMPDIR says; raises InvalidDataError where there is no room for it.
    """
    if not in_file:
        return torch.empty(shape, dtype=torch.uint8)
    folder, size = tempfile.gettempdir(), math.prod(shape)
    if shutil.disk_usage(folder).free < size:  # a mapped file that finds no room ends the process without a word
        raise InvalidDataError(
            folder, f"has no room for {size:,} bytes of decoded images", "name another folder: TMPDIR=..."
        )
    with tempfile.TemporaryFile(prefix="fovea-images-", dir=folder) as file:
        return torch.from_numpy(np.memmap(file, np.uint8, "w+", shape=shape))


def exceeds_memory(size: int) -> bool:
    """Whether that many bytes are more than half of what memory there is now."""
    return size > available_bytes() // 2


def available_bytes(machine: Path = _MACHINE, group: Path = _GROUP) -> int:
    """Memory that can be had without swapping: the machine's, or what the control group (version 2) still allows."""
    return min([*_of_machine(machine), *_of_group(group)], default=_of_system())


def _of_machine(file: Path) -> Iterator[int]:
    try:
        lines = file.read_text().splitlines()
    except OSError:  # no Linux
        return
    yield from (1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))


def _of_group(folder: Path) -> Iterator[int]:
    try:
        yield max(0, int((folder / "memory.max").read_text()) - int((folder / "memory.current").read_text()))
    except (OSError, ValueError):  # the root group has no such file; "max" is no limit
        return


def _of_system() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return _UNKNOWN
