"""A command whose output nobody reads any more, as before `| head`: it ends without a word."""

import os
import sys

EXIT_CODE = 141  # what a shell gives for it: 128 + SIGPIPE


def given_up() -> int:
    """The exit code; what is still to be written goes nowhere, where Python would complain of it as it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return EXIT_CODE
