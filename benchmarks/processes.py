"""Measurements that want a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

#: Runs a module that lies beside an installed fastfim: last on the path, lest the source be taken in its place.
PROGRAM = """
import runpy, sys
sys.path.append(sys.argv.pop(1))
runpy.run_module(sys.argv.pop(1), run_name="__main__")
"""


def number_from(module, *args, **variables):
    """What ``python -m benchmarks.module`` prints, with further variables of the environment."""
    run = [sys.executable, "-c", PROGRAM, str(Path(__file__).parents[1]), f"benchmarks.{module}", *args]
    environment = {**os.environ, **variables}
    return float(subprocess.run(run, env=environment, capture_output=True, text=True, check=True).stdout)
