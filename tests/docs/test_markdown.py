"""What a page says about its commands is found, and nothing is taken for what it is not."""

from pathlib import Path

import pytest

from tests.docs.markdown import Command, commands

PAGE = """# A page

```sh
curl one
```

```json
{"one": 1}
```

![what it drew](pictures/one.png)

Not run by the tests: needs a GPU.

```sh
curl two
```

Text between, so that this is no answer.

```text
three
```

A wrong one is refused:

```sh
curl wrong
```

In the tests, `epochs=30` is `epochs=1`. In the tests, `big` is `small`.

```python
train(epochs=30, data=big)
```
"""


@pytest.fixture
def found(tmp_path: Path) -> list[Command]:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    return commands(page)


def test_a_block_has_the_answer_and_the_picture_directly_behind_it(found: list[Command]) -> None:
    first, second, *_ = found
    assert (first.code, first.line, first.pictures) == ("curl one\n", 3, ("one.png",))
    assert first.answer is not None
    assert first.answer.text == '{"one": 1}\n'
    assert (second.answer, second.pictures) == (None, ())


def test_a_mark_belongs_to_the_block_behind_it_alone(found: list[Command]) -> None:
    assert [command.reason_not_run for command in found] == [None, "needs a GPU", None, None]
    assert [command.is_refused for command in found] == [False, False, True, False]


def test_what_the_page_shortens_is_run_shortened(found: list[Command]) -> None:
    assert found[3].run == "train(epochs=1, data=small)\n"


def test_shortening_what_is_not_there_is_an_error() -> None:
    with pytest.raises(ValueError, match="line 7: the page shortens 'three'"):
        _ = Command("sh", "one\n", 7, shortened=(("three", "two"),)).run
