"""python -m benchmarks.reliability: runs all scenarios, or those named, and prints what was promised and seen.

`--write` keeps the report in benchmarks/results. A scenario that fails is reported and the others still run. Exits
with 1 where a promise was not held.
"""

import argparse
import sys
import time
import traceback
from collections.abc import Callable

from benchmarks.reliability import (
    clock_jump,
    full_disk,
    hanging_decoder,
    hot_swap,
    inspector_kills,
    large_bodies,
    liveness,
    memory_growth,
    overload,
    slow_clients,
    termination,
    vanishing_clients,
    worker_kills,
)
from benchmarks.reliability.figures import Figure, Outcome
from benchmarks.reliability.not_run import NotRunError
from benchmarks.reliability.reporting import summary, write

SCENARIOS: dict[str, Callable[[float], Outcome]] = {
    "overload": overload.outcome,
    "termination": termination.outcome,
    "hot_swap": hot_swap.outcome,
    "worker_kills": worker_kills.outcome,
    "inspector_kills": inspector_kills.outcome,
    "vanishing_clients": vanishing_clients.outcome,
    "slow_clients": slow_clients.outcome,
    "full_disk": full_disk.outcome,
    "clock_jump": clock_jump.outcome,
    "hanging_decoder": hanging_decoder.outcome,
    "liveness": liveness.outcome,
    "large_bodies": large_bodies.outcome,
    "memory_growth": memory_growth.outcome,
}
_QUICK = 0.1


def main() -> int:
    options = _options()
    began = time.strftime("%Y-%m-%d-%H%M", time.gmtime())
    outcomes: dict[str, Outcome] = {}
    for name in options.scenarios or SCENARIOS:
        outcomes[name] = _outcome(name, _QUICK if options.quick else 1.0)
        print(summary({name: outcomes[name]}), flush=True)
        if options.write:
            write(f"chaos-{began}", outcomes)
    return 0 if all(outcome.held for outcome in outcomes.values()) else 1


def _outcome(name: str, scale: float) -> Outcome:
    began = time.monotonic()
    print(f"== {name}", file=sys.stderr, flush=True)
    try:
        found = SCENARIOS[name](scale)
    except NotRunError as reason:
        found = Outcome(f"**Not run**: {reason}.", [])
    except Exception:  # noqa: BLE001 - the other scenarios are not lost for this one
        figure = Figure(0, name, "runs to its end", "failed", held=False)
        found = Outcome(f"```\n{traceback.format_exc()}```", [figure])
    print(f"== {name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reliability", description=__doc__)
    parser.add_argument(
        "scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}; all where none is named"
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of each, to see that everything runs")
    parser.add_argument("--write", action="store_true", help="keep the report in benchmarks/results")
    options = parser.parse_args()
    if unknown := set(options.scenarios) - set(SCENARIOS):
        parser.error(f"there is no scenario {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
