from tests.service.api.conftest import client, repository

__all__ = ["client", "repository"]
