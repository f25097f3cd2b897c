"""Every setting of the service, its default and its unit: environment variables that begin with FOVEA_."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{16,512}")  # the characters of RFC 6750, 2.1
_ORIGIN = re.compile(r"\*|https?://[A-Za-z0-9.:\[\]-]+")


def listed(text: str) -> tuple[str, ...]:
    """The parts of a list that is written with commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def token_list(text: str) -> tuple[str, ...]:
    """Tokens with commas or one a line; `#` begins a comment. Raises ValueError, which never shows one."""
    tokens = listed(",".join(line.partition("#")[0] for line in text.splitlines()))
    for number, token in enumerate(tokens, 1):
        if not _TOKEN.fullmatch(token):
            raise ValueError(f"token {number} has to be at least 16 and at most 512 of A-Z a-z 0-9 . _ ~ + / = -")
    return tokens


class Settings(BaseSettings):
    """Read once, by `python -m service serve`; nothing is read at import."""

    model_config = SettingsConfigDict(env_prefix="FOVEA_", extra="forbid", frozen=True)

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    root_path: str = Field(default="", pattern=r"^(/[^/?#]+)*$", description="prefix under which a proxy serves us")
    workers: int | None = Field(
        default=None, ge=1, le=64, description="processes that answer; unset: one per CPU for tiny networks, else 1"
    )
    max_connections: int = Field(
        default=1000, ge=16, le=100_000, description="most connections at once, of each worker; one more gets 503"
    )
    client_timeout_seconds: float = Field(
        default=10.0,
        gt=0,
        le=86_400,
        description="how long a client may pause: before the end of a head, within a body, reading the answer",
    )
    keep_alive_seconds: float = Field(
        default=5.0,
        gt=0,
        le=86_400,
        description="how long an idle connection stays open; behind a proxy more than its own",
    )
    drain_seconds: float = Field(
        default=1.0,
        ge=0,
        le=86_400,
        description="how long a service that was told to stop still takes connections, not ready",
    )
    models: Path = Field(default=Path("models"), description="folder of the model repository")
    poll_seconds: float = Field(
        default=2.0, ge=0, le=86_400, description="time between two looks at that folder; 0 looks once, at the start"
    )
    inference_tokens: SecretStr | None = Field(
        default=None, description="with commas; from then on every question wants one of them, or one of management"
    )
    inference_tokens_file: Path | None = Field(
        default=None, description="the same in a file, one a line; looked at every two seconds"
    )
    management_tokens: SecretStr | None = Field(
        default=None, description="with commas; switches loading and unloading over HTTP on for who sends one"
    )
    management_tokens_file: Path | None = Field(
        default=None, description="the same in a file, one a line; looked at every two seconds"
    )
    quota_per_second: float = Field(
        default=0.0, ge=0, le=1e6, description="requests a second of each client (token, else address); 0: no quota"
    )
    quota_burst: int = Field(default=20, ge=1, le=1_000_000, description="requests of a client at once under a quota")
    trusted_proxies: str = Field(
        default="", description="addresses and networks, with commas, whose X-Forwarded-For is believed"
    )
    cors_origins: str = Field(
        default="", description="origins, with commas, whose pages may ask; * for any, none by default"
    )
    docs: bool = Field(default=True, description="serve /docs and /openapi.json")
    metrics: bool = Field(default=True, description="serve /metrics")
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
    request_timeout_seconds: float = Field(default=10.0, gt=0, le=86_400, description="time until a request gets 504")
    prefix_cache_bytes: int = Field(
        default=256 * MIB, ge=0, description="memory for truncated networks of feature maps"
    )
    max_answer_bytes: int = Field(default=64 * MIB, ge=1024, description="largest answer with feature-map numbers")
    live_share: float = Field(
        default=0.0, ge=0, le=1, description="share of classified images that live-statistics are made of; 0: none"
    )
    otlp_endpoint: str = Field(
        default="",
        pattern=r"^(https?://.+)?$",
        description="where traces go, as http://collector:4318; none by default",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="what the log shows")

    @field_validator("inference_tokens", "management_tokens")
    @classmethod
    def _is_token_list(cls, tokens: SecretStr | None) -> SecretStr | None:
        if tokens is not None and not token_list(tokens.get_secret_value()):
            raise ValueError("there is no token in it")
        return tokens

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        for network in listed(text):
            ip_network(network, strict=False)
        return text

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, text: str) -> str:
        for origin in listed(text):
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is no origin: write it as https://example.org, without a path")
        return text
