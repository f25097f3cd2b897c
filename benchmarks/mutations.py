"""Hostile images from hostile images: bits turned, ends cut off, two files spliced. The same for the same seed."""

import random
from collections.abc import Callable, Iterator, Sequence

_MAX_FLIPS = 64
_CUTS = 64

Mutation = Callable[[random.Random, bytes, bytes], bytes]


def mutations(files: Sequence[bytes], seed: int) -> Iterator[bytes]:
    """Endless; every one is of one or two of `files`, and no longer than both."""
    choice = random.Random(seed)
    while True:
        mutate = choice.choice((_flipped, _cut, _spliced))
        yield mutate(choice, choice.choice(files), choice.choice(files))


def _flipped(choice: random.Random, data: bytes, _other: bytes) -> bytes:
    """1 to 64 bits, half of the time all of them within the first 256 bytes, where headers are."""
    changed = bytearray(data)
    reach = min(len(data), 256) if choice.random() < 0.5 else len(data)
    for _ in range(choice.randint(1, _MAX_FLIPS) if reach else 0):
        changed[choice.randrange(reach)] ^= 1 << choice.randrange(8)
    return bytes(changed)


def _cut(choice: random.Random, data: bytes, _other: bytes) -> bytes:
    """At one of 64 points, and a little beside it."""
    point = len(data) * choice.randint(0, _CUTS) // _CUTS
    return data[: max(0, point - choice.randrange(4))]


def _spliced(choice: random.Random, data: bytes, other: bytes) -> bytes:
    """The start of one file, the end of another."""
    return data[: choice.randint(0, len(data))] + other[choice.randint(0, len(other)) :]
