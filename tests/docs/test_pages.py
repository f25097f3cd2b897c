"""Every command of docs/ is run against a running service, and gives what the page says."""

import pytest

from tests.docs.markdown import ANSWERS, COMMANDS, FILES, commands, fences
from tests.docs.playing import DOCS, play
from tests.docs.workbench import Workbench

# These have tests of their own: the table that `python -m training list` prints, and the Python client.
ELSEWHERE = {"networks.md", "python.md"}
PAGES = sorted(page.name for page in DOCS.glob("*.md") if page.name not in ELSEWHERE)

# Every mark with its reason, in the order of the page. One that is not listed, or is no longer there, is a failure.
NOT_RUN = {
    "bring-your-own-model.md": [
        "needs timm and its weights",
        "needs transformers and its weights",
        "needs Keras and its weights",
    ],
    "hostile-input.md": [
        "needs the collection of hostile images",
        "needs the collection of hostile images",
        "takes an hour",
    ],
    "operating.md": ["needs Docker", "needs Docker and an NVIDIA GPU", "needs a cluster"],
    "protocol-v2.md": ["needs the package index"],
    "reliability.md": ["takes a quarter of an hour", "takes an hour"],
    "scaling.md": ["needs Ray and a minute"],
}
# Blocks that show something else than the answer to the command before: a folder's files.
NO_ANSWERS = [("train-your-own.md", "photographs/disc/000.png ...\nphotographs/square/000.png ...\n")]


@pytest.mark.parametrize("name", [name for name in PAGES if name != "curl.md"])  # test_recipes.py plays that one
def test_every_command_gives_what_the_page_says(name: str, workbench: Workbench) -> None:
    play(name, workbench)


def test_all_that_is_not_run_is_known() -> None:
    marked = {name: [one.reason_not_run for one in commands(DOCS / name) if one.reason_not_run] for name in PAGES}
    assert {name: reasons for name, reasons in marked.items() if reasons} == NOT_RUN


@pytest.mark.parametrize("name", PAGES)
def test_no_block_escapes_by_its_language(name: str) -> None:
    known = {*COMMANDS, *ANSWERS, *FILES}
    for fence in fences((DOCS / name).read_text()):
        assert fence.language in known, f"{name}, line {fence.line}: {fence.language or 'no language'}"


def test_no_answer_stands_apart_from_its_command() -> None:
    compared = {(name, one.answer.line) for name in PAGES for one in commands(DOCS / name) if one.answer}
    apart = [
        (name, fence.text)
        for name in PAGES
        for fence in fences((DOCS / name).read_text())
        if fence.language in ANSWERS and (name, fence.line) not in compared
    ]
    assert apart == NO_ANSWERS


def test_no_answer_is_nothing_but_dots() -> None:
    for name in PAGES:
        for command in commands(DOCS / name):
            if command.answer:
                assert command.answer.text.replace("...", "").strip(), f"{name}, line {command.answer.line}"
