"""The page's pure modules: the URL as a state, the layers as cards."""

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.page.conftest import call

Row = dict[str, Any]


def row(name: str, *inputs: str, stage: str = "network") -> Row:
    return {"id": name, "inputs": list(inputs), "stage": stage}


def chain(*names: str) -> list[Row]:
    return [row(name, before) for before, name in zip(("image", *names), names, strict=False)]


@pytest.mark.parametrize(
    "hash_",
    [
        "#model=mnist",
        "#model=mnist&version=0&picture=sample:seven&panel=channel&layer=layer1.0.conv1&channel=3&y=10&x=12&scale=channel",
        "#model=mnist&panel=shift&dx=-4&dy=2&language=ko",
        "#model=mnist&panel=shift&dx=0&dy=0",
        "#model=a+b&panel=activation&klass=7&method=grad-cam&target=conv2",
    ],
)
def test_a_state_is_written_as_it_was_read(bare: Page, hash_: str) -> None:
    assert call(bare, "state", "m.format(m.parse(a))", hash_) == hash_


def test_what_a_url_says_wrongly_is_the_default(bare: Page) -> None:
    read = call(
        bare, "state", "m.parse(a)", "#model=mnist&panel=cellar&method=magic&channel=-1&version=two&scale=huge&y=1e3"
    )
    assert read == call(bare, "state", "m.parse(a)", "#model=mnist")


def test_a_short_network_is_shown_layer_by_layer(bare: Page) -> None:
    cards = call(bare, "graph", "m.cards(a, new Set())", chain("conv1", "relu1", "pool1"))
    assert [card["name"] for card in cards] == ["conv1", "relu1", "pool1"]


def test_what_prepares_the_picture_is_one_card(bare: Page) -> None:
    rows = [
        row("cast", "image", stage="preprocessing"),
        row("scale", "cast", stage="preprocessing"),
        row("conv1", "scale"),
    ]
    cards = call(bare, "graph", "m.cards(a, new Set())", rows)
    assert [(card["name"], len(card["rows"])) for card in cards] == [("preprocessing", 2), ("conv1", 1)]


def deep() -> list[Row]:
    """conv1, then eight blocks of two branches that are added. Activations have no module, shortcuts their own."""
    rows = [row("conv1", "image")]
    for block in range(8):
        name, before = f"layer{block}", rows[-1]["id"]
        rows += [
            row(f"{name}.conv", before),
            row(f"relu_{block}", f"{name}.conv"),
            row(f"{name}.shortcut.conv", before),
            row(f"{name}.add", f"relu_{block}", f"{name}.shortcut.conv"),
        ]
    return rows


def test_a_deep_network_is_folded_into_its_author_s_blocks(bare: Page) -> None:
    cards = call(bare, "graph", "m.cards(a, new Set())", deep())
    assert [(card["name"], len(card["rows"])) for card in cards] == [
        ("conv1", 1),
        *((f"layer{n}", 4) for n in range(8)),
    ]


def test_a_block_is_opened_alone(bare: Page) -> None:
    cards = call(bare, "graph", "m.cards(a, new Set(['layer3']))", deep())
    assert [card["name"] for card in cards][3:9] == [
        "layer2",
        "layer3.conv",
        "relu_3",
        "layer3.shortcut.conv",
        "layer3.add",
        "layer4",
    ]


def test_an_edge_that_skips_cards_is_an_arc_and_a_longer_one_lies_above(bare: Page) -> None:
    rows = [row("a", "image"), row("b", "a"), row("c", "b", "a"), row("d", "c"), row("e", "d", "a")]
    found = call(
        bare,
        "graph",
        "(({neighbours, ...rest}) => ({...rest, neighbours: [...neighbours]}))(m.edges(m.cards(a, new Set())))",
        rows,
    )
    assert found["arcs"] == [{"from": 0, "to": 2, "lane": 0}, {"from": 0, "to": 4, "lane": 1}]
    assert found["neighbours"] == [0, 1, 2, 3, 4]


def test_branches_are_joined_to_what_they_read_not_to_what_stands_beside_them(bare: Page) -> None:
    rows = [row("stem", "image"), row("left", "stem"), row("right", "stem"), row("concat", "left", "right")]
    found = call(
        bare,
        "graph",
        "(({neighbours, ...rest}) => ({...rest, neighbours: [...neighbours]}))(m.edges(m.cards(a, new Set())))",
        rows,
    )
    assert found["neighbours"] == [0, 1, 3]
    assert [(arc["from"], arc["to"]) for arc in found["arcs"]] == [(0, 2), (1, 3)]


@pytest.mark.parametrize(
    ("kind", "family"),
    [
        ("conv", "conv"),
        ("max_pool", "pool"),
        ("batch_norm", "norm"),
        ("relu", "activation"),
        ("dense", "dense"),
        ("add", "other"),
    ],
)
def test_a_kind_has_its_family_s_colour(bare: Page, kind: str, family: str) -> None:
    assert call(bare, "graph", "m.family(a)", kind) == family


def test_only_the_newest_question_waits(bare: Page) -> None:
    asked = call(
        bare,
        "latest",
        """await (async () => {
          const asked = []
          let answer
          const ask = m.latest((question) => (asked.push(question), new Promise((resolve) => (answer = resolve))))
          for (const question of [1, 2, 3, 4]) ask(question)
          answer()
          await new Promise((resolve) => setTimeout(resolve))
          return asked
        })()""",
    )
    assert asked == [1, 4]


def test_a_distance_is_exact(bare: Page) -> None:
    found = call(bare, "distances", "[...m.distances(Uint8Array.from(a), 4, 3)]", [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0])
    assert found == pytest.approx([(x * x + (2 - y) ** 2) ** 0.5 for y in range(3) for x in range(4)], abs=1e-6)
