"""The command line: `python -m training COMMAND`. Whatever is wrong with it ends as one line on stderr, exit code 2."""

import argparse
import sys

from service.errors import FoveaError
from service.unread_output import given_up
from training.allocator import keep_freed_memory
from training.commands import describe, evaluate, export, listing, measure, probe, quantize, report, train
from training.errors import StoppedError
from training.subnormals import flush_subnormals

INTERRUPTED = 130  # what a shell gives for Ctrl-C: 128 + SIGINT


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
        sys.stdout.flush()
    except BrokenPipeError:
        return given_up()
    except StoppedError as stopped:
        print(stopped, file=sys.stderr)
        return INTERRUPTED
    except (FoveaError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped at once; nothing was written", file=sys.stderr)
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description="Train CNNs and export them to ONNX.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (train, export, evaluate, report, measure, probe, describe, quantize, listing):
        command.add(commands)
    return parser


if __name__ == "__main__":
    keep_freed_memory()
    flush_subnormals()
    sys.exit(main())
