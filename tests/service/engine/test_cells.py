"""Counters in memory that forked processes share; the forks are real, in a process that has no other threads."""

import json
import logging
import subprocess
import sys

import pytest

from service.engine.cells import NOW, Cells, together
from service.engine.durations import BOUNDS, durations, observe

FORKING = """
import json, os, signal
from service.engine.cells import NOW, Cells
cells = Cells(parts=2)
table = cells.table("apples", 1)
with cells.lock:
    table["red", 1][NOW] += 7  # by the process that never answers

def worker(part, count):
    ready, write = os.pipe()
    if pid := os.fork():
        os.close(write)
        assert os.read(ready, 1) == b"."
        return pid
    cells.become(part)
    for _ in range(count):
        with cells.lock:
            table["red", 1][NOW] += 1
    with cells.lock:
        table["red", 1][0] = 5
    os.write(write, b".")
    signal.pause()

def seen():
    return [cells.living(), cells.ended(), sorted([str(key), value] for key, value in cells.sums("apples").items())]

def end(pid, part):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    cells.end(part)

one, two = worker(0, 1000), worker(1, 200)
found = [seen()]
end(two, 1)
found.append(seen())
two = worker(1, 30)
found.append(seen())
end(one, 0), end(two, 1)
found.append(seen())
print(json.dumps(found))
"""


def test_forked_processes_are_summed_and_what_a_dead_one_counted_stays() -> None:
    both, without_two, with_its_heir, none = json.loads(subprocess.check_output([sys.executable, "-c", FORKING]))  # noqa: S603
    assert both == [2, 0, [["('red', 1)", [10, 0, 0, 1207]]]]
    assert without_two == [1, 1, [["('red', 1)", [5, 0, 0, 1207]]]]
    assert with_its_heir == [2, 1, [["('red', 1)", [10, 0, 0, 1237]]]]
    assert none == [0, 3, [["('red', 1)", [0, 0, 0, 1237]]]]


def test_keys_come_back_as_they_were_and_kinds_are_apart() -> None:
    cells = Cells()
    for kind in ("apples", "pears"):
        table = cells.table(kind, 1)
        for key in ("plain", ("a\x00b", 1), (("nested", 2), 3), ("ü", True)):
            table[key][NOW] += 1
    one = [0.0] * NOW + [1.0]
    assert cells.sums("apples") == {"plain": one, ("a\x00b", 1): one, (("nested", 2), 3): one, ("ü", True): one}
    assert cells.sums("plums") == {}


def test_two_applications_in_one_process_count_apart() -> None:
    first, second = Cells(), Cells()
    first.table("apples", 1)["red"][NOW] += 1
    assert second.sums("apples") == {}


def test_a_part_that_is_full_goes_on_with_what_it_has_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    cells = Cells(part_bytes=4096)
    table = cells.table("apples", 20)
    with caplog.at_level(logging.WARNING, "fovea"):
        for number in range(100):
            table[number][NOW] += 1
        table[0][NOW] += 1
    found = cells.sums("apples")
    assert 10 < len(found) < 100
    assert (found[0][NOW], found[len(found) - 1][NOW]) == (2, 1)
    assert [record.message for record in caplog.records] == [
        "4096 bytes hold no more counters: what is new from now on is not counted"
    ]


@pytest.mark.parametrize(("seconds", "bucket"), [(0.0, 0), (1e-4, 0), (1.1e-4, 1), (10.0, 15), (10.1, 16)])
def test_a_duration_falls_under_the_first_bound_that_it_does_not_exceed(seconds: float, bucket: int) -> None:
    record = Cells().table("durations", 20)["one"]
    observe(record, NOW, seconds, times=2)
    found = durations(record, NOW)
    assert (found.count, found.counts[bucket], found.seconds) == (2, 2, 2 * seconds)
    assert len(found.counts) == len(BOUNDS) + 1


def _with_apples(count: int) -> Cells:
    cells = Cells()
    apples = cells.table("apples", 1)
    apples["red", 1][NOW] += count
    apples["red", 1][0] = 1
    return cells


def test_what_processes_without_common_memory_counted_is_summed_and_of_ended_ones_only_what_stays() -> None:
    found = together([_with_apples(3).counted(), _with_apples(4).counted()], [_with_apples(5).counted()])
    assert found.sums("apples") == {("red", 1): [2, 0, 0, 12]}
    assert found.living() == 2


def test_a_process_counts_on_where_one_elsewhere_ended() -> None:
    heir = Cells()
    heir.go_on(_with_apples(3).counted())
    assert heir.sums("apples") == {("red", 1): [0, 0, 0, 3]}
    heir.table("apples", 1)["red", 1][NOW] += 1
    assert heir.sums("apples") == {("red", 1): [0, 0, 0, 4]}
    assert together([heir.counted()]).sums("apples") == {("red", 1): [0, 0, 0, 4]}
