"""Tokens of settings and files: whose they are, how files are taken up, and that none is ever shown."""

import logging
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from service.access.tokens import Tokens
from service.errors import TokensUnusableError
from service.settings import Settings

OLD, NEW, CHIEF = "the-old-token-0123", "the-new-token-4567", "the-chief-token-89ab"


def of(**settings: object) -> Tokens:
    return Tokens(Settings.model_validate(settings))


def role(tokens: Tokens, token: str) -> str | None:
    holder = tokens.holder(token.encode())
    return holder.role if holder else None


def test_several_tokens_are_good_at_once_each_with_its_role() -> None:
    tokens = of(inference_tokens=f"{OLD}, {NEW}", management_tokens=CHIEF)
    assert [role(tokens, token) for token in (OLD, NEW, CHIEF)] == ["inference", "inference", "management"]
    for wrong in ("", "x", OLD[:-1], f"{OLD}x", f"{OLD},{NEW}", OLD.upper()):
        assert role(tokens, wrong) is None


def test_a_token_of_both_roles_may_do_what_either_may() -> None:
    assert role(of(inference_tokens=OLD, management_tokens=OLD), OLD) == "management"


def test_no_token_is_wanted_where_none_is_set() -> None:
    assert not of().wanted("inference")
    assert not of(inference_tokens=OLD).wanted("management")
    assert of(inference_tokens=OLD).wanted("inference")


def test_a_file_may_have_comments_and_is_read_beside_the_setting(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"# of team A\n{NEW}\n\n{CHIEF} # of team B\n")
    tokens = of(inference_tokens=OLD, inference_tokens_file=file)
    assert [role(tokens, token) for token in (OLD, NEW, CHIEF)] == ["inference"] * 3


def test_a_changed_file_is_taken_up_and_a_broken_one_leaves_what_was_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "tokens"
    file.write_text(OLD)
    tokens = of(inference_tokens_file=file)
    file.write_text(f"{OLD}\n{NEW}")
    tokens.refresh()
    assert (role(tokens, OLD), role(tokens, NEW)) == ("inference", "inference")
    with caplog.at_level(logging.ERROR):
        for broken in ("", "short", f"{NEW}\nshort", "schlüssel-schlüssel"):
            file.write_text(broken)
            tokens.refresh()
            tokens.refresh()
            assert (role(tokens, OLD), role(tokens, NEW)) == ("inference", "inference")
        file.unlink()
        tokens.refresh()
    assert len(caplog.messages) == 5
    assert "No such file" in caplog.messages[-1]
    assert not any(token in caplog.text for token in (OLD, NEW))
    file.write_text(NEW)
    tokens.refresh()
    assert (role(tokens, OLD), role(tokens, NEW)) == (None, "inference")


@pytest.mark.parametrize(
    "content", [None, b"", b"# nothing\n", b"short\n", b"\xff\xfe" * 20, b"a token with spaces in it"]
)
def test_a_file_that_cannot_be_used_at_the_start_is_refused_by_its_name(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "tokens"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(
        TokensUnusableError, match=r"the token file '.*tokens' cannot be used: .+; write one token a line"
    ):
        of(inference_tokens_file=file)


@pytest.mark.parametrize("value", ["short", "", " , ", f"{OLD},short", f"{OLD},mit-umläuten-und-mehr", "x" * 513])
@pytest.mark.parametrize("name", ["inference_tokens", "management_tokens"])
def test_a_setting_with_anything_but_good_tokens_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValidationError, match=r"at least 16|no token in it"):
        Settings.model_validate({name: value})


def test_a_token_is_in_no_representation_and_in_no_memory_but_the_settings() -> None:
    settings = Settings(inference_tokens=SecretStr(OLD))
    tokens = Tokens(settings)
    holder = tokens.holder(OLD.encode())
    assert holder is not None
    assert OLD not in f"{settings!r} {vars(tokens)!r} {holder!r} {holder.name}"
    assert len(holder.name) == 8
