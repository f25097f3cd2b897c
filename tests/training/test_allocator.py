"""Freed memory stays with the process: counted in page faults, in a process of its own."""

import platform
import resource
import subprocess
import sys

import pytest

# A small object may move into the hole that a block leaves, and the next block finds none: a dozen times, then no more.
WARM_UP, ROUNDS, BYTES = 40, 20, 64 << 20
FAULTS = f"""
import resource, sys
import torch
from training.allocator import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
for _ in range({WARM_UP}):
    torch.ones({BYTES}, dtype=torch.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({ROUNDS}):
    torch.ones({BYTES}, dtype=torch.uint8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="no glibc here")
def test_freed_blocks_are_used_again_without_page_faults() -> None:
    pages = BYTES // resource.getpagesize()
    assert faults("given back") > 0.9 * ROUNDS * pages
    assert faults("kept") < 0.2 * ROUNDS * pages


def faults(mode: str) -> int:
    command = [sys.executable, "-c", FAULTS, mode]
    run = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own command
    return int(run.stdout)
