"""Twenty versions swapped in under load: does any request fail, any answer mix two versions, does memory grow?

Odd versions are `mnist`, even ones its untrained weights, so that each answer shows which network made it. Every
request holds four images, whose answers must all be of the version that the answer names.
"""

import asyncio
import itertools
import json
import shutil
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.arrivals import Seen, sending
from benchmarks.pictures import Form, seven
from benchmarks.reliability.asking import Client, post, saturation
from benchmarks.reliability.figures import Figure, Outcome, at_most, none_of
from benchmarks.reliability.repository import MIB, put, release
from benchmarks.reliability.sampling import sample
from benchmarks.reliability.serving import service
from benchmarks.server import Server

SWAPS = 20
SHARE = 0.8
PACE_SECONDS = 3.0
_MOST_SECONDS = 180.0
_MOST_GROWTH_MIB = 50.0  # and one model
_WORKER_LOOKS = 6
_LOOK_SECONDS = 0.5  # each look costs as much as several classifications
_NAME = "swapped"
_PATH = f"/v1/models/{_NAME}/classify"
_FORM = Form("multipart", 4)
_TOLERANCE = 1e-4  # a batch's answer may differ from the same alone by 1e-5

Golden = tuple[list[Any], list[Any]]


@dataclass(frozen=True)
class _Swaps:
    waits: list[float]
    resident_mib: list[float]


def outcome(scale: float) -> Outcome:
    """A new version once the one before serves, the last but one deleted, at so much of what saturates it."""
    picture, swaps = seven(), max(2, round(SWAPS * scale))
    request = post(_PATH, picture.body(_FORM), picture.header(_FORM))
    with TemporaryDirectory() as folder:
        models = Path(folder)
        put(models, _NAME, 1, release(1))
        with service(models, poll_seconds=0.25, log_level="warning") as server:
            golden = _golden(server, models)
            rate = SHARE * asyncio.run(_saturation(server, request))
            url = f"http://127.0.0.1:{server.port}{_PATH}"
            with sending(url, picture, _FORM, rate, _MOST_SECONDS, keep_answers=True, until_left=True) as result:
                done = _swap(server, models, swaps)
    return _outcome(result[0], golden, done, rate, swaps)


async def _saturation(server: Server, request: bytes) -> float:
    client = Client(server.port)
    found = await saturation(client, request)
    client.close()
    return found


def _swap(server: Server, models: Path, swaps: int) -> _Swaps:
    """One every three seconds; how long each took until every worker served it, and the memory then."""
    end = time.monotonic() + _MOST_SECONDS
    done = _Swaps([], [_resident_mib(server)])
    for version in range(3, 3 + swaps):
        began = time.monotonic()
        put(models, _NAME, version, release(version))
        shutil.rmtree(models / _NAME / str(version - 2))
        if not _served(server, version, end):
            break
        done.waits.append(time.monotonic() - began)
        done.resident_mib.append(_resident_mib(server))
        time.sleep(max(0.0, began + PACE_SECONDS - time.monotonic()))
    return done


def _resident_mib(server: Server) -> float:
    return sample(server.process.pid, Path("/nonexistent")).resident_mib()


def _served(server: Server, version: int, end: float) -> bool:
    """Whether fresh connections, which are spread over the workers, all find it before `end`."""
    while time.monotonic() < end:
        if all(_serving(server) == version for _ in range(_WORKER_LOOKS)):
            return True
        time.sleep(_LOOK_SECONDS)
    return False


def _serving(server: Server) -> int:
    """0 where it is too busy to say."""
    try:
        versions = server.get(f"/v1/models/{_NAME}")["versions"]
    except OSError:
        return 0
    return next(int(version["version"]) for version in versions if version["default"])


def _golden(server: Server, models: Path) -> Golden:
    """The predictions of even and of odd versions, from the service while nothing else happens; leaves version 2."""
    odd = _predictions(server)
    put(models, _NAME, 2, release(2))
    if not _served(server, 2, time.monotonic() + 60):
        raise RuntimeError("version 2 does not come up within a minute")
    even = _predictions(server)
    if even == odd:
        raise RuntimeError("version 2 gives the answer of version 1: the swap was not seen by every worker")
    return even, odd


def _predictions(server: Server) -> list[Any]:
    status, body = server.post(_PATH, seven().body(_FORM), seven().header(_FORM))
    if status != 200:
        raise RuntimeError(f"the service answers {status}: {body[:300]!r}")
    found: list[Any] = json.loads(body)["results"][0]["predictions"]
    return found


def _outcome(seen: Seen, golden: Golden, done: _Swaps, rate: float, swaps: int) -> Outcome:
    verdicts: Counter[str] = Counter()
    versions: Counter[int] = Counter()
    for count, answer in seen.answers:
        verdicts[_verdict(answer, golden)] += count
        versions[answer["version"]] += count
    total = sum(found["count"] for found in seen.by_status.values())
    of = f" of {total:,.0f}"
    grown = done.resident_mib[-1] - done.resident_mib[0]
    figures = [
        Figure(5, "swaps under load", f"{swaps}", f"{len(done.waits)}", held=len(done.waits) == swaps),
        none_of(5, "requests not answered 200", seen.not_ok, of),
        none_of(5, "answers that are not what the version they name gives", verdicts["wrong"], of),
        none_of(5, "answers whose images are of different versions", verdicts["mixed"], of),
        Figure(5, "versions seen in answers", f"{swaps + 1}", f"{len(versions)}", held=len(versions) == swaps + 1),
        at_most(5, "memory after the swaps, less before", _MOST_GROWTH_MIB + len(release(1)) / MIB, grown, " MiB"),
        Figure(5, "until a new file serves, longest", "", f"{max(done.waits, default=0):.1f} s"),
    ]
    about = (
        f"`mnist`, 4 images in each of {rate:,.0f} requests/s, {SHARE:.0%} of what saturates it: {seen.statuses}; "
        f"p99 of answers {seen.of('200', 'p99_ms'):.1f} ms."
    )
    return Outcome(about, figures, {"statuses": seen.by_status, "versions": dict(versions), "waits": done.waits})


def _verdict(answer: dict[str, Any], golden: Golden) -> str:
    by = [next((kind for kind in (0, 1) if _same(r["predictions"], golden[kind])), None) for r in answer["results"]]
    if len(set(by)) > 1:
        return "mixed"
    return "right" if by[0] == answer["version"] % 2 and len(by) == _FORM.images else "wrong"


def _same(found: list[Any], expected: list[Any]) -> bool:
    pairs = list(itertools.zip_longest(found, expected))
    if any(a is None or b is None or a["index"] != b["index"] for a, b in pairs):
        return False
    return all(np.isclose(a["probability"], b["probability"], atol=_TOLERANCE) for a, b in pairs)
