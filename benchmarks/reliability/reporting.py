"""What the scenarios saw as Markdown, and as JSON beside it in benchmarks/results."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.machine import processors
from benchmarks.reliability.figures import Outcome, figures_table

RESULTS = Path(__file__).parents[1] / "results"


def summary(outcomes: Mapping[str, Outcome]) -> str:
    return "\n".join(
        f"## {name}\n\n{outcome.about}\n\n{figures_table(outcome.figures) if outcome.figures else ''}\n"
        for name, outcome in outcomes.items()
    )


def write(name: str, outcomes: Mapping[str, Outcome]) -> None:
    """NAME.md and NAME.json, written anew: whoever is interrupted keeps what was there by then."""
    RESULTS.mkdir(exist_ok=True)
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    about = {"written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "machine": processors(), "load": load}
    title = f"# {name}\n\n{about['written']}, {about['machine']}; load average at the end {load}.\n"
    told = {name: asdict(outcome) for name, outcome in outcomes.items()}
    _replace(RESULTS / f"{name}.md", f"{title}\n{summary(outcomes)}")
    _replace(RESULTS / f"{name}.json", json.dumps({"about": about, "scenarios": told}, indent=1, default=str) + "\n")


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}")
    draft.write_text(text)
    draft.rename(path)
