"""The alerts are read by Prometheus' own tool, fire when they should, and ask for what the service counts."""

import re
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.monitoring.prometheus import MONITORING, program

RULES = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"][0]["rules"]
CASES = Path(__file__).parent / "alerts_test.yml"


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, check=False)  # noqa: S603


def test_prometheus_reads_its_configuration_and_the_alerts() -> None:
    checked = promtool("check", "config", str(MONITORING / "prometheus.yml"))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(RULES)} rules found" in checked.stdout


def test_every_alert_fires_when_it_should_and_is_silent_when_it_should() -> None:
    tried = promtool("test", "rules", str(CASES))
    assert tried.returncode == 0, tried.stdout + tried.stderr


def test_every_alert_is_tried_firing_and_silent() -> None:
    tried = [one for test in yaml.safe_load(CASES.read_text())["tests"] for one in test["alert_rule_test"]]
    fired, silent = ({one["alertname"] for one in tried if bool(one["exp_alerts"]) == fires} for fires in (True, False))
    assert fired == silent == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_says_how_urgent_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert {"summary", "description"} == set(rule["annotations"])


def test_every_metric_that_an_alert_asks_for_is_one_of_the_service_s(client: httpx.Client) -> None:
    counted = set(re.findall(r"^# TYPE (fovea_\w+)", client.get("/metrics").text, re.MULTILINE))
    asked = {name.removesuffix("_bucket") for rule in RULES for name in re.findall(r"\bfovea_\w+", rule["expr"])}
    assert asked <= counted
