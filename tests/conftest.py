"""What all tests share."""

import sys
from pathlib import Path

from hypothesis import settings

# The benchmarks' likelihoods are tested too. Last in the path, so that the package that is installed is the one tested.
sys.path.append(str(Path(__file__).parents[1]))

# An example may be the first to compile something, and machines are shared: no deadline for a single one.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
