"""Numbers nearer to 0 than 1.2e-38, with which a CPU calculates ten to a hundred times as slowly as with others.

Adam's means of a weight whose unit is dead halve with every few steps and stay there. TensorFlow rounds such numbers to
0 from the start; torch has to be told.
"""

import torch


def flush_subnormals() -> None:
    """Makes them 0 in this thread and in those it starts from now on: call it before anything is computed.

    What it gains: `docs/decisions/0016-training.md`.
    """
    torch.set_flush_denormal(True)
