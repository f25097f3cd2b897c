"""The wall clock may jump: nothing that is measured, or that can expire, looks at it."""

import re
from pathlib import Path

SERVICE = Path(__file__).parents[2] / "service"
WALL_CLOCK = re.compile(r"\btime\.(time|time_ns|localtime|gmtime|ctime|strftime)\(|datetime\.(now|utcnow|today)\(")
# What shows a date to people, or to who collects logs and traces.
SHOWN = {"api/ledger.py", "api/live_sampler.py", "api/metrics.py", "api/tracing.py", "engine/statistics.py", "logs.py"}


def test_only_what_shows_a_date_reads_the_wall_clock() -> None:
    found = {str(path.relative_to(SERVICE)) for path in SERVICE.rglob("*.py") if WALL_CLOCK.search(path.read_text())}
    assert found == SHOWN
