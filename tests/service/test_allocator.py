"""Threads share two heaps: counted by glibc itself, in a process of its own."""

import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="no glibc here")

HEAPS = """
import ctypes, sys, threading
from service.allocator import share_heaps

share_heaps() if sys.argv[1] == "shared" else None
begun, end = threading.Barrier(9), threading.Event()

def work():
    block = bytearray(100_000)
    begun.wait()
    end.wait()

threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
begun.wait()
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
end.set()
"""


def heaps(mode: str, **variables: str) -> int:
    command = [sys.executable, "-c", HEAPS, mode]
    environment = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"} | variables
    told = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)  # noqa: S603
    return told.stdout.count("<heap nr=")


def test_eight_threads_have_two_heaps_between_them() -> None:
    assert heaps("shared") == 2
    assert heaps("as glibc would") > 2


def test_glibcs_own_variable_decides_where_it_is_set() -> None:
    assert heaps("shared", MALLOC_ARENA_MAX="3") == 3
