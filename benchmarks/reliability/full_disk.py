"""A disk that is full, and then one that cannot be written: /tmp and the model folder, while requests go on.

The service runs in a mount namespace where both are a small tmpfs; needs Linux and the right to mount.
"""

import io
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.environments import ROOT
from benchmarks.pictures import RAW, seven
from benchmarks.reliability.figures import Figure, Outcome
from benchmarks.reliability.killing import kill_youngest
from benchmarks.reliability.not_run import needs
from benchmarks.reliability.repository import release
from benchmarks.reliability.serving import complaints, service
from benchmarks.server import Server

_MODELS = "/tmp/models"  # noqa: S108 - of the service's own namespace
_MOUNTS = f"""
mount -t tmpfs -o size=8m,mode=1777 fovea-tmp /tmp && mkdir {_MODELS} &&
mount -t tmpfs -o size=2m fovea-models {_MODELS} && cp -r {ROOT}/models/mnist {_MODELS}/ && exec "$@"
"""
_SECONDS = 30.0
_BOUNDARY = "fovea"


def outcome(_scale: float) -> Outcome:
    needs("the right to mount", "unshare", "-m", "mount", "-t", "tmpfs", "fovea", "/mnt")
    before = ("unshare", "-m", "sh", "-c", _MOUNTS, "sh")
    with service(Path(_MODELS), workers=2, before=before, poll_seconds=0.5, request_timeout_seconds=20) as server:
        inside = Path(f"/proc/{server.process.pid}/root")
        figures = _asked(server, "as it should be")
        fillers = [_filled(inside / "tmp/filler"), _filled(inside / "tmp/models/filler")]
        figures += _asked(server, "full disk")
        figures.append(_swap_on_full_disk(server, inside))
        for filler in fillers:
            filler.unlink()
        figures.append(_swap_with_space(server, inside))
        _remount(server, "ro")
        figures += _asked(server, "read-only disk")
        figures.append(_worker_replaced(server))
        _remount(server, "rw")
        figures.append(_no_complaints(server))
    return Outcome("`mnist` on two workers; /tmp is a tmpfs of 8 MiB, the model folder one of 2 MiB.", figures)


def _asked(server: Server, when: str) -> list[Figure]:
    """One request of each kind, by each door; the large one would go to a temporary file in most frameworks."""
    classify = "/v1/models/mnist/classify"
    form = f"multipart/form-data; boundary={_BOUNDARY}"
    answers = {
        "small image": server.post(classify, seven().body(RAW), "image/png"),
        "3 MB image": server.post(classify, _bitmap(), "image/bmp"),
        "3 MB image in an unusual form": server.post(classify, _unusual_form(_bitmap()), form),
        "feature maps": server.post("/v1/models/mnist/feature-maps", seven().body(RAW), "image/png"),
    }
    return [
        Figure(23, f"{when}: {what}", "200", _told(status, body), held=status == 200)
        for what, (status, body) in answers.items()
    ]


def _told(status: int, body: bytes) -> str:
    return f"{status}" if status == 200 else f"{status} {body[:120].decode(errors='replace')}"


def _bitmap() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (1000, 1000, 3), np.uint8)).save(buffer, "BMP")
    return buffer.getvalue()


def _unusual_form(image: bytes) -> bytes:
    """With a field that no client of ours sends, and headers in another order: the framework's parser reads it."""
    head = f'--{_BOUNDARY}\r\ncontent-disposition: form-data; name="note"\r\n\r\nhello\r\n--{_BOUNDARY}\r\n'
    part = 'content-type: image/bmp\r\ncontent-disposition: form-data; name="file"; filename="a.bmp"\r\n\r\n'
    return (head + part).encode() + image + f"\r\n--{_BOUNDARY}--\r\n".encode()


def _filled(path: Path) -> Path:
    try:
        with path.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(65536))
    except OSError:
        return path


def _swap_on_full_disk(server: Server, inside: Path) -> Figure:
    """A copy that ends in the middle, as on a full disk: it is refused with its reason, the old version answers."""
    cut = inside / "tmp/models/mnist/3"
    cut.mkdir()
    (inside / "tmp/models/filler").unlink()
    (cut / "model.onnx").write_bytes(release(3)[:100_000])
    _filled(inside / "tmp/models/filler")
    state = _until(server, lambda found: found.get(3, ("", ""))[0] == "unavailable")
    status, _ = server.post("/v1/models/mnist/classify", seven().body(RAW), "image/png")
    right = state.get(3, ("", ""))[0] == "unavailable" and bool(state[3][1]) and status == 200
    reached = f"{state.get(3)}, {status}"
    return Figure(
        6, "a version cut short by a full disk: refused with its reason, the old one answers", "yes", reached, right
    )


def _swap_with_space(server: Server, inside: Path) -> Figure:
    target = inside / "tmp/models/mnist/3/model.onnx"
    draft = target.with_suffix(".new")
    draft.write_bytes(release(3))
    draft.rename(target)
    state = _until(server, lambda found: found.get(3, ("", ""))[0] == "ready")
    reached = state.get(3, ("", ""))[0]
    return Figure(6, "the same version whole, once there is space", "ready", reached, held=reached == "ready")


def _until(server: Server, right: Callable[[dict[int, tuple[str, str]]], bool]) -> dict[int, tuple[str, str]]:
    """State and reason of each version of `mnist`, once they are right or time is over."""
    end = time.monotonic() + _SECONDS
    while True:
        found = {v["version"]: (v["state"], v["reason"]) for v in server.get("/v1/models/mnist")["versions"]}
        if right(found) or time.monotonic() > end:
            return found
        time.sleep(0.1)


def _remount(server: Server, how: str) -> None:
    for place in ("/tmp", _MODELS):  # noqa: S108 - of the service's own namespace
        command = ("nsenter", "-t", str(server.process.pid), "-m", "mount", "-o", f"remount,{how}", place)
        subprocess.run(command, check=True)  # noqa: S603


def _worker_replaced(server: Server) -> Figure:
    seconds = kill_youngest(server, _SECONDS).replaced
    reached = "not within 30 s" if seconds is None else f"{seconds:.1f} s"
    return Figure(
        8, "read-only disk: a killed worker is replaced within", "5 s", reached, seconds is not None and seconds <= 5
    )


def _no_complaints(server: Server) -> Figure:
    found = [line for line in complaints(server.log.read_text()) if "worker" not in line]
    return Figure(23, "errors and tracebacks in the log", "0", f"{len(found)} {found[:1]}", held=not found)
