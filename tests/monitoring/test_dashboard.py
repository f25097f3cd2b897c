"""The dashboard that ships: each of its queries is answered by a real Prometheus that scraped a real service."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.monitoring.prometheus import MONITORING, values, watching
from tests.service.api.conftest import pixels, png, until

GRAFANA = MONITORING / "grafana"
BOARD = json.loads((GRAFANA / "dashboards" / "fovea.json").read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]


def written_out(query: str) -> str:
    """As Grafana sends it: its variables replaced. An interval holds a few of this test's scrapes."""
    return query.replace("$__rate_interval", "10s").replace("$model", ".*")


@pytest.fixture(scope="module")
def prometheus(client: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """It has scraped a service that classified, refused, and has a model file that it cannot load."""
    with watching(f"{client.base_url.host}:{client.base_url.port}", tmp_path_factory.mktemp("prometheus")) as found:
        until(lambda: values(found, "up") == [1.0])
        yield found


def asked(client: httpx.Client) -> None:
    """One good picture and one that is none: rates need something that grows while it is watched."""
    assert client.post("/v1/models/grey/classify", content=png(pixels())).is_success
    assert client.post("/v1/models/grey/classify", content=b"no picture").is_client_error


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_is_answered(prometheus: httpx.Client, client: httpx.Client, query: str) -> None:
    def is_answered() -> bool:
        asked(client)
        found = values(prometheus, written_out(query))
        return any(not math.isnan(value) for value in found)  # a model that nobody asks has nothing to divide by

    until(is_answered)


def test_the_alerts_are_loaded_and_what_must_fire_does(prometheus: httpx.Client) -> None:
    (group,) = prometheus.get("/api/v1/rules").json()["data"]["groups"]
    assert {rule["health"] for rule in group["rules"]} <= {"ok", "unknown"}
    until(lambda: values(prometheus, 'ALERTS{alertname="FoveaModelRefused",model="broken"}') == [1.0])
    assert values(prometheus, 'ALERTS{alertname="FoveaDown"}') == []


def test_every_panel_has_a_title_of_its_own_and_a_place_of_its_own() -> None:
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in BOARD["panels"]}
    assert len(places) == len(BOARD["panels"])
    assert all(panel["title"] for panel in PANELS)


def test_no_panel_is_wider_than_the_board_or_lies_over_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


def test_the_board_asks_the_source_that_is_provisioned() -> None:
    (source,) = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text())["datasources"]
    stated: list[dict[str, Any]] = [panel["datasource"] for panel in PANELS]
    assert {(one["type"], one["uid"]) for one in stated} == {(source["type"], source["uid"])}
    assert (
        source["jsonData"]["timeInterval"]
        == yaml.safe_load((MONITORING / "prometheus.yml").read_text())["global"]["scrape_interval"]
    )


def test_the_board_lies_where_grafana_looks_for_it() -> None:
    services = yaml.safe_load(Path("docker-compose.yml").read_text())["services"]
    mounted = dict(volume.split(":")[:2] for volume in services["grafana"]["volumes"])
    (provider,) = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "fovea.yml").read_text())["providers"]
    assert mounted["./docker/monitoring/grafana/dashboards"] == provider["options"]["path"]
    assert mounted["./docker/monitoring/grafana/provisioning"] == "/etc/grafana/provisioning"
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/fovea.json"


def test_every_variable_that_a_query_names_is_the_board_s() -> None:
    own = {variable["name"] for variable in BOARD["templating"]["list"]} | {"__rate_interval"}
    assert {name for query in QUERIES for name in re.findall(r"\$(\w+)", query)} <= own


def test_the_decision_counts_the_alerts_and_the_queries_that_there_are() -> None:
    page = Path("docs/decisions/0022-operations.md").read_text()
    (group,) = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    assert f"Prometheus with {len(group['rules'])} alerts" in page
    assert f"| alerts | {len(group['rules'])};" in page
    assert f"| dashboard | {len(QUERIES)} queries," in page
