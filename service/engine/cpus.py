"""How many CPUs this process may use: its affinity, and the quota of its control group. Knows no inference.

A container limited to two CPUs of a machine with 64 still sees 64; 64 threads on two CPUs' time stall each other.
"""

import os
from collections.abc import Iterator
from math import ceil
from pathlib import Path, PurePosixPath

_OWN_GROUPS = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")


def available_cpus(groups: Path = _OWN_GROUPS, mount: Path = _MOUNT) -> int:
    """The least of affinity and quotas, at least 1: of one and a half CPUs both are used, of half a CPU one."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(affinity, ceil(min(_quotas(groups, mount), default=affinity))))


def _quotas(groups: Path, mount: Path) -> Iterator[float]:
    """CPUs that each control group above this process allows, of those that state a limit; a parent's binds too."""
    for controllers, group in _memberships(groups):
        if not controllers:  # version 2
            folders, read = (mount, mount / "unified"), _quota_of_version_2
        elif "cpu" in controllers:
            folders, read = (mount / "cpu", mount / "cpu,cpuacct"), _quota_of_version_1
        else:
            continue
        for folder in (at / level for at in folders for level in _levels(group)):
            if (quota := read(folder)) is not None:
                yield quota


def _memberships(groups: Path) -> Iterator[tuple[list[str], str]]:
    """(controllers, group) of each line: `4:cpu,cpuacct:/docker/1f` is of version 1, `0::/docker/1f` of version 2."""
    try:
        lines = groups.read_text().splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        yield [name for name in controllers.split(",") if name], group


def _levels(group: str) -> list[str]:
    """The group and all above it, down to the mount. Inside a container the path may be the host's and lead nowhere."""
    path = PurePosixPath(group.lstrip("/"))
    return [str(level) for level in (path, *path.parents)]


def _quota_of_version_2(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError, ArithmeticError):  # the root group has no such file; "max" is no limit
        return None


def _quota_of_version_1(folder: Path) -> float | None:
    try:
        quota, period = (int((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
        return quota / period if quota > 0 else None  # -1 is no limit
    except (OSError, ValueError, ArithmeticError):
        return None
