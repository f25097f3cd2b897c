"""Numbers that several processes count at once and any of them can sum: memory shared by fork, a part for each process.

Knows no meaning of what it holds, except that the first cells of a record hold only while their process lives.
"""

import json
import logging
import mmap
import struct
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

NOW = 3  # the first cells of every record: what is so at the moment, as the length of a queue; 0 once the process ended

_HEAD = 16  # of a part: the bytes in use, whether its process lives, how many before it ended
_LIVES, _ENDED = 8, 12  # bytes into the head
_RECORD = struct.Struct("=II")  # bytes of the key, cells
_KEY_BYTES = 512
_CELL = 8

log = logging.getLogger("fovea")

if TYPE_CHECKING:
    Record = memoryview[float]
else:
    Record = memoryview  # Python 3.11 cannot write of what


@dataclass(frozen=True)
class _Place:
    """Where a record's cells are, counted in cells from the start of the memory."""

    kind: str
    key: Hashable
    start: int
    end: int


class Cells:
    """`parts` processes count, each into its own part; made before they fork.

    Hold `lock` while taking a record from a table and while writing to it. Reading needs no lock.
    """

    def __init__(self, parts: int = 1, part_bytes: int = 4 * 1024 * 1024) -> None:
        """Costs address space; memory only for what is counted."""
        self.parts = parts
        self._part_bytes = part_bytes
        self._bytes = memoryview(mmap.mmap(-1, parts * part_bytes))
        self._cells = self._bytes.cast("d")
        self._places: list[list[_Place]] = [[] for _ in range(parts)]
        self._tables: list[Table] = []
        self._full = False
        self.become(0)

    def become(self, part: int) -> None:
        """Has this process count into `part` from now on, and go on where an ended process before it stopped.

        To be called first thing after a fork, while one thread runs. No two live processes may share a part.
        """
        self.lock = threading.Lock()
        self._reading = threading.Lock()
        self.release(part)
        self._part = part
        self._bytes[self._base + _LIVES] = 1
        for table in self._tables:
            table.clear()

    def end(self, part: int) -> None:
        """The process of `part` has ended, and another takes its place. To be called by their parent alone."""
        (before,) = struct.unpack_from("=I", self._bytes, part * self._part_bytes + _ENDED)
        struct.pack_into("=I", self._bytes, part * self._part_bytes + _ENDED, before + 1)
        self.release(part)

    def release(self, part: int) -> None:
        """What was so only while the process of `part` lived is so no more; what it counted stays."""
        self._bytes[part * self._part_bytes + _LIVES] = 0
        for place in self._found(part):
            for cell in range(place.start, place.start + NOW):
                self._cells[cell] = 0.0

    def counted(self) -> bytes:
        """All that this process counted, as it is now: for `together`, or for `go_on` in another process."""
        with self.lock:
            (used,) = struct.unpack_from("=Q", self._bytes, self._base)
            return bytes(self._bytes[self._base : self._base + max(used, _HEAD)])

    def go_on(self, counted: bytes) -> None:
        """Counts on where another process stopped that had memory of its own. To be called before anything counts."""
        self.fill(self._part, counted)
        self.become(self._part)

    def fill(self, part: int, counted: bytes) -> None:
        """Puts what another process counted into `part`, in which nobody counts."""
        self._bytes[part * self._part_bytes : part * self._part_bytes + len(counted)] = counted
        self._places[part] = []

    def table(self, kind: str, cells: int) -> "Table":
        """For the records of one kind that this process writes, each with `cells` doubles after its first `NOW`."""
        table = Table(self, kind, NOW + cells)
        self._tables.append(table)
        return table

    def living(self) -> int:
        """How many processes count."""
        return sum(self._bytes[part * self._part_bytes + _LIVES] for part in range(self.parts))

    def ended(self) -> int:
        """How many processes ended and were started again."""
        heads = range(_ENDED, self.parts * self._part_bytes, self._part_bytes)
        return sum(struct.unpack_from("=I", self._bytes, head)[0] for head in heads)

    def read(
        self, kind: str, where: Callable[[Hashable], bool] = lambda _: True
    ) -> Mapping[Hashable, list[Sequence[float]]]:
        """The records of a kind, `where` its key is so, from all parts that have them."""
        found: dict[Hashable, list[Sequence[float]]] = {}
        for part in range(self.parts):
            for place in self._found(part):
                if place.kind == kind and where(place.key):
                    found.setdefault(place.key, []).append(self._cells[place.start : place.end].tolist())
        return found

    def sums(self, kind: str) -> Mapping[Hashable, list[float]]:
        """Every record of a kind, summed over the parts."""
        return {key: summed(records) for key, records in self.read(kind).items()}

    @property
    def _base(self) -> int:
        return self._part * self._part_bytes

    def _found(self, part: int) -> list[_Place]:
        """The places of a part. A record never moves, so only what is new is parsed."""
        base, places = part * self._part_bytes, self._places[part]
        with self._reading:
            (used,) = struct.unpack_from("=Q", self._bytes, base)
            position = places[-1].end * _CELL if places else base + _HEAD
            while position < base + max(used, _HEAD):
                place = self._parsed(position)
                places.append(place)
                position = place.end * _CELL
            return places.copy()

    def _parsed(self, position: int) -> _Place:
        key_bytes, cells = _RECORD.unpack_from(self._bytes, position)
        text = bytes(self._bytes[position + _RECORD.size : position + _RECORD.size + key_bytes])
        kind, key = _key(json.loads(text))
        start = (position + _RECORD.size + _padded(key_bytes)) // _CELL
        return _Place(kind, key, start, start + cells)

    def _make(self, kind: str, key: Hashable, cells: int) -> Record:
        """The record in this process's part, new where there is none. Under `lock`."""
        for place in self._found(self._part):
            if (place.kind, place.key) == (kind, key):
                return self._cells[place.start : place.end]
        text = json.dumps([kind, key]).encode()
        size = _RECORD.size + _padded(len(text)) + cells * _CELL
        (used,) = struct.unpack_from("=Q", self._bytes, self._base)
        position = self._base + max(used, _HEAD)
        if len(text) > _KEY_BYTES or position + size > self._base + self._part_bytes:
            return self._uncounted(cells)
        _RECORD.pack_into(self._bytes, position, len(text), cells)
        self._bytes[position + _RECORD.size : position + _RECORD.size + len(text)] = text
        struct.pack_into("=Q", self._bytes, self._base, position + size - self._base)  # last: now readers see it
        place = self._parsed(position)
        return self._cells[place.start : place.end]

    def _uncounted(self, cells: int) -> Record:
        if not self._full:
            log.warning("%d bytes hold no more counters: what is new from now on is not counted", self._part_bytes)
        self._full = True
        return memoryview(bytearray(cells * _CELL)).cast("d")


def together(living: Sequence[bytes], ended: Sequence[bytes] = ()) -> Cells:
    """Cells to be read, of what processes without common memory counted; of the `ended` without what was so then."""
    parts = [*living, *ended]
    cells = Cells(len(parts), max(map(len, parts)))
    for part, counted in enumerate(parts):
        cells.fill(part, counted)
    for part in range(len(living), len(parts)):
        cells.release(part)
    return cells


class Table(dict[Hashable, Record]):
    """The records that this process writes, by key; one that is not there is made."""

    def __init__(self, cells: Cells, kind: str, width: int) -> None:
        super().__init__()
        self._cells, self._kind, self._width = cells, kind, width

    def __missing__(self, key: Hashable) -> Record:
        record = self[key] = self._cells._make(self._kind, key, self._width)
        return record


def summed(records: Sequence[Sequence[float]]) -> list[float]:
    """Records of one key together."""
    return list(records[0]) if len(records) == 1 else [sum(cell) for cell in zip(*records, strict=True)]


def _key(read: Any) -> Any:
    """A key as it was before JSON, which has no tuples."""
    return tuple(map(_key, read)) if isinstance(read, list) else read


def _padded(size: int) -> int:
    return -(-size // _CELL) * _CELL
