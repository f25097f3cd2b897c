from pathlib import Path

import pytest

from service.engine.cpus import available_cpus


def counted(folder: Path, groups: str, **files: str) -> int:
    """The CPUs found with these memberships, where `files` are below the mount, `__` standing for a folder."""
    (folder / "cgroup").write_text(groups)
    for name, text in files.items():
        path = folder / "mount" / name.replace("__", "/").replace("cpu_max", "cpu.max").replace("cpu_cfs", "cpu.cfs")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return available_cpus(folder / "cgroup", folder / "mount")


@pytest.fixture(autouse=True)
def eight_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _process: set(range(8)), raising=False)


@pytest.mark.parametrize(("quota", "cpus"), [("50000", 1), ("100000", 1), ("150000", 2), ("400000", 4), ("1600000", 8)])
def test_a_containers_quota_bounds_the_cpus_and_a_fraction_counts_as_one_more(
    tmp_path: Path, quota: str, cpus: int
) -> None:
    assert counted(tmp_path, "0::/\n", cpu_max=f"{quota} 100000") == cpus


@pytest.mark.parametrize(("quota", "cpus"), [("50000", 1), ("250000", 3), ("-1", 8)])
def test_version_1_states_the_same_in_two_files(tmp_path: Path, quota: str, cpus: int) -> None:
    groups = "5:memory:/\n4:cpu,cpuacct:/docker/1f\n"
    files = {"cpu__docker__1f__cpu_cfs_quota_us": quota, "cpu__docker__1f__cpu_cfs_period_us": "100000"}
    assert counted(tmp_path, groups, **files) == cpus


def test_the_least_quota_of_a_group_and_those_above_it_counts(tmp_path: Path) -> None:
    groups = "0::/slice/service\n"
    assert counted(tmp_path, groups, slice__service__cpu_max="600000 100000", slice__cpu_max="200000 100000") == 2
    assert counted(tmp_path, groups, slice__service__cpu_max="100000 100000") == 1


def test_the_quota_of_another_group_does_not_count(tmp_path: Path) -> None:
    assert counted(tmp_path, "0::/mine\n", mine__cpu_max="max 100000", other__cpu_max="100000 100000") == 8


def test_a_path_of_the_host_still_leads_to_the_mounts_own_quota(tmp_path: Path) -> None:
    assert counted(tmp_path, "0::/../../docker/1f\n", cpu_max="300000 100000") == 3


def test_version_2_beside_version_1_is_found_in_its_own_folder(tmp_path: Path) -> None:
    assert counted(tmp_path, "1:cpuset:/\n0::/a\n", unified__a__cpu_max="200000 100000") == 2


@pytest.mark.parametrize("text", ["max 100000", "", "nonsense", "1 0"])
def test_without_a_quota_the_affinity_counts(tmp_path: Path, text: str) -> None:
    assert counted(tmp_path, "0::/\n", cpu_max=text) == 8


def test_where_there_are_no_control_groups_the_affinity_counts(tmp_path: Path) -> None:
    assert available_cpus(tmp_path / "none", tmp_path / "none") == 8
