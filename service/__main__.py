"""python -m service: serve the models, classify many files, check a model file, add a foreign one, measure."""

import argparse
import gc
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import ValidationError

from service.allocator import share_heaps
from service.engine.repository import readable_files
from service.engine.trial import EarlyTrial
from service.errors import FoveaError, MissingPackageError, shown
from service.settings import Settings
from service.unread_output import given_up


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 done, 1 the file is refused, 2 the command or a setting cannot be used.

    141 where nobody reads what it says.
    """
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        code = run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        return given_up()
    except FoveaError as error:
        print(f"{error.code}: {error}", file=sys.stderr)
        return 1
    except ValidationError as error:
        print(_refusal(error), file=sys.stderr)
        return 2
    return code


def _refusal(error: ValidationError) -> str:
    """Its first reason in one line; a setting by the name of its variable."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    name = f"FOVEA_{where.upper()}" if error.title == Settings.__name__ else f"{error.title} {where}"
    value = "(hidden)" if "token" in where else shown(first["input"])
    return f"{name}={value} cannot be used: {first['msg']}"


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
    _load_parser(commands.add_parser("load", help="ask a running service for a while: its throughput and latencies"))
    _bulk_parser(commands.add_parser("bulk", help="classify a folder or a parquet file of images into parquet files"))
    return parser


def _bulk_parser(bulk: argparse.ArgumentParser) -> None:
    bulk.add_argument("source", type=Path, help="a folder, or a parquet file with a column `image`")
    bulk.add_argument("--to", type=Path, required=True, help="folder of the answers; where they are begun, it goes on")
    bulk.add_argument("--model", required=True, help="NAME, or NAME@VERSION")
    bulk.add_argument("--models", help="folder of the model repository (FOVEA_MODELS)")
    bulk.add_argument("--top", type=_count, default=5, help="classes per image; %(default)s")
    bulk.add_argument("--part", type=_count, default=1000, help="images in each file of answers; %(default)s")
    bulk.add_argument("--ray", action="store_true", help="on the Ray cluster of RAY_ADDRESS, or on one of this machine")
    bulk.set_defaults(run=_bulk)


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


def _load_parser(load: argparse.ArgumentParser) -> None:
    load.add_argument("model", help="NAME, or NAME@VERSION")
    load.add_argument("--url", default="http://127.0.0.1:8000", help="also with a proxy's prefix; %(default)s")
    load.add_argument("--seconds", type=_positive, default=10.0, help="how long requests are sent; %(default)g")
    load.add_argument("--files", type=Path, nargs="+", default=[], help="pictures; unset: noise of the network's size")
    load.add_argument("--batch", type=_count, default=1, help="images in each request; %(default)s")
    loop = load.add_mutually_exclusive_group()
    loop.add_argument("--clients", type=_count, default=16, help="closed loop: each waits for its answer; %(default)s")
    loop.add_argument("--rate", type=_positive, help="open loop: requests a second, whether or not they are answered")
    load.set_defaults(run=_load)


def _bulk(options: argparse.Namespace) -> int:
    from service.engine.devices import refuse_two_runtimes  # noqa: PLC0415

    try:
        from service.bulk.command import Plan, classified  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise MissingPackageError(error.name or "pyarrow", "cluster") from error
    refuse_two_runtimes()
    settings = Settings(**({"models": options.models} if options.models else {}))
    plan = Plan(options.source, options.to, options.model, options.top, options.ray, options.part)
    try:
        print(classified(plan, settings, lambda line: print(line, file=sys.stderr)))
    except KeyboardInterrupt:
        print("stopped; the same command goes on where this one was", file=sys.stderr)
        return 130
    return 0


def _count(text: str) -> int:
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value


def _positive(text: str) -> float:
    if not 0 < (value := float(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


def _serve(options: argparse.Namespace) -> int:
    given = {name: value for name in ("host", "port", "models") if (value := getattr(options, name)) is not None}
    settings = Settings(**given)
    share_heaps()
    trial = EarlyTrial(readable_files(settings.models))
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


def _load(options: argparse.Namespace) -> int:
    from service.load.address import Model  # noqa: PLC0415
    from service.load.command import Plan, measured  # noqa: PLC0415
    from service.load.errors import CannotMeasureError  # noqa: PLC0415

    given = {name: getattr(options, name) for name in ("url", "seconds", "batch", "clients", "rate", "files")}
    try:
        print(measured(Plan(Model.named(options.model), **given)))
    except CannotMeasureError as error:
        print(f"{error.code}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
