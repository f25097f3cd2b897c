"""The inspector process: `python -m service.inspector.process SOCKET MAX_BYTES`, started by `client`.

Steps behind production before it does anything else, importing included.
"""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

# A tenth of a normal process's share of a CPU that both want, to start and to hear what is asked. The work itself steps
# back further (`desk`).
_NICENESS = 10
_FIRST_TO_BE_KILLED = 500  # of 1000: where memory ends, this process goes and production stays


def main(socket: int, max_bytes: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's interrupt is for the service, which ends this process
    _step_behind()
    from multiprocessing.connection import Connection  # noqa: PLC0415 - behind production already

    from service.inspector.desk import Desk  # noqa: PLC0415

    Desk(Connection(socket), max_bytes).serve()
    os._exit(0)  # threads at work are not waited for: nobody hears them


def _step_behind() -> None:
    os.nice(_NICENESS)
    with suppress(OSError):  # Linux only
        Path("/proc/self/oom_score_adj").write_text(str(_FIRST_TO_BE_KILLED))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
