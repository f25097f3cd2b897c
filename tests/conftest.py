"""Before anything of ours is imported: shapes and types of arrays are checked on every call, in tests only."""

import hypothesis
from jaxtyping import install_import_hook

install_import_hook(["service", "training"], "beartype.beartype")

# No timing limits in tests: a busy machine is no failure.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")
