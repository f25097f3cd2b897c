"""The manifests are Kubernetes', and name what the service has: ports, paths, settings, metrics. Needs no cluster."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import kubernetes_validate
import pytest
import yaml

from service.app import create_app
from service.errors import TokensUnusableError
from service.settings import Settings
from tests.test_containers import most_mib

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docker" / "kubernetes"
VERSION = "1.34"  # of Kubernetes, whose schemas the manifests are held to
OPERATORS = {
    "monitoring.coreos.com/v1",
    "ray.io/v1",
    "serving.kserve.io/v1beta1",
}  # their kinds are none of Kubernetes' own
DRAIN = "FOVEA_DRAIN_SECONDS"
PATCHES = [f"{folder}/deployment.yaml" for folder in ("access", "gpu", "models", "tracing")]

Manifest = dict[str, Any]


def manifest(path: str) -> Manifest:
    read: Manifest = yaml.safe_load((FOLDER / path).read_text())
    return read


def paths() -> list[str]:
    """Every file of objects; kustomize's own and the adapter's values are none."""
    others = {"kustomization.yaml", "adapter-values.yaml"}
    return sorted(str(path.relative_to(FOLDER)) for path in FOLDER.glob("*/*.yaml") if path.name not in others)


def pods() -> dict[str, Manifest]:
    """The two that are whole: what the overlays change is tried apart."""
    return {
        "base": manifest("base/deployment.yaml")["spec"]["template"]["spec"],
        "kserve": manifest("kserve/inference-service.yaml")["spec"]["predictor"],
    }


POD = pytest.mark.parametrize("pod", pods().values(), ids=pods().keys())


def container(pod: Manifest) -> Manifest:
    (one,) = pod["containers"]
    return dict(one)


def environment(of: Manifest) -> dict[str, str]:
    return {variable["name"]: variable.get("value", "") for variable in of.get("env", [])}


def seconds(pod: Manifest) -> int:
    return int(environment(container(pod))[DRAIN])


# --- what Kubernetes would refuse


@pytest.mark.parametrize("path", [path for path in paths() if manifest(path)["apiVersion"] not in OPERATORS])
def test_every_object_is_as_kubernetes_says(path: str) -> None:
    found = manifest(path)
    if found["kind"] == "Deployment" and "selector" not in found["spec"]:
        found = patched(manifest("base/deployment.yaml"), found)
    kubernetes_validate.validate(found, VERSION, strict=True)


def test_a_word_that_kubernetes_does_not_know_is_found() -> None:
    wrong = manifest("base/service.yaml")
    wrong["spec"]["portz"] = []
    with pytest.raises(kubernetes_validate.ValidationError, match="portz"):
        kubernetes_validate.validate(wrong, VERSION, strict=True)


@pytest.mark.parametrize("path", PATCHES)
def test_a_patch_changes_the_container_that_there_is(path: str) -> None:
    base, patch = manifest("base/deployment.yaml"), manifest(path)
    assert patch["metadata"]["name"] == base["metadata"]["name"]
    assert container(patch["spec"]["template"]["spec"])["name"] == container(pods()["base"])["name"]


def patched(base: Any, patch: Any) -> Any:
    """A strategic merge, as far as the patches here go: lists of named things by their names."""
    if isinstance(base, dict) and isinstance(patch, dict):
        return {key: patched(base.get(key), patch.get(key)) for key in {**base, **patch}}
    if isinstance(base, list) and isinstance(patch, list):
        named = {one["name"]: one for one in base}
        return [*({**named, **{one["name"]: patched(named.get(one["name"]), one) for one in patch}}).values()]
    return base if patch is None else patch


# --- what kustomize would refuse


@pytest.mark.parametrize("folder", sorted(path.parent.name for path in FOLDER.glob("*/kustomization.yaml")))
def test_a_kustomization_names_every_file_of_its_folder(folder: str) -> None:
    found = manifest(f"{folder}/kustomization.yaml")
    named = [*found.get("resources", []), *(patch["path"] for patch in found.get("patches", []) if "path" in patch)]
    assert all((FOLDER / folder / name).exists() for name in named)
    own = {path.name for path in (FOLDER / folder).iterdir()} - {"kustomization.yaml", "adapter-values.yaml"}
    assert own == {name for name in named if not name.startswith("..")}


def applied_folders() -> list[str]:
    """What `kubectl apply` is told to take, in any document or manifest."""
    pages = [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), *FOLDER.rglob("*.md"), *FOLDER.rglob("*.yaml")]
    text = "\n".join(page.read_text() for page in pages)
    return sorted(set(re.findall(r"kubectl apply (?:-k|--kustomize) ([\w./-]+[\w])", text)))


@pytest.mark.parametrize("folder", applied_folders())
def test_a_folder_that_is_to_be_applied_is_a_kustomization_with_its_namespace(folder: str) -> None:
    found = yaml.safe_load((ROOT / folder / "kustomization.yaml").read_text())
    whole = [folder, *(f"{folder}/{name}" for name in found["resources"] if name.startswith(".."))]
    assert any((ROOT / one / "namespace.yaml").is_file() for one in whole)


def test_every_folder_is_in_the_table_of_the_readme() -> None:
    named = set(re.findall(r"^\| `(\w+)/` \|", (FOLDER / "README.md").read_text(), re.MULTILINE))
    assert named == {path.name for path in FOLDER.iterdir() if path.is_dir()}


@pytest.mark.parametrize("folder", ["kserve", "ray"])
def test_a_namespace_that_is_made_twice_is_made_alike(folder: str) -> None:
    """kustomize reads no file above its folder."""
    assert manifest(f"{folder}/namespace.yaml") == manifest("base/namespace.yaml")


def test_the_images_are_those_that_make_image_makes() -> None:
    tags = [manifest(f"{folder}/kustomization.yaml")["images"] for folder in ("base", "gpu")]
    assert tags == [[{"name": "fovea", "newTag": "cpu"}], [{"name": "fovea", "newTag": "gpu"}]]
    assert container(pods()["base"])["image"] == "fovea"
    assert container(pods()["kserve"])["image"] == "fovea:cpu"
    assert "--tag fovea:$(or $(EXTRA),cpu)" in (ROOT / "Makefile").read_text()


# --- what the service has


def exposed_port() -> int:
    (port,) = re.findall(r"^EXPOSE (\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    return int(port)


@POD
def test_the_port_is_the_image_s(pod: Manifest) -> None:
    (port,) = container(pod)["ports"]
    assert port["containerPort"] == exposed_port()
    assert {probe["httpGet"]["port"] for probe in probes(pod).values()} <= {port["name"], port["containerPort"]}


def test_the_service_the_network_policy_and_the_monitor_name_that_port() -> None:
    (port,) = container(pods()["base"])["ports"]
    (service,) = manifest("base/service.yaml")["spec"]["ports"]
    (ingress,) = manifest("base/network-policy.yaml")["spec"]["ingress"]
    (endpoint,) = manifest("monitoring/service-monitor.yaml")["spec"]["endpoints"]
    assert service["targetPort"] == port["name"] == ingress["ports"][0]["port"]
    assert endpoint["port"] == service["name"]


def probes(pod: Manifest) -> dict[str, Manifest]:
    return {name: container(pod)[name] for name in ("startupProbe", "readinessProbe", "livenessProbe")}


@POD
def test_the_probes_ask_what_the_service_answers(pod: Manifest, client: httpx.Client) -> None:
    asked = {name: probe["httpGet"]["path"] for name, probe in probes(pod).items()}
    assert {client.get(path).status_code for path in asked.values()} == {200}
    assert asked["readinessProbe"].endswith("/ready")
    assert asked["livenessProbe"] == asked["startupProbe"]
    assert asked["livenessProbe"].endswith("/live")


def test_the_monitor_asks_for_what_the_service_counts() -> None:
    (endpoint,) = manifest("monitoring/service-monitor.yaml")["spec"]["endpoints"]
    assert endpoint["path"] in create_app(Settings()).openapi()["paths"]


def given_settings() -> Iterator[str]:
    for path in paths():
        yield from re.findall(r"name: (FOVEA_\w+)", (FOLDER / path).read_text())


def test_every_variable_is_a_setting() -> None:
    known = {f"FOVEA_{name.upper()}" for name in Settings.model_fields}
    assert set(given_settings()) <= known


@POD
def test_kubernetes_own_variables_do_not_meet_our_settings(pod: Manifest) -> None:
    """A Service named fovea would give FOVEA_PORT=tcp://10.0.0.1:80 to every pod of its namespace."""
    assert f"{manifest('base/service.yaml')['metadata']['name']}_PORT".upper() in {
        f"FOVEA_{name.upper()}" for name in Settings.model_fields
    }
    assert pod["enableServiceLinks"] is False


@POD
def test_a_stop_waits_longer_than_the_service_drains_and_finishes(pod: Manifest) -> None:
    (own,) = re.findall(r"timeout_graceful_shutdown=(\d+)", (ROOT / "service" / "serving.py").read_text())
    assert pod["terminationGracePeriodSeconds"] > seconds(pod) + int(own)


@POD
def test_it_drains_longer_than_a_proxy_needs_to_see_that_it_is_not_ready(pod: Manifest) -> None:
    probe = container(pod)["readinessProbe"]
    assert seconds(pod) > probe["failureThreshold"] * (probe["periodSeconds"] + probe["timeoutSeconds"])


def test_models_are_mounted_where_the_image_has_them() -> None:
    (mount,) = container(manifest("models/deployment.yaml")["spec"]["template"]["spec"])["volumeMounts"]
    assert mount == {"name": "models", "mountPath": "/fovea/models", "readOnly": True}
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "WORKDIR /fovea\n" in dockerfile
    assert str(Settings.model_fields["models"].default) == "models"


# --- how it is confined


@POD
def test_a_pod_is_as_the_restricted_standard_wants(pod: Manifest) -> None:
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container(pod)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)


@POD
def test_only_tmp_can_be_written_and_it_is_bounded(pod: Manifest) -> None:
    assert container(pod)["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 - the container's own
    assert pod["volumes"] == [{"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "256Mi"}}]


@POD
def test_memory_is_asked_for_as_it_is_limited_and_cpus_are_limited(pod: Manifest) -> None:
    resources = container(pod)["resources"]
    assert resources["requests"]["memory"] == resources["limits"]["memory"] == "4Gi"
    cpus = int(resources["limits"]["cpu"])
    assert most_mib(cpus, workers=cpus) < 4 * 1024
    assert int(resources["limits"]["cpu"]) >= int(resources["requests"]["cpu"])


def test_the_namespace_enforces_the_restricted_standard() -> None:
    labels = manifest("base/namespace.yaml")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_service_reaches_nobody() -> None:
    policy = manifest("base/network-policy.yaml")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["egress"] == []


def test_whoever_is_let_in_is_told_the_label_that_lets_in() -> None:
    (ingress,) = manifest("base/network-policy.yaml")["spec"]["ingress"]
    _, others = ingress["from"]
    ((label, value),) = others["namespaceSelector"]["matchLabels"].items()
    for page in (FOLDER / "README.md", ROOT / "docs" / "operating.md"):
        assert re.search(rf"^kubectl label namespace \S+ {label}={value}$", page.read_text(), re.MULTILINE)


def test_traces_have_a_way_to_the_collector_that_they_go_to_and_to_its_name() -> None:
    policy = manifest("tracing/network-policy.yaml")["spec"]
    assert policy["podSelector"] == manifest("base/network-policy.yaml")["spec"]["podSelector"]
    names, collector = policy["egress"]
    assert {port["port"] for port in names["ports"]} == {53}
    pod = container(manifest("tracing/deployment.yaml")["spec"]["template"]["spec"])
    _, namespace, port = re.split(r"[.:]", environment(pod)["FOVEA_OTLP_ENDPOINT"].removeprefix("http://"))
    (to,) = collector["to"]
    assert to["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": namespace}
    assert collector["ports"] == [{"protocol": "TCP", "port": int(port)}]


# --- who may ask


def test_no_manifest_has_a_token_that_may_be_missing() -> None:
    """`optional: true` would start a pod without its Secret, open to all."""
    for path in FOLDER.glob("*/*.yaml"):
        assert "optional" not in path.read_text(), path
        assert not re.search(r"FOVEA_\w+_TOKENS\b", path.read_text().partition("apiVersion")[2]), path


def test_tokens_are_read_from_the_secret_s_files_which_change_while_it_runs(tmp_path: Path) -> None:
    pod = patched(manifest("base/deployment.yaml"), manifest("access/deployment.yaml"))["spec"]["template"]["spec"]
    (mount,) = [one for one in container(pod)["volumeMounts"] if one["name"] == "tokens"]
    (volume,) = [one for one in pod["volumes"] if one["name"] == "tokens"]
    assert "subPath" not in mount
    assert volume["secret"] == {"secretName": "fovea"}
    files = {name: path for name, path in environment(container(pod)).items() if name.endswith("_TOKENS_FILE")}
    assert {Path(path).parent for path in files.values()} == {Path(mount["mountPath"])}
    keys = re.findall(r"--from-file=([\w-]+)", (FOLDER / "access" / "kustomization.yaml").read_text())
    assert sorted(Path(path).name for path in files.values()) == sorted(keys)
    missing = {name.removeprefix("FOVEA_").lower(): str(tmp_path / Path(path).name) for name, path in files.items()}
    with pytest.raises(TokensUnusableError):
        create_app(Settings.model_validate(missing))


def test_kserve_s_object_gets_the_same_tokens_as_the_deployment() -> None:
    _, kserve, _ = manifest("access/kustomization.yaml")["patches"]
    added = [
        (step["path"].rpartition("/")[0].rpartition("/")[2], step["value"]) for step in yaml.safe_load(kserve["patch"])
    ]
    pod = manifest("access/deployment.yaml")["spec"]["template"]["spec"]
    own = container(pod)
    expected = [("env", own["env"]), ("volumeMounts", own["volumeMounts"]), ("volumes", pod["volumes"])]
    assert added == [(name, one) for name, several in expected for one in several]


def test_where_tokens_are_wanted_prometheus_sends_one() -> None:
    """A component changes what there is when its turn comes, so the one with the tokens comes last."""
    *_, monitor = manifest("access/kustomization.yaml")["patches"]
    scraped = manifest("monitoring/service-monitor.yaml")
    assert monitor["target"] == {"kind": scraped["kind"], "name": scraped["metadata"]["name"]}
    (step,) = yaml.safe_load(monitor["patch"])
    assert step["path"] == "/spec/endpoints/0/authorization"
    assert step["value"]["credentials"]["name"] == "fovea"
    for page in ("README.md", "access/kustomization.yaml"):
        (listed,) = re.findall(r"^#? *components: \[(.*monitoring.*)\]", (FOLDER / page).read_text(), re.MULTILINE)
        assert listed.endswith("/access")


def test_all_that_selects_the_pods_selects_these() -> None:
    labels = manifest("base/deployment.yaml")["spec"]["template"]["metadata"]["labels"]
    selectors = [
        manifest("base/deployment.yaml")["spec"]["selector"]["matchLabels"],
        manifest("base/service.yaml")["spec"]["selector"],
        manifest("base/disruption-budget.yaml")["spec"]["selector"]["matchLabels"],
        manifest("base/network-policy.yaml")["spec"]["podSelector"]["matchLabels"],
        manifest("monitoring/service-monitor.yaml")["spec"]["selector"]["matchLabels"],
    ]
    assert selectors == [labels] * len(selectors)


def test_a_node_can_be_emptied_while_the_service_answers() -> None:
    assert manifest("base/disruption-budget.yaml")["spec"]["maxUnavailable"] == 1
    assert manifest("base/deployment.yaml")["spec"]["replicas"] > 1
    assert manifest("monitoring/autoscaler.yaml")["spec"]["minReplicas"] > 1


def test_a_gpu_replica_demands_its_gpu() -> None:
    gpu = container(manifest("gpu/deployment.yaml")["spec"]["template"]["spec"])
    assert environment(gpu) == {"FOVEA_PROVIDER": "cuda"}
    assert gpu["resources"]["limits"]["nvidia.com/gpu"] == 1


# --- how many there are, and who watches them


def test_the_autoscaler_follows_a_metric_that_the_service_has_and_the_adapter_gives(client: httpx.Client) -> None:
    metric, _ = manifest("monitoring/autoscaler.yaml")["spec"]["metrics"]
    (rule,) = manifest("monitoring/adapter-values.yaml")["rules"]["custom"]
    name = metric["pods"]["metric"]["name"]
    assert name == rule["name"]["as"] == rule["seriesQuery"].partition("{")[0]
    assert re.search(rf"^{name}\{{", client.get("/metrics").text, re.MULTILINE)


def test_the_autoscaler_also_follows_the_cpu_before_one_event_loop_is_full_or_a_gpu_s_decoders_are() -> None:
    """Tiny networks are answered in the event loop, of which a process has one, and never wait in the queue."""
    _, metric = manifest("monitoring/autoscaler.yaml")["spec"]["metrics"]
    assert (metric["type"], metric["resource"]["name"]) == ("Resource", "cpu")
    share = metric["resource"]["target"]["averageUtilization"] / 100
    on_cpus = container(pods()["base"])["resources"]["requests"]["cpu"]
    assert 0.5 < share * int(on_cpus) < 1
    gpu = container(manifest("gpu/deployment.yaml")["spec"]["template"]["spec"])["resources"]
    assert gpu["requests"]["cpu"] == gpu["limits"]["cpu"]


def test_the_autoscaler_scales_what_there_is_and_alone_says_how_many() -> None:
    target = manifest("monitoring/autoscaler.yaml")["spec"]["scaleTargetRef"]
    base = manifest("base/deployment.yaml")
    assert (target["apiVersion"], target["kind"], target["name"]) == (
        base["apiVersion"],
        base["kind"],
        base["metadata"]["name"],
    )
    (patch,) = manifest("monitoring/kustomization.yaml")["patches"]
    assert yaml.safe_load(patch["patch"]) == [{"op": "remove", "path": "/spec/replicas"}]


def test_the_alerts_are_those_of_the_compose_file() -> None:
    alerts = yaml.safe_load((ROOT / "docker" / "monitoring" / "alerts.yml").read_text())
    assert manifest("monitoring/alerts.yaml")["spec"] == alerts


def test_the_alerts_ask_for_the_job_that_the_monitor_names() -> None:
    label = manifest("monitoring/service-monitor.yaml")["spec"]["jobLabel"]
    job = manifest("base/service.yaml")["metadata"]["labels"][label]
    (scrape,) = yaml.safe_load((ROOT / "docker" / "monitoring" / "prometheus.yml").read_text())["scrape_configs"]
    assert job == scrape["job_name"] == "fovea"


def test_kserve_knows_that_it_speaks_the_second_version_of_its_protocol() -> None:
    assert environment(container(pods()["kserve"]))["PROTOCOL"] == "v2"
