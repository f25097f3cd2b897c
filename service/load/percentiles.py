"""Percentiles by nearest rank: each is a latency that somebody waited, never one between two."""

from collections.abc import Sequence

PER_MILLE = {"p50": 500, "p90": 900, "p99": 990, "p99.9": 999, "max": 1000}


def percentile(ascending: Sequence[float], per_mille: int) -> float:
    """The smallest value that at least `per_mille` of a thousand values do not exceed; there must be one.

    Counts in integers: 0.999 of a thousand is not 999 in every float.
    """
    rank = -(-len(ascending) * per_mille // 1000)
    return ascending[rank - 1]
