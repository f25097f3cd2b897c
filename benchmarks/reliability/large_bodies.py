"""Bodies without an end, and the largest that are allowed: what they cost in memory, and whether others notice."""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.reliability.asking import Answer, Client, every, head, milliseconds, post, statuses
from benchmarks.reliability.figures import Figure, Outcome, at_most, none_of
from benchmarks.reliability.repository import shipped
from benchmarks.reliability.sampling import sampled, settled
from benchmarks.reliability.serving import service
from benchmarks.server import Server

ENDLESS = 10 * 10**9  # bytes
MIB = 2**20
ONE_MIB = 16.0  # more than before, for one body that is refused
LIMIT_MIB = 32.0  # FOVEA_MAX_BODY_BYTES: as much of a body without a stated length is kept before it is refused
ALL_MIB = 256.0  # all bodies together
TOGETHER = 100
TENSORS = 8  # at once, of the largest size: as many fit into ALL_MIB
_PATH = "/v1/models/mnist/classify"
_VALUES = 28 * 28  # of an image for `mnist`
_PIECE = 64 * 1024
_PATIENCE = 60.0
_CHUNK = b"%x\r\n" % _PIECE + bytes(_PIECE) + b"\r\n"
_BY_LENGTH = head("POST", _PATH, ENDLESS), bytes(_PIECE)
_BY_CHUNKS = head("POST", _PATH).replace(b"\r\n\r\n", b"\r\ntransfer-encoding: chunked\r\n\r\n"), _CHUNK


@dataclass(frozen=True)
class _Sent:
    """`status` 0: there was no answer to be read. `mib` went before the connection was closed."""

    status: int
    mib: float


def outcome(scale: float) -> Outcome:
    with TemporaryDirectory() as folder, TemporaryDirectory() as temporary:
        models = shipped(Path(folder), "mnist")
        with service(models, workers=1, variables={"TMPDIR": temporary}, log_level="warning") as server:
            return _measured(server, Path(temporary), max(10, round(TOGETHER * scale)))


def _measured(server: Server, temporary: Path, together: int) -> Outcome:
    for endless in (_BY_LENGTH, _BY_CHUNKS):
        _several(server.port, *endless, 3)
    before = settled(server.process.pid, temporary, 2.0).resident_mib()

    def peak(work: Callable[[], list[_Sent]]) -> tuple[list[_Sent], float]:
        with sampled(server.process.pid, temporary, seconds=0.01) as samples:
            found = work()
        return found, max(sample.resident_mib() for sample in samples) - before

    stated, stated_mib = peak(lambda: [_sent(server.port, *_BY_LENGTH) for _ in range(10)])
    chunks, chunks_mib = peak(lambda: [_sent(server.port, *_BY_CHUNKS) for _ in range(10)])
    crowd, crowd_mib = peak(lambda: _several(server.port, *_BY_CHUNKS, together))
    left = settled(server.process.pid, temporary).resident_mib() - before
    tensors = asyncio.run(_tensors(server, temporary))
    everything = [*stated, *chunks, *crowd]
    took = max(answer.seconds for answer in tensors.answers)
    return Outcome(
        f"Bodies of 10 GB to one worker that takes {LIMIT_MIB:g} MiB: {_statuses(everything)}, "
        f"{max(one.mib for one in everything):.0f} MiB of one at most before it was closed; {TENSORS} infer requests "
        f"of numbers as JSON, of the largest size, at once: {statuses(tensors.answers)}, after {took:.1f} s at most.",
        [
            none_of(12, "endless bodies not refused with 413 or 503", _others(everything, 413, 503)),
            none_of(12, "those of a stated length not refused with 413", _others(stated, 413)),
            at_most(12, "one by length, memory at most more than before", ONE_MIB, stated_mib, " MiB"),
            at_most(12, "one by chunks, memory at most more than before", LIMIT_MIB + ONE_MIB, chunks_mib, " MiB"),
            at_most(12, f"{together} by chunks at once, memory", ALL_MIB + ONE_MIB, crowd_mib, " MiB"),
            at_most(12, "memory afterwards more than before", ONE_MIB, left, " MiB"),
            Figure(12, "the largest tensors as JSON, memory", "", f"{tensors.mib:,.0f} MiB"),
            none_of(
                12, "of them answered 5xx but 503", sum(a.status >= 500 and a.status != 503 for a in tensors.answers)
            ),
            at_most(7, "/health/live meanwhile, longest", 500, milliseconds(tensors.live, 1), " ms"),
            none_of(7, "/health/live meanwhile, not 200", sum(one.status != 200 for one in tensors.live)),
        ],
        {"endless": [vars(one) for one in everything], "live": [one.seconds for one in tensors.live]},
    )


def _others(sent: list[_Sent], *expected: int) -> int:
    return sum(one.status not in expected for one in sent)


def _statuses(sent: list[_Sent]) -> dict[int, int]:
    return dict(sorted(Counter(one.status for one in sent).items()))


def _several(port: int, begin: bytes, more: bytes, count: int) -> list[_Sent]:
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(lambda _: _sent(port, begin, more), range(count)))


def _sent(port: int, begin: bytes, more: bytes) -> _Sent:
    """As much of the body as the service lets come, and its answer."""
    sent = 0
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE) as connection:
        with suppress(OSError):
            connection.sendall(begin)
            while sent < ENDLESS:
                sent += connection.send(more)
        answer = b""
        with suppress(OSError):
            while piece := connection.recv(_PIECE):
                answer += piece
    status = int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0
    return _Sent(status, sent / MIB)


@dataclass(frozen=True)
class _Tensors:
    answers: list[Answer]
    live: list[Answer]
    mib: float


async def _tensors(server: Server, temporary: Path) -> _Tensors:
    """Of the largest body that is allowed: what takes most memory for each of its bytes, single digits. The last number
    is none that the model takes, so that all are read and nothing runs.
    """
    digits = b'{"inputs":[{"name":"image","datatype":"UINT8","shape":[%d,28,28,1],"data":[%s0.5]}]}'
    images = int(LIMIT_MIB * MIB - 200) // (2 * _VALUES)
    body = digits % (images, (images * _VALUES - 1) * b"0,")
    request = post("/v2/models/mnist/infer", body, "application/json")
    client, live = Client(server.port), list[Answer]()
    before = settled(server.process.pid, temporary, 2.0).resident_mib()
    with sampled(server.process.pid, temporary, seconds=0.01) as samples:
        probing = asyncio.create_task(every(0.02, lambda: client.get("/health/live"), live))
        answers = await asyncio.gather(*(client.ask(request) for _ in range(TENSORS)))
        probing.cancel()
        with suppress(asyncio.CancelledError):
            await probing
    client.close()
    return _Tensors(list(answers), live, max(sample.resident_mib() for sample in samples) - before)
