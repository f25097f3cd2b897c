"""The two comparisons of issue 3: a LeNet-class network on a 28x28 PNG, and ResNet-18 on a 640x480 JPEG.

Says which system is put under which load and what is asked for; `throughput` measures.
"""

from pathlib import Path

from benchmarks import networks, systems
from benchmarks.environments import ROOT, peer_python, service_python
from benchmarks.pictures import MULTIPART, RAW, SIXTEEN, Form, Picture, seven
from benchmarks.report import Goal, Section, spread
from benchmarks.throughput import Cell, Contender, Limit, Samples, measured, ratios

CONNECTIONS = (1, 16, 64)
LIMIT, LIMIT_INT8 = "limit", "limit INT8"
RUN, RUN_INT8 = "run only", "run only INT8"
OPENVINO, OPENVINO_BF16 = "openvino", "openvino-bf16"
INT8, TEMPLATE = "fovea INT8", "template, 2 workers"
SIXTEEN_LABEL = "16 images in one multipart"


def tiny(rounds: int, seconds: int) -> Section:
    """The `mnist` model that ships. The peers meet every kind of load, the slow ones not at every number of clients."""
    picture, file = seven(), networks.file(ROOT / "models", 1, "mnist")
    digit = networks.expected_class(file, picture)
    every = _cells((MULTIPART, RAW, SIXTEEN))
    some = (*_cells((MULTIPART,)), Cell(RAW, 16), Cell(SIXTEEN, 16))
    contenders = (
        Contender(systems.fovea(ROOT / "models", "mnist"), every, digit),
        Contender(systems.template(file, 2, endpoint="async", threads=1), every, digit),
        Contender(systems.template(file, 1, endpoint="async", threads=1), some, digit),
        Contender(systems.litserve(file, **systems.LITSERVE_TINY), some, digit),
        Contender(systems.bentoml(file, **systems.BENTOML_TINY), some, digit),
    )
    ways = ("2x1x1x1", "2x1x1x8", "2x1x1x16", "1x2x1x1", "1x2x1x8")
    limits = (Limit(LIMIT, service_python(), file, "onnxruntime", ways),)
    samples = Samples(tuple(measured(picture, contenders, limits, rounds=rounds, seconds=seconds)))
    goals = (
        *(_beside(samples, "multipart", count, TEMPLATE, ">= 3 x") for count in CONNECTIONS),
        *(_of_limit(samples, "multipart", count, ">= 0.6") for count in CONNECTIONS),
        *(_of_limit(samples, "raw", count, ">= 0.7") for count in CONNECTIONS),
        *(_of_limit(samples, SIXTEEN_LABEL, count, ">= 0.85") for count in CONNECTIONS),
    )
    return _section("LeNet-class", picture, samples, goals)


def large(folder: Path, picture: Picture, rounds: int, seconds: int) -> Section:
    """ResNet-18, one JPEG a request; fp32 by every system, INT8 by the service and its limit."""
    fp32, int8 = networks.file(folder, 1), networks.file(folder, 2)
    expected, expected_int8 = networks.expected_class(fp32, picture), networks.expected_class(int8, picture)
    quick = _cells((MULTIPART,), (1, 16))
    cells = (*quick, Cell(MULTIPART, 64, stretch=2))
    contenders = (
        Contender(systems.fovea(folder, networks.NAME, 1), cells, expected),
        Contender(systems.fovea(folder, networks.NAME, 2, name=INT8), cells, expected_int8),
        Contender(systems.fovea_on_openvino(folder, networks.NAME, 1, OPENVINO_BF16), quick, expected),
        Contender(systems.fovea_on_openvino(folder, networks.NAME, 1, OPENVINO), quick, expected),
        Contender(systems.template(fp32, 2, endpoint="def", threads=1), cells, expected),
        Contender(systems.litserve(fp32, **systems.LITSERVE_LARGE), quick, expected),
        Contender(systems.bentoml(fp32, **systems.BENTOML_LARGE), quick, expected),
    )
    samples = Samples(tuple(measured(picture, contenders, _limits(fp32, int8), rounds=rounds, seconds=seconds)))
    return _section("ResNet-18", picture, samples, _large_goals(samples))


def _limits(fp32: Path, int8: Path) -> tuple[Limit, ...]:
    ways, ort, openvino = ("2x1x1x1", "2x1x1x4", "1x2x1x1"), service_python(), _openvino_python()
    return (
        Limit(LIMIT, ort, fp32, "onnxruntime", ways),
        Limit(LIMIT_INT8, ort, int8, "onnxruntime", ways),
        Limit(RUN, ort, fp32, "onnxruntime", ways[:1], run_only=True),
        Limit(RUN_INT8, ort, int8, "onnxruntime", ways[:1], run_only=True),
        Limit("OpenVINO f32", openvino, fp32, "openvino-f32", ways[::2]),
        Limit("OpenVINO bf16", openvino, fp32, "openvino-bf16", ways[::2]),
    )


def _openvino_python() -> Path:
    return peer_python("openvino", on_service_lock=True)


def _large_goals(samples: Samples) -> tuple[Goal, ...]:
    per_run = ratios(samples.limit(RUN_INT8), samples.limit(RUN))
    int8 = (
        Goal(
            f"ResNet-18, {count} connections: fovea INT8 / fp32, per request",
            ">= 1.9 x",
            spread(ratios(samples.rates(INT8, "multipart", count), samples.rates("fovea", "multipart", count))),
        )
        for count in CONNECTIONS
    )
    return (
        *(_of_limit(samples, "multipart", count, ">= 0.97") for count in CONNECTIONS),
        *(_beside(samples, "multipart", count, TEMPLATE, "") for count in CONNECTIONS),
        Goal("ResNet-18 INT8 / fp32, per run (ONNX Runtime, no decoding)", ">= 2.5 x", spread(per_run)),
        *int8,
        *(_of_openvino(samples, *pair) for pair in ((OPENVINO_BF16, "OpenVINO bf16"), (OPENVINO, "OpenVINO f32"))),
        Goal(
            f"ResNet-18 INT8, 16 connections: fovea / no HTTP ({samples.best_way(LIMIT_INT8)})",
            "",
            spread(ratios(samples.rates(INT8, "multipart", 16), samples.limit(LIMIT_INT8))),
        ),
    )


def _cells(forms: tuple[Form, ...], connections: tuple[int, ...] = CONNECTIONS) -> tuple[Cell, ...]:
    return tuple(Cell(form, count) for form in forms for count in connections)


def _of_limit(samples: Samples, label: str, connections: int, asked: str) -> Goal:
    seen = ratios(samples.rates("fovea", label, connections), samples.limit(LIMIT))
    return Goal(f"{label}, {connections} connections: fovea / no HTTP ({samples.best_way(LIMIT)})", asked, spread(seen))


def _of_openvino(samples: Samples, provider: str, limit: str) -> Goal:
    seen = ratios(samples.rates(f"fovea, {provider}", "multipart", 16), samples.limit(limit))
    what = (
        f"ResNet-18, 16 connections: fovea, {provider} / decode + {limit} called directly ({samples.best_way(limit)})"
    )
    return Goal(what, ">= 0.9", spread(seen))


def _beside(samples: Samples, label: str, connections: int, other: str, asked: str) -> Goal:
    seen = ratios(samples.rates("fovea", label, connections), samples.rates(other, label, connections))
    return Goal(f"{label}, {connections} connections: fovea / {other}", asked, spread(seen))


def _section(name: str, picture: Picture, samples: Samples, goals: tuple[Goal, ...]) -> Section:
    text = f"{picture.origin}. {samples.failures()} requests failed in all.\n\n{samples.markdown()}"
    named = tuple(
        goal if goal.what.startswith(name) else Goal(f"{name}: {goal.what}", goal.asked, goal.seen) for goal in goals
    )
    return Section(name, text, named, samples.raw())
