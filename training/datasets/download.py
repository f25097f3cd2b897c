"""The public data sets from where they are published, believed only when their checksums agree.

The checksums of MNIST and Fashion-MNIST are those of the files whose images the tests read; that of CIFAR-10 is the
one on https://www.cs.toronto.edu/~kriz/cifar.html, without a file to compare it with.
"""

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from training.errors import DownloadError

_SECONDS_WITHOUT_A_BYTE = 30
_CHUNK = 1 << 20
_READABLE = 0o644

Advance = Callable[[float], None]


@dataclass(frozen=True)
class RemoteFile:
    """`checksum` in hex: MD5 of 32 digits or SHA-256 of 64. `size` in bytes; not one more is read."""

    urls: tuple[str, ...]
    size: int
    checksum: str

    @property
    def name(self) -> str:
        return self.urls[0].rpartition("/")[2]


def _idx(places: Sequence[str], files: Sequence[tuple[str, int, str]]) -> tuple[RemoteFile, ...]:
    return tuple(RemoteFile(tuple(place + name for place in places), size, sha256) for name, size, sha256 in files)


_MNIST = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
_FASHION_MNIST = ("https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",)

REMOTE: dict[str, tuple[RemoteFile, ...]] = {
    "mnist": _idx(
        _MNIST,
        (
            ("train-images-idx3-ubyte.gz", 9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
            ("train-labels-idx1-ubyte.gz", 28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
            ("t10k-images-idx3-ubyte.gz", 1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
            ("t10k-labels-idx1-ubyte.gz", 4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
        ),
    ),
    "fashion_mnist": _idx(
        _FASHION_MNIST,
        (
            (
                "train-images-idx3-ubyte.gz",
                26421880,
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            ("train-labels-idx1-ubyte.gz", 29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
            ("t10k-images-idx3-ubyte.gz", 4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
            ("t10k-labels-idx1-ubyte.gz", 5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
        ),
    ),
    "cifar10": (
        RemoteFile(
            ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",), 170052171, "c32a1d4ab5d03f1284b67883e8d87530"
        ),
    ),
}


def download(name: str, folder: Path) -> list[Path]:
    """The files of the data set in `folder`, fetched where they are not there yet. Shows a bar in a terminal.

    Raises DownloadError: nothing to fetch for that name, a file there with other contents, or no place that gives it.
    """
    if name not in REMOTE:
        raise DownloadError(f"data set {name!r} cannot be downloaded", f"these can: {', '.join(REMOTE)}")
    folder.mkdir(parents=True, exist_ok=True)
    with Progress(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()) as progress:
        for file in REMOTE[name]:
            task = progress.add_task(file.name, total=file.size)
            _fetch(file, folder, REMOTE[name], partial(progress.advance, task))
    return [folder / file.name for file in REMOTE[name]]


def _fetch(file: RemoteFile, folder: Path, all_files: Sequence[RemoteFile], advance: Advance) -> None:
    target = folder / file.name
    if target.exists():
        if _checksum(target, file.checksum) != file.checksum:
            raise DownloadError(f"{target} is there with other contents", "remove it, and it is fetched again")
        return
    reasons = []
    for url in file.urls:
        if (reason := _failure(url, file, target, advance)) is None:
            return
        reasons.append(f"{url}: {reason}")
    addresses = ", ".join(remote.urls[0] for remote in all_files)
    raise DownloadError(f"cannot fetch {'; '.join(reasons)}", f"put these files into {folder} yourself: {addresses}")


def _failure(url: str, file: RemoteFile, target: Path, advance: Advance) -> object:
    """None where the file came whole and lies at `target`, else why not; a full disk is raised."""
    try:
        with _temporary(target.parent) as stream:
            _copy(url, file, stream, advance)
            Path(stream.name).replace(target)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, ValueError) as error:
        return getattr(error, "reason", None) or str(error) or type(error).__name__
    return None


def _copy(url: str, file: RemoteFile, stream: IO[bytes], advance: Advance) -> None:
    """Raises ValueError where what came is not the file."""
    digest, left = _digest(file.checksum), file.size
    with urllib.request.urlopen(url, timeout=_SECONDS_WITHOUT_A_BYTE) as answer:  # noqa: S310 - the table's own URLs
        while chunk := answer.read(min(_CHUNK, left + 1)):
            left -= len(chunk)
            if left < 0:
                raise ValueError(f"more than the {file.size:,} bytes it should have")
            digest.update(chunk)
            stream.write(chunk)
            advance(len(chunk))
    if digest.hexdigest() != file.checksum:
        raise ValueError(f"{file.size - left:,} bytes of another checksum than {file.checksum}")
    stream.flush()


@contextmanager
def _temporary(folder: Path) -> Iterator[IO[bytes]]:
    """A file that is gone afterwards, unless it was renamed."""
    with NamedTemporaryFile(dir=folder, prefix=".download-", delete=False) as stream:
        path = Path(stream.name)
        path.chmod(_READABLE)
        try:
            yield stream
        finally:
            path.unlink(missing_ok=True)


def _checksum(path: Path, like: str) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: _digest(like)).hexdigest()


def _digest(like: str) -> "hashlib._Hash":
    return hashlib.sha256() if len(like) == 64 else hashlib.md5(usedforsecurity=False)
