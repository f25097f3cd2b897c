"""The supervisor of worker processes, where they are forked and told to stop at the same moment."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.service.api.conftest import until

# The second worker takes a second to become one, in which all are told to stop.
SUPERVISING = """
import os, signal, sys, time
from pathlib import Path
from service import workers
folder, fork = Path(sys.argv[1]), os.fork

def slow_fork():
    is_second = bool(list(folder.glob("forked-*")))
    while is_second and not (folder / "works").exists():
        time.sleep(0.01)
    process = fork()
    if process:
        (folder / f"forked-{process}").touch()
    elif is_second:
        time.sleep(1)
    return process

def work(index):
    told = []
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    (folder / "works").touch()
    while not told:
        time.sleep(0.01)
    time.sleep(2)
    with (folder / "told").open("a") as file:
        print(index, len(told), file=file)
    return 0

os.fork = slow_fork
sys.exit(workers.supervise(2, work))
"""


def test_who_is_told_to_stop_before_it_is_a_worker_tells_no_other_again(tmp_path: Path) -> None:
    """A worker that is told twice cuts off what is under way."""
    with subprocess.Popen([sys.executable, "-c", SUPERVISING, tmp_path]) as process:  # noqa: S603 - our own
        try:
            until(lambda: len(list(tmp_path.glob("forked-*"))) == 2)
            process.send_signal(signal.SIGTERM)
            assert process.wait(120) == 0
        finally:
            process.kill()
    assert (tmp_path / "told").read_text() == "0 1\n"
