"""python -m service: serve the models, check a model file, add a foreign one to the repository."""

import argparse
import gc
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import ValidationError

from service.engine.repository import listing
from service.engine.trial import EarlyTrial
from service.errors import FoveaError
from service.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 done, 1 the file is refused, 2 the command or a setting cannot be used."""
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except FoveaError as error:
        print(f"{error.code}: {error}", file=sys.stderr)
        return 1
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        value = "(hidden)" if "token" in where else repr(first["input"])
        print(f"{error.title} {where}={value} cannot be used: {first['msg']}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="answer over HTTP; every setting is also a variable FOVEA_...")
    serve.add_argument("--host", help="address to listen on (FOVEA_HOST)")
    serve.add_argument("--port", help="port to listen on (FOVEA_PORT)")
    serve.add_argument("--models", help="folder of the model repository (FOVEA_MODELS)")
    serve.set_defaults(run=_serve)
    check = commands.add_parser("check", help="say what a model file holds and what is wrong with it")
    check.add_argument("file", type=Path)
    check.set_defaults(run=_check)
    _add_parser(commands.add_parser("add", help="put a foreign ONNX file into the repository, with what it lacks"))
    return parser


def _add_parser(add: argparse.ArgumentParser) -> None:
    add.add_argument("file", type=Path)
    add.add_argument("--name", required=True, help="name of the model")
    add.add_argument("--version", type=int, help="unset: one more than the highest there is")
    add.add_argument("--models", type=Path, default=Settings.model_fields["models"].default)
    add.add_argument("--labels", type=Path, help="text file, one class name a line, in the order of the output")
    add.add_argument("--color", choices=["gray", "rgb", "bgr"])
    add.add_argument("--height", type=int, help="where the network takes any size")
    add.add_argument("--width", type=int)
    add.add_argument("--resize", choices=["stretch", "crop", "pad"])
    add.add_argument("--crop-fraction", type=float, help="share of the short side that is kept, as 0.875")
    add.add_argument("--interpolation", choices=["nearest", "bilinear", "bicubic", "lanczos"])
    add.add_argument("--scale", type=float, help="a pixel of 0..255 is multiplied by it first, as 0.00392157")
    add.add_argument("--mean", type=_numbers, help="subtracted after scaling, as 0.485,0.456,0.406")
    add.add_argument("--std", type=_numbers, help="divided by last, as 0.229,0.224,0.225")
    add.add_argument("--temperature", type=float, help="logits are divided by it before the softmax")
    add.set_defaults(run=_add)


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


def _serve(options: argparse.Namespace) -> int:
    given = {name: value for name in ("host", "port", "models") if (value := getattr(options, name)) is not None}
    settings = Settings(**given)
    trial = EarlyTrial([entry.path for entry in listing(settings.models).entries])
    gc.disable()  # what is imported stays: looking through it again and again is a tenth of the start
    from service.serving import serve  # noqa: PLC0415 - a second in which the trial runs already

    gc.freeze()
    gc.enable()
    return serve(settings, trial)


def _check(options: argparse.Namespace) -> int:
    from service.engine.check import report  # noqa: PLC0415

    text, sound = report(options.file)
    print(text)
    return 0 if sound else 1


def _add(options: argparse.Namespace) -> int:
    from service.engine.adoption import adopt  # noqa: PLC0415

    stated = ("color", "height", "width", "resize", "crop_fraction", "interpolation", "scale", "mean", "std")
    preprocessing = {name: value for name in stated if (value := getattr(options, name)) is not None}
    path = adopt(
        options.file,
        options.models,
        options.name,
        version=options.version,
        labels=options.labels,
        preprocessing=preprocessing,
        temperature=options.temperature,
    )
    print(f"{path} is written; `python -m service check {path}` says what it holds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
