"""Where a run comes from."""

import re

import onnx

from training.files.provenance import commit, versions


def test_the_versions_are_those_of_what_runs() -> None:
    assert versions()["onnx"] == onnx.__version__


def test_the_commit_is_a_hash_or_unknown() -> None:
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", commit() or "0" * 40)
