"""protocol-v2.md's table lists the endpoints of /v2, each of them and no other."""

import re

from fastapi import APIRouter
from fastapi.routing import APIRoute

from service.api import inference_protocol, protocol_repository
from tests.docs.workbench import ROOT

VERSION = "/versions/{version}"
VERSIONED = {f"/v2/models/{{model}}{end}" for end in ("", "/ready", "/config", "/stats", "/infer")}


def endpoints(router: APIRouter, prefix: str = "") -> set[tuple[str, str]]:
    routes = [route for route in router.routes if isinstance(route, APIRoute)]
    return {(method, prefix + route.path) for route in routes for method in route.methods or ()}


def test_the_table_lists_every_endpoint_and_no_other() -> None:
    there = endpoints(inference_protocol.router) | endpoints(protocol_repository.router, "/v2")
    page = (ROOT / "docs" / "protocol-v2.md").read_text()
    listed = set(re.findall(r"`(GET|POST) (/v2[^`]*)`", page))
    assert listed == {(method, path.replace(VERSION, "")) for method, path in there}
    assert {path.replace(VERSION, "") for _, path in there if VERSION in path} == VERSIONED
