"""curl.md has a recipe for every endpoint, and each works."""

import json

import httpx
from prometheus_client.parser import text_string_to_metric_families as families

from tests.docs.playing import play
from tests.docs.workbench import ROOT, Workbench

OPENAPI = json.loads((ROOT / "tests" / "golden" / "openapi.json").read_text())


def test_the_recipes_ask_every_endpoint_and_get_what_the_page_says(workbench: Workbench) -> None:
    play("curl.md", workbench)
    endpoints = {(method.upper(), path) for path, operations in OPENAPI["paths"].items() for method in operations}
    assert endpoints - answered(workbench.port) == set()


def answered(port: int) -> set[tuple[str, str]]:
    """The method and route of every request that the service has counted as answered well."""
    counted = families(httpx.get(f"http://127.0.0.1:{port}/metrics").text)
    samples = [sample for family in counted for sample in family.samples]
    return {
        (sample.labels["method"], sample.labels["route"])
        for sample in samples
        if sample.name == "fovea_http_requests_total" and sample.labels["status"] == "200"
    }
