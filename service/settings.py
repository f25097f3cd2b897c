"""Every setting of the service, its default and its unit: environment variables that begin with FOVEA_."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024


class Settings(BaseSettings):
    """Read once, by `python -m service serve`; nothing is read at import."""

    model_config = SettingsConfigDict(env_prefix="FOVEA_", extra="forbid", frozen=True)

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    root_path: str = Field(default="", pattern=r"^(/[^/?#]+)*$", description="prefix under which a proxy serves us")
    workers: int | None = Field(
        default=None, ge=1, le=64, description="processes that answer; unset: one per CPU for tiny networks, else 1"
    )
    models: Path = Field(default=Path("models"), description="folder of the model repository")
    poll_seconds: float = Field(
        default=2.0, ge=0, le=86_400, description="time between two looks at that folder; 0 looks once, at the start"
    )
    management_token: SecretStr | None = Field(
        default=None, min_length=16, description="switches loading and unloading over HTTP on for who sends it"
    )
    provider: Literal["auto", "cpu", "cuda", "openvino", "openvino-bf16"] = Field(
        default="auto", description="where inference runs; one that cannot be used is not ready, never another"
    )
    cuda_graphs: bool = Field(default=False, description="replay each batch size's GPU work as one CUDA graph")
    threads: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="threads of every run; unset: all CPUs for a lone one, few for many at once",
    )
    max_body_bytes: int = Field(default=32 * MIB, ge=1024, description="largest request body")
    max_images: int = Field(default=64, ge=1, description="most images in one request")
    max_image_pixels: int = Field(default=25_000_000, ge=1, description="largest image, in pixels")
    max_batch: int = Field(default=32, ge=1, description="most images in one inference run")
    max_waiting_images: int = Field(default=1024, ge=1, description="most images waiting for inference; more get 503")
    request_timeout_seconds: float = Field(default=10.0, gt=0, description="time until a request gets 504")
    prefix_cache_bytes: int = Field(
        default=256 * MIB, ge=0, description="memory for truncated networks of feature maps"
    )
    max_answer_bytes: int = Field(default=64 * MIB, ge=1024, description="largest answer with feature-map numbers")
    live_share: float = Field(
        default=0.0, ge=0, le=1, description="share of classified images that live-statistics are made of; 0: none"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="what the log shows")
