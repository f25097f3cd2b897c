"""How many replicas, and how large: what stands behind `serve run service.cluster:app`."""

from pydantic import BaseModel, ConfigDict, Field


class Scale(BaseModel):
    """Everything else is a setting of the service, FOVEA_...

    `models_per_replica`: unset, every replica holds all of the repository.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_replicas: int = Field(default=1, ge=1)
    max_replicas: int = Field(default=8, ge=1)
    cpus_per_replica: int = Field(default=1, ge=1)
    gpus_per_replica: float = Field(default=0, ge=0)
    models_per_replica: int | None = Field(default=None, ge=1)
