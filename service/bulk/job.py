"""One job on disk: what was asked, its parts, and which of them are written. Knows no network.

answers/.job/job.json           what was asked, once for all runs
answers/.job/paths/00000.json   the files of part 0, as they were listed at the start
answers/part-00000.parquet      the rows of part 0: there when they are complete, and never changed
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from service.bulk.sources import Folder, Rows, counted, listed, written_paths
from service.errors import BulkJobDiffersError, BulkJobRunningError, BulkSourceError

PART_IMAGES = 1000  # what is lost at most when a run ends; written and listed in a hundredth of the time it takes


@dataclass(frozen=True)
class Asked:
    """What a job answers. `sha256` is of the model file."""

    source: str
    model: str
    version: int
    sha256: str
    top: int


@dataclass(frozen=True)
class Job:
    """`folder` holds the answers. `images` were counted when the job began."""

    folder: Path
    asked: Asked
    images: int
    part_images: int

    @property
    def parts(self) -> int:
        return -(-self.images // self.part_images)

    def count(self, part: int) -> int:
        """Images of a part."""
        return min(self.part_images, self.images - part * self.part_images)

    def source(self, part: int) -> Folder | Rows:
        """The images of a part."""
        source = Path(self.asked.source)
        listing = _listing(self.folder / ".job", part)
        if listing.exists():
            return Folder(source, json.loads(listing.read_text()))
        start = part * self.part_images
        return Rows(source, start, start + self.count(part))

    def path(self, part: int) -> Path:
        return self.folder / f"part-{part:05}.parquet"

    def missing(self) -> list[int]:
        """The parts that are not written yet."""
        return [part for part in range(self.parts) if not self.path(part).exists()]

    def write(self, part: int, rows: pa.Table) -> None:
        """The whole part at once, or nothing: whoever is killed leaves a hidden draft, which the next one replaces."""
        draft = self.folder / f".part-{part:05}.draft"
        with draft.open("wb") as file:
            pq.write_table(rows, file)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(self.path(part))


def begun(folder: Path, asked: Asked, part_images: int = PART_IMAGES) -> Job:
    """The job in `folder`: a new one, or the one that was begun there with the same questions.

    A new one lists its images now; later runs keep to that list. Raises BulkSourceError, or BulkJobDiffersError where
    the folder holds answers to something else.
    """
    if not (folder / ".job").exists():
        _begin(folder, asked, part_images)
    job = opened(folder)
    for name, value in asdict(asked).items():
        if (before := getattr(job.asked, name)) != value:
            raise BulkJobDiffersError(str(folder), name, before, value)
    return job


def opened(folder: Path) -> Job:
    """The job that was begun in `folder`."""
    stated = json.loads((folder / ".job" / "job.json").read_text())
    return Job(folder, Asked(**stated["asked"]), stated["images"], stated["part_images"])


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else runs the job meanwhile, on this machine; raises BulkJobRunningError where somebody does."""
    with (folder / ".job" / "job.json").open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BulkJobRunningError(str(folder)) from error
        yield


def _begin(folder: Path, asked: Asked, part_images: int) -> None:
    """All of `.job` at once, or nothing of it."""
    draft = folder / ".job.draft"
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "paths").mkdir(parents=True)
    images = _listed(draft, Path(asked.source), part_images)
    stated = {"asked": asdict(asked), "images": images, "part_images": part_images}
    (draft / "job.json").write_text(json.dumps(stated, indent=2))
    draft.rename(folder / ".job")


def _listed(draft: Path, source: Path, part_images: int) -> int:
    """How many images there are; the files of each part are written down."""
    if not source.is_dir():
        return _some(source, counted(source))
    paths = listed(source)
    for part, start in enumerate(range(0, len(paths), part_images)):
        _listing(draft, part).write_text(written_paths(paths[start : start + part_images]))
    return len(paths)


def _some(source: Path, images: int) -> int:
    if images == 0:
        raise BulkSourceError(str(source), "has no row", "name a file with images")
    return images


def _listing(folder: Path, part: int) -> Path:
    return folder / "paths" / f"{part:05}.json"
