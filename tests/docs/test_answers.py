"""How a page's answer is compared: what passes, and what does not."""

import pytest

from tests.docs.answers import fits


@pytest.mark.parametrize(
    ("printed", "found"),
    [
        ("0.9999", "0.9999552965164185"),
        ("1.04e-05", "0.000010407356967334636"),
        ("logit 4.18, class 7", "logit 4.1837, class 7"),
        ("a   b\n  c", "a b\nc"),
        ("...\n10.4 MiB\n...", "much\nmore\n10.44 MiB\nthan that"),
        ("sha256 9a3f...", "sha256 9a3fbb12"),
        ("version 2.13.0", "version 2.13.0"),
    ],
)
def test_rounded_numbers_white_space_and_dots_fit(printed: str, found: str) -> None:
    assert fits(printed, found)


@pytest.mark.parametrize(
    ("printed", "found"),
    [
        ("0.9999", "0.9990"),
        ("1.04e-05", "1.06e-05"),
        ("7", "8"),
        ("7", "7 and more"),
        ("version 2.13.0", "version 2.14.0"),
        ("conv1 ... relu1", "conv1 and conv2"),
        ("ab", "a b"),
    ],
)
def test_another_number_another_word_or_more_than_there_is_does_not(printed: str, found: str) -> None:
    assert not fits(printed, found)


def test_json_may_be_folded_in_any_way() -> None:
    assert fits('{"a": [1,\n 2.5], ...}', '{"a":[1,2.512],"b":3}', json=True)
    assert not fits('{"a": [1,\n 2.5], ...}', '{"a":[1,2.712],"b":3}', json=True)
    assert not fits('{"a": [1, 2], ...}', '{"a":[1,3],"b":3}', json=True)
