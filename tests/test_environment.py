"""The two environments: which runtime a machine gets, what the locks hold, how an environment is made."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

ROOT = Path(__file__).parent.parent
LOCKS = ("cluster.txt", "cpu.txt", "gpu.txt", "openvino.txt", "training.txt", "dev.txt")

KERNEL_MODULE = """\
NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (dvs-builder@U22-I3-AE18-22-3)
GCC version:  gcc version 12.2.0 (Debian 12.2.0-14+deb12u1)
"""
BROKEN_DRIVER = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."


def script(name: str) -> ModuleType:
    spec = spec_from_file_location(name, ROOT / "requirements" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


choose = script("choose")
interpreter = script("interpreter")
notices = script("notices")


def project() -> dict[str, Any]:
    stated: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return stated


def requirements(lock: str) -> list[str]:
    """The requirements of a lock file, each with its hashes, continuation lines joined."""
    joined = (ROOT / "requirements" / lock).read_text().replace("\\\n", " ")
    return [line for line in joined.splitlines() if line and not line.startswith("#")]


# --- the choice of the runtime


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("580.95.05\n580.95.05\n", "580.95.05"),
        (KERNEL_MODULE, "580.65.06"),
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  575.57.08  Sat May 24 07:22:36 UTC 2025\n", "575.57.08"),
        (BROKEN_DRIVER, None),
        ("", None),
    ],
)
def test_the_driver_version_is_read_from_what_the_driver_says(text: str, version: str | None) -> None:
    assert choose.driver_version(text) == version


@example(branch=580, release=0)
@example(branch=579, release=999)
@given(branch=st.integers(min_value=100, max_value=999), release=st.integers(min_value=0, max_value=999))
def test_the_driver_branch_alone_decides(branch: int, release: int) -> None:
    extra, reason = choose.chosen("", f"{branch}.{release:02}")
    assert extra == ("gpu" if branch >= 580 else "cpu")
    assert f"{branch}.{release:02}" in reason


def test_a_driver_too_old_is_said_with_its_version_and_the_minimum() -> None:
    _, reason = choose.chosen("", "575.57.08")
    assert reason == "the NVIDIA driver is 575.57.08 and CUDA 13 needs 580 or newer; update it for gpu"


def test_a_machine_without_a_driver_gets_cpu() -> None:
    assert choose.chosen("", None) == ("cpu", "no NVIDIA driver answers here")


@pytest.mark.parametrize("extra", choose.RUNTIMES)
def test_extra_overrides_what_the_machine_has(extra: str) -> None:
    assert choose.chosen(extra, "575.57.08") == (extra, f"EXTRA={extra} is set")


def test_an_extra_nobody_knows_is_refused_with_those_there_are() -> None:
    known = "EXTRA='cuda' names no runtime; set one of EXTRA=cpu, EXTRA=gpu, EXTRA=openvino"
    with pytest.raises(choose.ChoiceError, match=known):
        choose.chosen("cuda", None)


def test_the_host_s_driver_does_not_count_in_a_container_without_a_gpu(tmp_path: Path) -> None:
    kernel_module, device = tmp_path / "version", tmp_path / "nvidiactl"
    kernel_module.write_text(KERNEL_MODULE)
    assert choose.installed_driver(BROKEN_DRIVER, kernel_module, device) is None
    device.touch()
    assert choose.installed_driver(BROKEN_DRIVER, kernel_module, device) == "580.65.06"


def test_the_choice_is_printed_alone_and_its_reason_apart() -> None:
    command = [sys.executable, str(ROOT / "requirements" / "choose.py")]
    ran = subprocess.run(command, env={"EXTRA": "gpu"}, capture_output=True, text=True, check=True)  # noqa: S603
    assert ran.stdout == "gpu\n"
    assert ran.stderr == "runtime: gpu, because EXTRA=gpu is set\n"


# --- the interpreter


def test_an_old_python_is_refused_with_the_version_wanted() -> None:
    assert interpreter.problem((3, 9), has_venv=True).startswith("Python 3.9 is too old, Fovea needs 3.11 or newer")


def test_a_python_without_venv_is_refused_with_the_package_to_install() -> None:
    assert interpreter.problem((3, 11), has_venv=False).endswith("try: sudo apt-get install python3.11-venv")


def test_a_python_that_will_do_is_met_with_silence() -> None:
    assert interpreter.problem((3, 14), has_venv=True) is None


def test_the_minimum_python_is_the_project_s() -> None:
    assert project()["project"]["requires-python"] == ">=" + ".".join(map(str, interpreter.MINIMUM))


@pytest.mark.parametrize("name", ["choose", "interpreter"])
def test_the_scripts_that_meet_an_old_python_are_in_its_syntax(name: str) -> None:
    source = (ROOT / "requirements" / f"{name}.py").read_text()
    compile(source, name, "exec")
    assert "from __future__ import annotations" in source
    assert not re.search(r"^\s*(match .*:|except\*)|\btomllib\b", source, re.MULTILINE)


# --- the locks


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_requirement_has_a_version_and_a_hash(lock: str) -> None:
    for requirement in requirements(lock):
        assert re.match(r"[\w.-]+==[\w.]+ ", requirement), requirement
        assert "--hash=sha256:" in requirement, requirement


@pytest.mark.parametrize("lock", ["cluster.txt", "cpu.txt", "gpu.txt", "openvino.txt"])
def test_the_service_s_locks_hold_no_torch(lock: str) -> None:
    assert not {"torch", "triton", "onnxscript", "scikit-learn"} & set(notices.locked(lock))


def test_two_runtimes_are_never_in_one_lock() -> None:
    other = {"gpu.txt": "onnxruntime-gpu", "openvino.txt": "onnxruntime-openvino"}
    for lock in LOCKS:
        runtimes = {"onnxruntime", *other.values()} & set(notices.locked(lock))
        assert runtimes == {other.get(lock, "onnxruntime")}


@pytest.mark.parametrize("lock", ["cluster.txt", "gpu.txt", "openvino.txt", "training.txt", "dev.txt"])
def test_what_is_tested_and_what_is_served_have_the_same_versions(lock: str) -> None:
    served, other = notices.locked("cpu.txt"), notices.locked(lock)
    assert {name: other[name] for name in served.keys() & other.keys()} == {
        name: served[name] for name in served.keys() & other.keys()
    }
    assert served.keys() - other.keys() <= {"onnxruntime"}


def test_what_trains_in_a_container_is_what_trains_outside() -> None:
    inside, outside = notices.locked("training.txt"), notices.locked("dev.txt")
    assert {name: outside.get(name) for name in inside} == inside


def test_make_installs_the_torch_that_the_project_pins() -> None:
    makefile = (ROOT / "Makefile").read_text()
    pinned = [r for r in project()["project"]["optional-dependencies"]["training"] if r.startswith("torch==")]
    assert re.findall(r"^TORCH := (.+)$", makefile, re.MULTILINE) == pinned


def test_the_notices_name_every_package_of_the_service_with_its_version() -> None:
    stated = (ROOT / "THIRD_PARTY_NOTICES.md").read_text()
    for name, versions in notices.locked("cpu.txt").items():
        assert f"| {name} | {', '.join(sorted(versions))} |" in stated


@pytest.mark.parametrize("lock", ["gpu.txt", "openvino.txt", "cluster.txt"])
def test_the_notices_name_every_package_that_another_image_adds(lock: str) -> None:
    stated = (ROOT / "THIRD_PARTY_NOTICES.md").read_text()
    assert f"(requirements/{lock})" in stated
    assert "\n".join(notices.rows_of_only(lock)) in stated


def test_no_licence_is_missing_from_the_notices() -> None:
    assert "not stated" not in (ROOT / "THIRD_PARTY_NOTICES.md").read_text()


# --- what the service imports


OF_THE_EXTRA = ("service.bulk", "service.cluster")  # `cluster`: Ray and parquet


def test_the_service_imports_nothing_that_its_own_lock_does_not_install() -> None:
    served = set(notices.locked("cpu.txt"))
    foreign = [
        module
        for module, distributions in packages_distributions().items()
        if not served & {name.lower().replace("_", "-") for name in distributions}
    ]
    assert "torch" in foreign
    program = (
        "import importlib, pkgutil, sys\n"
        f"sys.modules.update(dict.fromkeys({[*foreign, 'training']!r}))\n"
        "import service\n"
        "for module in pkgutil.walk_packages(service.__path__, 'service.'):\n"
        f"    if not module.name.startswith({OF_THE_EXTRA!r}):\n"
        "        importlib.import_module(module.name)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    assert ran.returncode == 0, ran.stderr


# --- how an environment is made

# A real environment takes ten seconds to make, so this python answers `venv` and `pip` itself and passes on the rest.
QUICK_PYTHON = f"""\
#!/bin/sh
case "$1 $2" in
    "-m venv") rm -rf "$4" && mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
    "-m pip") echo "$@" >>"$(dirname "$0")/asked" ;;
    *) exec {sys.executable} "$@" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "requirements").mkdir()
    for name in ("install.sh", "interpreter.py"):
        shutil.copy(ROOT / "requirements" / name, tmp_path / "requirements")
    for lock in ("cpu.txt", "gpu.txt"):
        (tmp_path / "requirements" / lock).write_text("# nothing\n")
    (tmp_path / "python").write_text(QUICK_PYTHON)
    (tmp_path / "python").chmod(0o755)
    return tmp_path


def installed(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(checkout / "requirements" / "install.sh"), *arguments]
    environment = os.environ | {"PYTHON": str(checkout / "python")}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603


def test_an_environment_is_filled_from_the_lock_by_hash_and_then_with_what_has_none(checkout: Path) -> None:
    assert installed(checkout, ".venv", "cpu", "torch==2.13.0").stderr == (
        "setting up .venv from requirements/cpu.txt\n"
    )
    locked, unlocked = (checkout / ".venv" / "bin" / "asked").read_text().splitlines()
    assert locked.endswith("install --quiet --require-hashes --no-deps --requirement requirements/cpu.txt")
    assert unlocked.endswith("install --quiet torch==2.13.0")


def test_an_environment_that_is_as_its_lock_says_is_left_alone(checkout: Path) -> None:
    installed(checkout, ".venv", "cpu")
    (checkout / ".venv" / "leftover").touch()
    assert installed(checkout, ".venv", "cpu").stderr == ""
    assert (checkout / ".venv" / "leftover").exists()


def test_the_other_runtime_starts_from_an_empty_environment(checkout: Path) -> None:
    installed(checkout, ".venv", "cpu")
    (checkout / ".venv" / "leftover").touch()
    assert "setting up .venv from requirements/gpu.txt" in installed(checkout, ".venv", "gpu").stderr
    assert not (checkout / ".venv" / "leftover").exists()


def test_another_python_of_the_same_minor_version_is_no_reason_to_start_again(checkout: Path) -> None:
    installed(checkout, ".venv", "cpu")
    (checkout / "python").rename(checkout / "moved")
    (checkout / "python").symlink_to(sys.executable)
    assert installed(checkout, ".venv", "cpu").stderr == ""


def test_an_environment_whose_python_is_gone_is_made_again(checkout: Path) -> None:
    installed(checkout, ".venv", "cpu")
    (checkout / ".venv" / "bin" / "python").unlink()
    assert "setting up .venv" in installed(checkout, ".venv", "cpu").stderr


def test_a_changed_lock_is_installed_again(checkout: Path) -> None:
    installed(checkout, ".venv", "cpu")
    (checkout / "requirements" / "cpu.txt").write_text("# still nothing\n")
    assert "setting up .venv" in installed(checkout, ".venv", "cpu").stderr


def test_a_setup_that_failed_is_not_taken_for_done(checkout: Path) -> None:
    python = checkout / "python"
    python.write_text(QUICK_PYTHON.replace('echo "$@" >>"$(dirname "$0")/asked"', "exit 1"))
    assert installed(checkout, ".venv", "cpu").returncode == 1
    python.write_text(QUICK_PYTHON)
    assert "setting up .venv" in installed(checkout, ".venv", "cpu").stderr


def test_a_lock_nobody_wrote_is_named_with_those_there_are(checkout: Path) -> None:
    ran = installed(checkout, ".venv", "tpu")
    assert ran.returncode == 1
    assert ran.stderr == "there is no requirements/tpu.txt; requirements/ holds: cpu.txt gpu.txt\n"
