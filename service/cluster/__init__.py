"""The service on more than one machine, by Ray Serve: `serve run service.cluster:app max_replicas=4`.

Nothing else of the service imports Ray, but for `service.bulk.on_ray`. Little is imported here: Serve's proxies and the
ledger need little of it.
"""

import os
from typing import TYPE_CHECKING

from service.cluster.scale import Scale

if TYPE_CHECKING:
    from ray import serve

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # before Ray reads it: nothing is told to anybody


def app(scale: Scale) -> "serve.Application":
    """The service for `serve run`, which reads the settings here and gives them to every replica.

    Raises NotInClusterError for a setting that one replica cannot follow alone.
    """
    from service.cluster.deployment import application  # noqa: PLC0415
    from service.settings import Settings  # noqa: PLC0415

    return application(Settings(), scale)
