"""Ten times more requests than can be answered, in an open loop: what still is answered, how fast the rest refused."""

import time
from dataclasses import asdict
from pathlib import Path

from benchmarks import closed_loop, networks, systems
from benchmarks.arrivals import send
from benchmarks.pictures import MULTIPART, Picture
from benchmarks.report import Goal, Section, table
from benchmarks.server import running

TIMES = 10


def section(models: Path, picture: Picture, seconds: int) -> Section:
    """ResNet-18, fp32. Saturation is the mean of a closed loop of 16 connections before and after."""
    with running(systems.fovea(models, networks.NAME, 1)) as server:
        url = server.url(MULTIPART)
        closed_loop.measure(url, picture, MULTIPART, 16, 2)
        before = closed_loop.measure(url, picture, MULTIPART, 16, 4).requests_per_second
        seen = send(url, picture, MULTIPART, TIMES * before, seconds)
        began = time.monotonic()
        server.drain(picture, MULTIPART)
        recovery = time.monotonic() - began
        after = closed_loop.measure(url, picture, MULTIPART, 16, 4).requests_per_second
    saturation = (before + after) / 2
    goodput = seen.of("200", "per_second")
    columns = ("count", "per_second", "p50_ms", "p90_ms", "p99_ms", "most_ms")
    rows = [(status, *(f"{figures[c]:,.1f}" for c in columns)) for status, figures in seen.by_status.items()]
    text = (
        f"ResNet-18 fp32, multipart, poisson arrivals: {seen.sent_per_second:,.0f} requests/s for {seconds} s; "
        f"saturation {before:,.1f} before and {after:,.1f} after. The generator took {seen.cpu_share:.2f} of a CPU "
        f"from the service and was late by {seen.lag_p99_ms:.2f} ms (p99). `per_second` counts answers within the "
        "sending time; `broken` are connections closed without an answer, `missing` answers that never came. "
        f"Afterwards it took {recovery:.1f} s until eight requests in a row were answered.\n\n"
    )
    refusals = ", ".join(f"{name} {seen.of('503', f'{name}_ms'):,.1f} ms" for name in ("p50", "p99", "most"))
    goals = (
        Goal("ResNet-18, 10 x overload: goodput / saturation", ">= 0.9", f"{goodput / saturation:.2f}"),
        Goal("ResNet-18, 10 x overload: refusals (503) answered within", "50 ms", f"{refusals} ({seen.statuses})"),
    )
    raw = {"before": before, "after": after, "recovery_seconds": recovery, "seen": asdict(seen)}
    return Section("Ten times overload", text + table(("status", *columns), rows), goals, raw)
