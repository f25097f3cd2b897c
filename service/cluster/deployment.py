"""How replicas are started, asked, scaled and replaced: the application of Ray Serve. Knows nothing of models."""

from typing import Any, cast

from fastapi import FastAPI
from ray import serve
from ray.serve.config import AutoscalingConfig, RequestRouterConfig

from service.cluster.replica import replica
from service.cluster.routing import ModelRouter
from service.cluster.scale import Scale
from service.errors import NotInClusterError
from service.settings import Settings

_BATCHES_UNDER_WAY = 4  # so that our scheduler always has a whole batch to choose, and refuses by its own deadlines
_DRAIN_SECONDS = 40.0  # longer than any request: the service's own timeout and the sending of an answer


def application(settings: Settings, scale: Scale) -> serve.Application:
    """What Ray Serve runs. Raises NotInClusterError for a setting that one replica cannot follow alone."""
    _refuse_what_one_replica_cannot_do(settings)

    def built() -> FastAPI:  # in the replica's process
        return replica(settings, scale.cpus_per_replica, scale.models_per_replica)

    resources: dict[str, Any] = {"num_cpus": scale.cpus_per_replica, "num_gpus": scale.gpus_per_replica}
    deployed = serve.deployment(
        serve.ingress(built)(),
        name="fovea",
        ray_actor_options=resources,
        max_ongoing_requests=_BATCHES_UNDER_WAY * settings.max_batch,
        max_queued_requests=settings.max_waiting_images,
        graceful_shutdown_timeout_s=_DRAIN_SECONDS,
        autoscaling_config=_autoscaling(settings, scale),
        request_router_config=RequestRouterConfig(request_router_class=ModelRouter),  # type: ignore[arg-type] # a class is meant
    )
    bound: serve.Application = cast("serve.Deployment", deployed).bind()
    return bound


def _autoscaling(settings: Settings, scale: Scale) -> AutoscalingConfig:
    """By requests that wait or run, in the proxies and in the replicas: half of the largest batch for each replica."""
    return AutoscalingConfig(
        min_replicas=scale.min_replicas,
        max_replicas=max(scale.min_replicas, scale.max_replicas),
        target_ongoing_requests=max(1, settings.max_batch // 2),
        upscale_delay_s=5,
        downscale_delay_s=300,
    )


def _refuse_what_one_replica_cannot_do(settings: Settings) -> None:
    for name in ("management_tokens", "management_tokens_file"):
        if getattr(settings, name) is not None:
            remedy = "change the files of the repository, which all replicas follow"
            raise NotInClusterError(f"FOVEA_{name.upper()}", remedy)
    if settings.quota_per_second:
        raise NotInClusterError("FOVEA_QUOTA_PER_SECOND", "bound clients in the proxy before the cluster")
    if settings.live_share:
        raise NotInClusterError("FOVEA_LIVE_SHARE", "sample in a service of its own")
    if settings.workers not in (None, 1):
        raise NotInClusterError("FOVEA_WORKERS", "give min_replicas and max_replicas")
