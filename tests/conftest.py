"""How thoroughly properties are searched: `make nightly` looks at many more examples."""

import os

from hypothesis import settings

# a shared machine is slow at times; benchmarks measure, tests do not
settings.register_profile("everyday", deadline=None)
settings.register_profile("nightly", deadline=None, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "everyday"))
