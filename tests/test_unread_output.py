"""Commands whose output nobody reads any more, as before `| head`, end without a word."""

import subprocess
import sys
from pathlib import Path

import pytest

from service.unread_output import EXIT_CODE

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("command", ["service check models/mnist/1/model.onnx", "training list --markdown"])
def test_nobody_is_told_that_nobody_reads(command: str) -> None:
    running = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", *command.split()], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.close()
    assert running.stderr.read() == b""
    running.stderr.close()
    assert running.wait() == EXIT_CODE
