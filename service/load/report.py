"""What was measured, as a table for people."""

from service.load.percentiles import PER_MILLE, percentile
from service.load.tally import OK, Tally


def table(tally: Tally, batch: int) -> str:
    """A row for each outcome, the good one first; latencies in ms."""
    outcomes = sorted(tally.latencies, key=lambda outcome: (outcome != OK, outcome))
    wide = max(map(len, ["answer", *outcomes]))
    head = f"{'answer':{wide}}{'requests':>10}{'a second':>10}{'images/s':>10}"
    lines = [head + "".join(f"{name + ' ms':>10}" for name in PER_MILLE)]
    return "\n".join([*lines, *(_row(outcome, tally, batch, wide) for outcome in outcomes)])


def _row(outcome: str, tally: Tally, batch: int, wide: int) -> str:
    ascending = sorted(tally.latencies[outcome])
    rate = tally.timely[outcome] / tally.seconds
    images = f"{rate * batch:,.1f}" if outcome == OK else "-"
    waited = "".join(f"{1000 * percentile(ascending, share):>10,.1f}" for share in PER_MILLE.values())
    return f"{outcome:{wide}}{len(ascending):>10,}{rate:>10,.1f}{images:>10}{waited}"
