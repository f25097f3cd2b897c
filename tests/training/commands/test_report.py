"""`report` on the command line: where the page goes, and the row of test-time views."""

import argparse
import shutil
from pathlib import Path

import pytest

from training.commands import report

SHIPPED = Path(__file__).parents[3] / "models" / "digits"


def asked(*arguments: str) -> None:
    parser = argparse.ArgumentParser()
    report.add(parser.add_subparsers())
    options = parser.parse_args(["report", *arguments])
    options.command(options)


def test_the_page_lies_beside_the_file_and_its_path_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "model.onnx"
    shutil.copy(SHIPPED / "1" / "model.onnx", file)
    asked(str(file))
    assert capsys.readouterr().out == f"{tmp_path / 'report.html'}\n"
    assert "with test-time augmentation" not in (tmp_path / "report.html").read_text()


def test_views_give_a_row_and_out_says_where_the_page_goes(tmp_path: Path) -> None:
    out = tmp_path / "pages" / "digits.html"
    asked(str(SHIPPED / "1" / "model.onnx"), "--views", "shift", "--out", str(out))
    assert "with test-time augmentation" in out.read_text()
