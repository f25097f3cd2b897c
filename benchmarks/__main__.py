"""python -m benchmarks: runs every benchmark, or those named, and prints the report; `--write` keeps it in results/.

A part that fails is reported as failed and the others still run. The exit status says nothing about speed.
"""

import argparse
import json
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import (
    accuracy_over_http,
    comparisons,
    inspecting,
    latency,
    machine,
    many_models,
    networks,
    startup,
)
from benchmarks.pictures import photograph
from benchmarks.report import Section, goals_table, table

RESULTS = Path(__file__).parent / "results"
Parts = dict[str, Callable[[], Section]]


def main() -> None:
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed, which most parts need; on Debian and Ubuntu: apt-get install wrk")
    with TemporaryDirectory() as folder:
        options = _options(_parts(Path(folder), 1, 1))
        quick = options.quick
        parts = _parts(Path(folder), 1 if quick else options.rounds, 1 if quick else options.seconds)
        about = machine.described()
        sections = [_section(name, parts[name]) for name in options.parts or parts]
    print(_summary(about, sections))
    if options.write:
        _write(about, sections)


def _parts(folder: Path, rounds: int, seconds: int) -> Parts:
    """By name, in the order in which they run."""
    return {
        "tiny": lambda: comparisons.tiny(rounds, seconds),
        "resnet": lambda: comparisons.large(networks.repository(), photograph(folder), rounds, seconds + 1),
        "latency": lambda: latency.section(networks.repository(), photograph(folder), min(rounds, 2), 2 * seconds),
        "many": lambda: many_models.section(rounds, seconds + 1),
        "startup": lambda: startup.section(rounds),
        "inspect": lambda: inspecting.section(networks.repository(), photograph(folder), rounds, 5 * seconds),
        "accuracy": accuracy_over_http.section,
    }


def _section(name: str, measure: Callable[[], Section]) -> Section:
    began = time.monotonic()
    print(f"== {name}", file=sys.stderr, flush=True)
    try:
        section = measure()
    except Exception:  # noqa: BLE001 - the other parts are not lost for this one
        section = Section(f"{name}: failed", f"```\n{traceback.format_exc()}```")
    print(f"== {name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    print(section.markdown(), flush=True)
    return section


def _summary(about: dict[str, str], sections: list[Section]) -> str:
    return f"# Benchmarks, {about['date']}\n\n{table(('', ''), about.items())}\n\n## Goals\n\n{goals_table(sections)}\n"


def _write(about: dict[str, str], sections: list[Section]) -> None:
    """As results/DATE-TIME.md, and every single figure beside it as JSON."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{about['date'].removesuffix(' UTC').replace(' ', '-').replace(':', '')}.md"
    path.write_text("\n".join((_summary(about, sections), *(section.markdown() for section in sections))))
    raw = {"about": about, "sections": {section.title: section.raw for section in sections}}
    path.with_suffix(".json").write_text(json.dumps(raw, indent=1) + "\n")
    print(f"{path} and {path.with_suffix('.json').name} are written", file=sys.stderr)


def _options(parts: Parts) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(parts)}; all where none is named")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--seconds", type=int, default=2, help="of one measurement of the tiny network; others take more"
    )
    parser.add_argument("--quick", action="store_true", help="one short round, to see that everything runs")
    parser.add_argument("--write", action="store_true", help="keep the report in benchmarks/results")
    options = parser.parse_args()
    unknown = set(options.parts) - set(parts)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    return options


if __name__ == "__main__":
    main()
