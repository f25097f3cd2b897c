"""Rows Q: query parameters. A value that cannot be used is a 422 that names it; nothing is guessed."""

from urllib.parse import quote

import httpx
import pytest

from tests.hostile.conftest import GREY, PICTURE, code_of
from tests.hostile.rows import row

MODEL = "/v1/models/grey"
MAPS = f"{MODEL}/feature-maps"
INVALID = (422, "parameter_invalid")
UNKNOWN_LAYER = (404, "layer_unknown")


@pytest.mark.parametrize(
    "top",
    [
        row("Q1", repr(top)[:30], top)
        for top in ("0", "-1", "1.5", "a", "", "1e9", "1000000000", "9" * 400, "NaN", "true", "٣", "1&top=2", " ")
    ],
)
def test_a_number_of_classes_that_cannot_be_is_named(client: httpx.Client, top: str) -> None:
    answer = client.post(f"{GREY}?top={top}", content=PICTURE)
    assert code_of(answer) == INVALID
    assert answer.json()["detail"].startswith("top=")
    assert len(answer.json()["detail"]) < 300


@pytest.mark.parametrize(
    "query",
    [
        row("Q2", "misspelt", "topk=3"),
        row("Q2", "without a value", "top=1&debug"),
        row("Q2", "another case", "TOP=3"),
        row("Q2", "an array", "top[]=3"),
        row("Q2", "a path", "file=/etc/passwd"),
        row("Q2", "a link", "url=http://169.254.169.254/"),
    ],
)
def test_a_parameter_that_nobody_knows_is_refused_and_not_ignored(client: httpx.Client, query: str) -> None:
    answer = client.post(f"{GREY}?{query}", content=PICTURE)
    assert code_of(answer) == INVALID
    assert answer.json()["remedy"].startswith("leave it out")


@pytest.mark.parametrize(
    "path", [row("Q1", "twice", f"{MAPS}?format=json&format=png"), row("Q2", "twice", f"{MODEL}/layers?a=1&a=1")]
)
def test_a_parameter_given_twice_is_refused(client: httpx.Client, path: str) -> None:
    answer = client.request("POST" if "maps" in path else "GET", path, content=PICTURE)
    assert code_of(answer) == INVALID
    assert answer.json()["remedy"] == "give it once"


LAYERS = [
    row("Q3", "unknown", "conv9", UNKNOWN_LAYER),
    row("Q3", "another case", "CONV", UNKNOWN_LAYER),
    row("Q3", "4 KB", "x" * 4000, UNKNOWN_LAYER),
    row("Q3", "unicode", "слой", UNKNOWN_LAYER),
    row("Q3", "NUL", "conv\0", UNKNOWN_LAYER),
    row("Q3", "a regular expression", "(a+)+$", UNKNOWN_LAYER),
    row("Q3", "SQL", "' OR 1=1 --", UNKNOWN_LAYER),
    row("Q3", "a format", "{0.__class__}%s%n", UNKNOWN_LAYER),
    row("Q3", "stars", "*a" * 100 + "b", UNKNOWN_LAYER),
    row("Q3", "a path", "..\\..\\etc", UNKNOWN_LAYER),
]


@pytest.mark.parametrize(("layer", "expected"), LAYERS)
@pytest.mark.parametrize("where", ["path", "query"])
def test_a_layer_that_is_not_there_is_a_404_that_repeats_little_of_it(
    client: httpx.Client, layer: str, expected: tuple[int, str], where: str
) -> None:
    if where == "path":
        answer = client.get(f"{MODEL}/layers/{quote(layer, safe='')}")
    else:
        answer = client.post(f"{MAPS}?layers={quote(layer, safe='')}", content=PICTURE)
    assert code_of(answer) == expected
    assert len(answer.json()["detail"]) < 200
    assert "conv" in answer.json()["remedy"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        row("Q3", "10 KB of query", f"{MAPS}?layers={'x' * 10_000}", (414, "target_too_long")),
        row("Q3", "no layer at all", f"{MAPS}?layers=", UNKNOWN_LAYER),
        row("Q3", "commas", f"{MAPS}?layers=,,,", UNKNOWN_LAYER),
        row("Q3", "a layer without filters", f"{MODEL}/layers/relu_1/filters", (422, None)),
        row("Q4", "a negative channel", f"{MAPS}?layers=conv&format=npy&channel=-1", INVALID),
        row("Q4", "a channel too far", f"{MAPS}?layers=conv&format=npy&channel=5", INVALID),
        row("Q4", "a reversed range", f"{MAPS}?layers=conv&format=npy&channel=4-1", INVALID),
        row("Q4", "3000 channels", f"{MAPS}?layers=conv&format=npy&channel={'0,' * 3000}0", INVALID),
        row("Q4", "4301 digits", f"{MAPS}?layers=conv&format=npy&channel={'9' * 4000}", INVALID),
        row("Q4", "a unit outside", f"{MODEL}/layers/conv/unit?channel=0&y=99&x=0", INVALID),
        row("Q4", "a negative unit", f"{MODEL}/layers/conv/unit?channel=0&y=-1&x=0", INVALID),
        row("Q4", "a filter too far", f"{MODEL}/layers/conv/filters?format=png&filter=99", INVALID),
        row("Q4", "page 0", f"{MAPS}?layers=conv&format=png&page=0", INVALID),
        row("Q4", "page 10^18", f"{MAPS}?layers=conv&format=png&page={10**18}", INVALID),
        row("Q4", "a class too far", f"{MODEL}/class-activation?class=99", (422, None)),
        row("Q4", "128 shifts", f"{MODEL}/shift?dx={','.join(['1'] * 128)}", INVALID),
        row("Q4", "a shift of 10^9", f"{MODEL}/shift?dx=1000000000", INVALID),
        row("Q4", "a version of 30 digits", f"{MODEL}/compare?with_version={10**30}", (404, "version_unknown")),
        row("Q5", "an unknown form", f"{MAPS}?format=exe", INVALID),
        row("Q5", "an unknown scale", f"{MAPS}?scale=log", INVALID),
        row("Q5", "a magnification of 10^9", f"{MODEL}/received?magnification=1000000000", INVALID),
        row("Q5", "a size of 10^9", f"{MODEL}/layer-shapes?height=1000000000", INVALID),
        row("Q5", "a batch of 0", f"{MODEL}/layer-shapes?batch=0", INVALID),
        row("Q5", "a patch of 0", f"{MODEL}/class-activation?method=occlusion&patch=0", INVALID),
        row("Q7", "NaN", f"{MAPS}?layers=conv&format=png&low=nan&high=1", INVALID),
        row("Q7", "infinity", f"{MAPS}?layers=conv&format=png&low=0&high=inf", INVALID),
        row("Q7", "minus infinity", f"{MAPS}?layers=conv&format=png&low=-inf&high=1", INVALID),
        row("Q7", "nothing between", f"{MAPS}?layers=conv&format=png&low=-0.0&high=1e-400", INVALID),
        row("Q7", "reversed", f"{MAPS}?layers=conv&format=png&low=1&high=0", INVALID),
        row("Q7", "overflow", f"{MAPS}?layers=conv&format=png&low=-1e308&high=1e308", (200, None)),
        row("Q7", "the smallest number", f"{MAPS}?layers=conv&format=png&low=0&high=5e-324", (200, None)),
    ],
)
def test_a_value_out_of_its_range_is_refused(client: httpx.Client, path: str, expected: tuple[int, str | None]) -> None:
    get = "layer-shapes" in path or "filters" in path
    answer = client.request("GET" if get else "POST", path, content=b"" if get else PICTURE)
    status, code = code_of(answer)
    assert status == expected[0], answer.text[:300]
    assert expected[1] in {None, code}
    assert status == 200 or len(answer.content) < 1500


@pytest.mark.parametrize(
    "query",
    [
        row("Q6", "5000 parameters", "&".join(f"p{number}=1" for number in range(5000))),
        row("Q6", "5000 times the same", "&".join(["top=1"] * 5000)),
        row("Q6", "escapes that are none", "top=%zz%"),
        row("Q6", "Latin-1", "top=%e4"),
        row("Q6", "a name that is no text", "%ff%00=1"),
        row("Q6", "NUL", "top=1%00"),
    ],
)
def test_a_query_that_is_none_is_the_clients_error(client: httpx.Client, query: str) -> None:
    """What is longer than the server reads of a request's first line is refused before the application."""
    answer = client.post(f"{GREY}?{query}", content=PICTURE)
    assert answer.status_code in {422, 414, 400}
    assert len(answer.content) < 1500
