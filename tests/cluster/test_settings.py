"""What one replica of many could not follow is refused before anything starts."""

import pytest

pytest.importorskip("ray.serve", reason="Ray is not installed: the extra `cluster` has it")

from service.cluster.deployment import application
from service.cluster.scale import Scale
from service.errors import NotInClusterError
from service.settings import Settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("management_tokens", "sixteen-or-more-characters"),
        ("management_tokens_file", "tokens"),
        ("quota_per_second", 1.0),
        ("live_share", 0.5),
        ("workers", 2),
    ],
)
def test_a_setting_for_one_process_is_refused_with_its_name(name: str, value: object) -> None:
    settings = Settings.model_validate({name: value})
    with pytest.raises(NotInClusterError, match=f"FOVEA_{name.upper()} would reach one replica of many"):
        application(settings, Scale())
