"""Numbers that a CPU would calculate with slowly are 0, in the threads too that torch computes with."""

import subprocess
import sys

ZEROS = """
import torch
from training.subnormals import flush_subnormals
{}
print(int((torch.full((4_000_000,), 1e-37) * 0.01).count_nonzero()))
"""


def counted(first: str) -> int:
    code = ZEROS.format(first)
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)  # noqa: S603


def test_products_too_small_for_a_normal_number_are_zero_in_every_thread() -> None:
    assert counted("flush_subnormals()") == 0
    assert counted("") == 4_000_000
