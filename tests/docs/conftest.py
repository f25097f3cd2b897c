from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.workbench import Workbench


@pytest.fixture
def workbench(tmp_path: Path) -> Iterator[Workbench]:
    found = Workbench(tmp_path)
    yield found
    found.close()
