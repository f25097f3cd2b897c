"""What a process and all that it started hold and use, from /proc. Linux only."""

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_KIB_PER_MIB = 1024
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Memory:
    """MiB. `resident` counts a shared page once for each process, `proportional` once in all."""

    processes: int
    resident: float
    proportional: float


def memory(pid: int) -> Memory:
    sizes = [size for member in family(pid) if (size := _sizes(member))]
    resident, proportional = (sum(size[kind] for size in sizes) / _KIB_PER_MIB for kind in ("Rss", "Pss"))
    return Memory(len(sizes), resident, proportional)


def cpu_seconds(pid: int) -> float:
    """User and system time of the living members, in steps of 10 ms."""
    return cpu_seconds_of(family(pid))


def cpu_seconds_of(pids: Iterable[int]) -> float:
    """Of these processes alone; what has ended counts as nothing."""
    total = 0
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            total += _ticks(pid)
    return total / _TICKS_PER_SECOND


def family(pid: int) -> list[int]:
    """The process and its descendants, however deep."""
    members = [pid]
    for member in members:
        members += children(member)
    return members


def children(pid: int) -> list[int]:
    """The processes that it started and that have not been waited for."""
    found: list[int] = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):
            found += map(int, listed.read_text().split())
    return found


def _ticks(pid: int) -> int:
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(after_name[11]) + int(after_name[12])


def _sizes(pid: int) -> dict[str, int]:
    """Empty for a process that has ended meanwhile: trials of model files come and go."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return {name.removesuffix(":"): int(size) for name, size, *_ in map(str.split, lines)}
