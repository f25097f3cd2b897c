"""Checks the shapes named in `service.arrays` on every call of the service's code."""

from jaxtyping import install_import_hook

install_import_hook(["service", "training"], "beartype.beartype")
