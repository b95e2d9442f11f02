"""Print the tables of the README: ``python -m benchmarks`` for speed, with ``peers`` against others, with ``accuracy``
the time to it. With ``scores``: the part of the first that is about many parameters."""

import platform
import sys

# modules, not their classes: asv would run those again as benchmarks of this one
from . import accuracy, arrays, compiling, latency, many_parameters, many_parameters_jax, peers, prepared, throughput
from .workloads import SCORES_ALONE, WORKLOADS


def scores():
    print(f"{'ns a draw':28}{'density':>10}{'score':>10}{'ratio':>8}{'JAX':>10}{'times':>8}")
    for name in many_parameters.MODELS:
        plain, score = many_parameters.timings(name)
        peer = many_parameters_jax.nanoseconds(name)
        print(f"{name:28}{plain:10.0f}{score:10.0f}{score / plain:8.1f}{peer:10.0f}{peer / score:8.1f}")
    print(f"{'ns a draw':40}{'score':>10}{'+ Hessian':>12}")
    for name, case in many_parameters.HESSIANS.items():
        print(f"{name:40}{many_parameters.derivatives(case, 1):10.0f}{many_parameters.derivatives(case, 2):12.0f}")


def speed():
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, one core")
    print(f"{'ns a draw':32}{'score':>10}{'+ Hessian':>12}")
    benchmark = throughput.Draws()
    for name in WORKLOADS:
        row = []
        for order in (1,) if name in SCORES_ALONE else (1, 2):
            benchmark.setup(name, order)
            row.append(f"{benchmark.track_nanoseconds_a_draw(name, order):.1f}")
        print(f"{name:32}{row[0]:>10}{row[1] if len(row) > 1 else '':>12}")
    products = throughput.Products()
    for p in products.params:
        print(f"outer products of {p} scores: {products.track_ratio(p):.2f} of the rate of BLAS")
    print(f"{'times faster with prepare':28}{'score':>10}{'+ Hessian':>12}")
    prepare = prepared.Prepare()
    for name in prepared.MODELS:
        ratios = []
        for order in (1, 2):
            prepare.setup(name, order)
            ratios.append(prepare.track_ratio(name, order))
        print(f"{name:28}{ratios[0]:10.0f}{ratios[1]:12.0f}")
    scores()
    print(f"{'array code over loops':28}{'score':>10}{'+ Hessian':>12}")
    code = arrays.ArrayCode()
    for name in arrays.MODELS:
        print(f"{name:28}{code.track_ratio(name, 1):10.2f}{code.track_ratio(name, 2):12.2f}")
    print(f"{'s to compile':32}{'score':>10}{'+ Hessian':>12}")
    for name in compiling.MODELS:
        row = []
        for order in (1, 2):
            compiling.Compile().setup(name, order)
            row.append(compiling.seconds(name, order))
        print(f"{name:32}{row[0]:10.2f}{row[1]:12.2f}")
    start = latency.Start()
    folder = start.setup_cache()
    cold, warm = start.track_cold(folder, "own"), start.track_warm(folder, "own")
    print(f"from the start of a process to its first result: {cold:.2f} s, {warm:.2f} s once compiled")
    print(f"memory that 100 times the draws take: {throughput.Memory().track_growth()} bytes")


if __name__ == "__main__":
    {"speed": speed, "peers": peers.main, "accuracy": accuracy.main, "scores": scores}[(sys.argv[1:] or ["speed"])[0]]()
