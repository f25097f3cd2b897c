"""What is for KubeRay, whose definition is on no package index: its words by hand, its pods by Kubernetes' schema.

The words are those of the types of ray.io/v1 in KubeRay's source, and `authOptions`, which came with 1.5.1.
"""

import re
from importlib.util import find_spec
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from requirements.notices import locked
from service.cluster.scale import Scale
from tests.kubernetes.test_manifests import ROOT, VERSION, Manifest, container, environment, manifest

SERVICE = manifest("ray/rayservice.yaml")
CLUSTER: Manifest = SERVICE["spec"]["rayClusterConfig"]
GROUPS = {"head": CLUSTER["headGroupSpec"], "worker": CLUSTER["workerGroupSpecs"][0]}
GROUP = pytest.mark.parametrize("name", GROUPS)

KNOWN = {
    "RayService": {"apiVersion", "kind", "metadata", "spec"},
    "spec": {"serveConfigV2", "rayClusterConfig", "serveService"},
    "cluster": {
        *("rayVersion", "authOptions", "enableInTreeAutoscaling", "autoscalerOptions", "headGroupSpec"),
        *("workerGroupSpecs", "headServiceAnnotations", "suspend"),
    },
    "head": {"rayStartParams", "template", "serviceType", "headService", "enableIngress"},
    "worker": {
        *("groupName", "replicas", "minReplicas", "maxReplicas", "numOfHosts"),
        *("rayStartParams", "template", "scaleStrategy"),
    },
}


def pod(name: str) -> Manifest:
    """As a pod of its own, which Kubernetes has a schema for."""
    template = GROUPS[name]["template"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **template["metadata"]}, **template}


def test_its_words_are_kuberay_s() -> None:
    given = {"RayService": SERVICE, "spec": SERVICE["spec"], "cluster": CLUSTER, **GROUPS}
    assert {name: set(found) - KNOWN[name] for name, found in given.items()} == {name: set() for name in given}


@GROUP
def test_its_pods_are_as_kubernetes_says(name: str) -> None:
    kubernetes_validate.validate(pod(name), VERSION, strict=True)


@GROUP
def test_no_probe_is_kuberay_s_own_which_asks_with_wget(name: str) -> None:
    probes = [container(pod(name)["spec"])[probe] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert {action for probe in probes for action in probe} & {"exec", "tcpSocket", "grpc", "httpGet"} == {"httpGet"}


@GROUP
def test_the_node_s_agent_is_asked_where_it_wants_no_token(name: str) -> None:
    spec = find_spec("ray")
    assert spec is not None
    assert spec.origin is not None
    ray = Path(spec.origin).parent
    port = container(pod(name)["spec"])["livenessProbe"]["httpGet"]
    constants = (ray / "_private" / "ray_constants.py").read_text()
    assert f"DEFAULT_DASHBOARD_AGENT_LISTEN_PORT = {port['port']}\n" in constants
    (public,) = re.findall(
        r"PUBLIC_EXACT_PATHS = \[(.*?)\]", (ray / "dashboard" / "http_server_agent.py").read_text(), re.DOTALL
    )
    assert f'"{port["path"]}"' in public


def test_a_worker_is_ready_where_serve_answers() -> None:
    serve = yaml.safe_load(SERVICE["spec"]["serveConfigV2"])
    asked = container(pod("worker")["spec"])["readinessProbe"]["httpGet"]
    assert asked == {"path": "/-/healthz", "port": serve["http_options"]["port"]}


def test_whoever_deploys_needs_a_token() -> None:
    assert CLUSTER["authOptions"] == {"mode": "token"}


@GROUP
def test_a_pod_is_as_the_namespace_s_restricted_standard_wants(name: str) -> None:
    spec = pod(name)["spec"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["securityContext"]["runAsNonRoot"] is True
    confined = {"allowPrivilegeEscalation": False, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]}}
    assert container(spec)["securityContext"] == CLUSTER["autoscalerOptions"]["securityContext"] == confined
    assert spec["enableServiceLinks"] is False


def test_only_the_head_whose_autoscaler_needs_it_may_speak_to_kubernetes() -> None:
    assert pod("worker")["spec"]["automountServiceAccountToken"] is False
    assert manifest("ray/head-network-policy.yaml")["spec"]["podSelector"]["matchLabels"]["ray.io/node-type"] == "head"


def test_ray_s_ports_are_open_to_its_own_pods_and_serve_s_to_clients() -> None:
    policy = manifest("ray/network-policy.yaml")["spec"]
    own = policy["podSelector"]
    assert [pod(name)["metadata"]["labels"] for name in GROUPS] == [own["matchLabels"]] * 2
    among, operator, clients = policy["ingress"]
    assert among == {"from": [{"podSelector": own}]}
    assert {port["port"] for port in operator["ports"]} == {8265, 8000}
    (base,) = manifest("base/network-policy.yaml")["spec"]["ingress"]
    assert clients["from"] == base["from"]
    assert [port["port"] for port in clients["ports"]] == [8000]


def test_the_image_can_be_built_and_holds_the_ray_that_is_named() -> None:
    image, extra = container(pod("head")["spec"])["image"].split(":")
    assert (image, container(pod("worker")["spec"])["image"]) == ("fovea", f"fovea:{extra}")
    assert locked(f"{extra}.txt")["ray"] == {CLUSTER["rayVersion"]}
    assert f"!requirements/{extra}.txt" in (ROOT / ".dockerignore").read_text()
    assert f"lock {extra} --extra {extra}" in (ROOT / "requirements" / "lock.sh").read_text().replace(
        "--extra cpu ", ""
    )


def test_the_application_is_ours_and_takes_what_it_is_given() -> None:
    (application,) = yaml.safe_load(SERVICE["spec"]["serveConfigV2"])["applications"]
    assert application["import_path"] == "service.cluster:app"
    scale = Scale(**application["args"])
    assert scale.cpus_per_replica == int(container(pod("worker")["spec"])["resources"]["limits"]["cpu"])
    assert scale.max_replicas == GROUPS["worker"]["maxReplicas"]


def test_the_models_are_where_they_are_mounted() -> None:
    for name in GROUPS:
        one = container(pod(name)["spec"])
        assert environment(one)["FOVEA_MODELS"] in {mount["mountPath"] for mount in one["volumeMounts"]}
