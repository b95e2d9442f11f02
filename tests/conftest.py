"""What all tests share."""

import sys
from pathlib import Path

# The benchmarks' likelihoods are tested too. Last in the path, so that the package that is installed is the one tested.
sys.path.append(str(Path(__file__).parents[1]))
