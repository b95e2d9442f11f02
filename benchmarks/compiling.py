"""How long a likelihood that is new takes to compile, from Python to machine code: score alone, and score and Hessian.

Each in a process of its own, whose first compilation it is: later ones find some of Numba's own code at hand, and take
a little less. What all likelihoods share is in the store: it is compiled once an installation.
"""

import sys
import time

import fastfim
from fastfim.kernels.block import recipe_of
from fastfim.store import linking

from . import many_parameters, prepared
from .processes import number_from


def plain_draw(rng, theta, x, *args):
    for i in range(len(x)):
        x[i] = rng.standard_normal()


def by_density(logpdf, p, size, *args):
    names = [f"t{j}" for j in range(p)]
    return fastfim.Likelihood(plain_draw, logpdf, parameters=names, size=size).bind(args)


def process(with_prepare):
    likelihood, anew, _, args = prepared.MODELS["Gaussian process, 50 points"]
    return (likelihood if with_prepare else anew).bind(args)


NORMALS = many_parameters.normals

#: What makes each model, bound to its constants.
MODELS = {f"normal mean, p = {p}": (by_density, many_parameters.mean, p, p) for p in (10, 20)}
MODELS |= {
    f"precision matrix, p = {p}": (by_density, many_parameters.precision, p, p, many_parameters.positive(p))
    for p in (10, 20)
}
MODELS |= {f"logistic, p = {p}": (by_density, many_parameters.logistic, p, 100, NORMALS(100, p)) for p in (10, 20)}
MODELS |= {
    "two-layer network, p = 19": (by_density, many_parameters.network, 19, 20, NORMALS(20, 4), 3),
    "linear factors, p = 20": (by_density, many_parameters.factor, 20, 5, 3),
    "Gaussian process, p = 3": (process, True),
    "Gaussian process, p = 3, anew": (process, False),
    "Gaussian process, p = 20": (by_density, many_parameters.gaussian_process, 20, 50, NORMALS(50, 20)),
    "AR(1), p = 3": (by_density, many_parameters.ar1, 3, 1000),
}


def compile_here(name, order):
    """Processor time of a compilation in this process."""
    from fastfim.kernels import assembly  # imports Numba, which is not counted

    make, *details = MODELS[name]
    recipe = recipe_of(make(*details), order, "mc")
    start = time.process_time()
    linking.packed(assembly.native(lambda: assembly.blocks(recipe), recipe.logpdf))
    return time.process_time() - start


def seconds(name, order):
    """The same in a process of its own."""
    return number_from("compiling", name, str(order))


class Compile:
    """Seconds of processor time."""

    params = (list(MODELS), [1, 2])
    param_names = ("model", "order")
    timeout = 120

    def setup(self, name, order):
        compile_here(name, order)  # puts what is shared into the store
        fastfim.estimate("norm", (0.0, 1.0), draws=1024, rng=0)

    def track_seconds(self, name, order):
        return seconds(name, order)

    track_seconds.unit = "s"


if __name__ == "__main__":
    print(compile_here(sys.argv[1], int(sys.argv[2])))
