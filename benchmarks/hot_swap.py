"""Twenty versions swapped in under load: does any request fail, any answer mix two versions, does memory grow?

    python -m benchmarks.hot_swap

Odd versions are `mnist`, even ones its untrained weights said to be trained (an untrained version is never the
default), so that each answer shows which network made it. Every request holds four images, whose answers must all be
of the version that the answer names.
"""

import itertools
import json
import shutil
import statistics
import sys
import time
import urllib.request
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks import closed_loop, processes, systems
from benchmarks.arrivals import Seen, sending
from benchmarks.environments import ROOT
from benchmarks.pictures import Form, Picture, seven
from benchmarks.report import Goal, Section, spread, table
from benchmarks.server import Server, running
from service.engine import model_file
from service.engine.model_metadata import Provenance, with_metadata

SWAPS = 20
SHARE = 0.5
POLL_SECONDS = 0.25
LEAST_SECONDS_PER_SWAP = 1.5
MOST_SECONDS = 60.0
_WORKER_LOOKS = 6
NAME = "swapped"
FORM = Form("multipart", 4)
_TOLERANCE = 1e-4  # a batch's answer may differ from the same alone by 1e-5


def section(swaps: int = SWAPS) -> Section:
    """A new version once the one before serves, the last but one deleted; half of what 16 closed connections reach."""
    picture = seven()
    with TemporaryDirectory() as folder:
        models = Path(folder)
        _put(models, 1)
        system = systems.fovea(models, NAME)
        system = replace(system, variables=system.variables | {"FOVEA_POLL_SECONDS": str(POLL_SECONDS)})
        with running(system) as server:
            expected = _expected(server, models, picture)
            url = server.url(FORM)
            closed_loop.measure(url, picture, FORM, 16, 2)
            rate = SHARE * closed_loop.measure(url, picture, FORM, 16, 3).requests_per_second
            memory = [processes.memory(server.process.pid)]
            with sending(url, picture, FORM, rate, MOST_SECONDS, keep_answers=True, until_left=True) as result:
                waits = _swap(server, models, swaps, memory)
    return _section(result[0], expected, memory, waits, rate)


def _swap(server: Server, models: Path, swaps: int, memory: list[processes.Memory]) -> list[float]:
    """As many swaps as fit into a minute; the seconds from each file's arrival until every worker served it."""
    waits: list[float] = []
    end = time.monotonic() + MOST_SECONDS
    for version in range(3, 3 + swaps):
        began = time.monotonic()
        _put(models, version)
        shutil.rmtree(models / NAME / str(version - 2))
        if not _served(server, version, end):
            break
        waits.append(time.monotonic() - began)
        memory.append(processes.memory(server.process.pid))
        print(f"version {version} after {waits[-1]:.1f} s, {memory[-1].proportional:.0f} MiB", file=sys.stderr)
        time.sleep(max(0.0, began + LEAST_SECONDS_PER_SWAP - time.monotonic()))
    return waits


def _served(server: Server, version: int, end: float) -> bool:
    """Whether fresh connections, which are spread over the workers, all find it before `end`."""
    while time.monotonic() < end:
        if all(_serving(server) == version for _ in range(_WORKER_LOOKS)):
            return True
        time.sleep(0.05)
    return False


def _put(models: Path, version: int) -> None:
    """Whole at once: written beside, then renamed."""
    target = models / NAME / str(version)
    draft = models / f".draft-{version}"
    draft.mkdir(parents=True)
    (draft / "model.onnx").write_bytes(_contents(version % 2))
    target.parent.mkdir(exist_ok=True)
    draft.rename(target)


@cache
def _contents(mnist_version: int) -> bytes:
    file = model_file.read(ROOT / f"models/mnist/{mnist_version}/model.onnx")
    metadata = file.metadata.model_copy(update={"provenance": Provenance(stage="trained")})
    return with_metadata(file.model, metadata).SerializeToString()


def _serving(server: Server) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/v1/models/{NAME}") as answer:
        described = json.load(answer)
    return next(int(v["version"]) for v in described["versions"] if v["default"])


def _expected(server: Server, models: Path, picture: Picture) -> tuple[list[Any], list[Any]]:
    """The predictions of even and of odd versions, from the service while nothing else happens; leaves version 2."""
    odd = server.answer(picture, FORM)[0]["predictions"]
    _put(models, 2)
    if not _served(server, 2, time.monotonic() + 60):
        raise RuntimeError("version 2 does not come up within a minute")
    even = server.answer(picture, FORM)[0]["predictions"]
    if even == odd:
        raise RuntimeError("version 2 gives the answer of version 1: the swap was not seen by every worker")
    return even, odd  # type: ignore[return-value]


def _section(
    seen: Seen,
    expected: tuple[list[Any], list[Any]],
    memory: list[processes.Memory],
    waits: list[float],
    rate: float,
) -> Section:
    verdicts: Counter[str] = Counter()
    versions: Counter[int] = Counter()
    for count, answer in seen.answers:
        verdicts[_verdict(answer, expected)] += count
        versions[answer["version"]] += count
    early, late = _early_and_late(memory)
    rows = (
        (f"requests sent a second, 4 images each ({SHARE:.0%} of saturation)", f"{rate:,.0f}"),
        ("answers by status", seen.statuses),
        ("versions seen in answers", len(versions)),
        ("right for the version they name", f"{verdicts['right']:,}"),
        ("mixed: images of one answer by different networks", verdicts["mixed"]),
        ("wrong: not what the version they name gives", verdicts["wrong"]),
        ("seconds until a new file serves", spread(waits, 1)),
        ("p99 of 200s, ms", f"{seen.of('200', 'p99_ms'):.1f}"),
        (
            "memory MiB (PSS, summed): before; median of the first quarter of swaps, of the last",
            f"{memory[0].proportional:.0f}; {early:.0f}, {late:.0f}",
        ),
    )
    bad = f"{seen.not_ok:.0f} not 200, {verdicts['mixed']} mixed, {verdicts['wrong']} wrong of {len(versions)} versions"
    goals = (
        Goal(f"{len(waits)} swaps under load", "0 failed, 0 mixed, 0 wrong", bad),
        Goal("memory from the first quarter of the swaps to the last", "no growth", f"{late - early:+.0f} MiB"),
    )
    raw = {
        "statuses": seen.by_status,
        "versions": versions,
        "verdicts": verdicts,
        "memory": _raw(memory),
        "waits": waits,
    }
    return Section("Hot swap", table((f"{len(waits)} swaps", "seen"), rows), goals, raw)


def _verdict(answer: dict[str, Any], expected: tuple[list[Any], list[Any]]) -> str:
    by = [next((kind for kind in (0, 1) if _same(r["predictions"], expected[kind])), None) for r in answer["results"]]
    if len(set(by)) > 1:
        return "mixed"
    return "right" if by[0] == answer["version"] % 2 and len(by) == FORM.images else "wrong"


def _same(found: list[Any], expected: list[Any]) -> bool:
    pairs = list(itertools.zip_longest(found, expected))
    if any(a is None or b is None or a["index"] != b["index"] for a, b in pairs):
        return False
    return all(np.isclose(a["probability"], b["probability"], atol=_TOLERANCE) for a, b in pairs)


def _early_and_late(memory: list[processes.Memory]) -> tuple[float, float]:
    """Medians, since a version that drains is still there for a moment."""
    after = [each.proportional for each in memory[1:]] or [memory[0].proportional]
    quarter = max(1, len(after) // 4)
    return statistics.median(after[:quarter]), statistics.median(after[-quarter:])


def _raw(memory: list[processes.Memory]) -> list[tuple[float, float]]:
    return [(each.resident, each.proportional) for each in memory]


if __name__ == "__main__":
    print(section().markdown())
