"""The commands of a documentation page, and the answer that stands behind each. Runs nothing.

How a page says it, for readers and tests alike:

- A fenced block of `sh` or `python` is run, in the order of the page. A fenced block of another language directly
  behind it is its answer; a picture directly behind (`![](pictures/NAME.png)`) is the file NAME.png that it wrote.
- `make serve`, with settings before it, starts the service, until the page's end or the next `make serve`.
- `Not run by the tests: REASON.` directly before a block: it is not.
- A sentence directly before that says `refused` and ends with a colon: the command fails, and the page shows how.
- ``In the tests, `LONG` is `SHORT`.`` directly before a block: what is run instead, as often as it is said.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

COMMANDS = ("sh", "python")
ANSWERS = ("json", "text", "csv", "http")
FILES = ("yaml",)  # neither run nor compared: what an operator copies into a file of another program

_FENCE = re.compile(r"```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
_NOT_RUN = re.compile(r"^Not run by the tests: (.+)\.$", re.MULTILINE)
_SHORTENED = re.compile(r"In the tests, `([^`]+)` is `([^`]+)`\.")
_REFUSED = re.compile(r"\brefused\b[^.]*:\s*$")
_PICTURE = re.compile(r"!\[[^\]]*\]\(pictures/([\w.-]+)\)")


@dataclass(frozen=True)
class Fence:
    language: str
    text: str
    line: int
    before: str  # the paragraph directly before it
    between: str  # all text between the fence before and this one


@dataclass(frozen=True)
class Command:
    """One block to run; `answer` and `pictures` are what the page says it gives."""

    language: str
    code: str
    line: int
    answer: Fence | None = None
    pictures: tuple[str, ...] = ()
    reason_not_run: str | None = None
    shortened: tuple[tuple[str, str], ...] = ()
    is_refused: bool = False

    @property
    def run(self) -> str:
        """The code as the tests run it; raises ValueError where the page shortens what is not there."""
        code = self.code
        for long, short in self.shortened:
            if long not in code:
                raise ValueError(f"line {self.line}: the page shortens {long!r}, which the block lacks")
            code = code.replace(long, short)
        return code


def commands(page: Path) -> list[Command]:
    text = page.read_text()
    found = list(fences(text))
    return [_command(found, place, text) for place, fence in enumerate(found) if fence.language in COMMANDS]


def fences(text: str) -> Iterator[Fence]:
    end = 0
    for match in _FENCE.finditer(text):
        between = text[end : match.start()]
        before = between.rstrip().rpartition("\n\n")[2]
        yield Fence(match["language"], match["text"], text.count("\n", 0, match.start()) + 1, before, between)
        end = match.end()


def _command(found: list[Fence], place: int, text: str) -> Command:
    fence = found[place]
    following = found[place + 1] if place + 1 < len(found) else None
    answer = following if following and following.language in ANSWERS and not following.between.strip() else None
    reason = _NOT_RUN.search(fence.before)
    return Command(
        language=fence.language,
        code=fence.text,
        line=fence.line,
        answer=answer,
        pictures=_pictures(found, place + (2 if answer else 1), text),
        reason_not_run=reason[1] if reason else None,
        shortened=tuple(_SHORTENED.findall(fence.before)),
        is_refused=_REFUSED.search(fence.before) is not None,
    )


def _pictures(found: list[Fence], place: int, text: str) -> tuple[str, ...]:
    """The pictures in the paragraph that follows; `place` is that of the fence behind it."""
    rest = found[place].between if place < len(found) else _behind(found[-1], text)
    paragraph = rest.strip().partition("\n\n")[0]
    return tuple(_PICTURE.findall(paragraph))


def _behind(last: Fence, text: str) -> str:
    return text.rpartition(last.text + "```")[2]
