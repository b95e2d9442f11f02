"""Likelihoods that the benchmarks share: (name, theta, args), in the order of their cost."""

import numpy as np

import fastfim

DESIGN = np.column_stack([np.ones(50), np.random.default_rng(0).normal(size=(50, 4))])

WORKLOADS = {
    "norm": ((1.0, 2.0), ()),
    "gamma": ((2.0, 0.5), ()),
    "t": ((5.0, 0.0, 1.0), ()),
    "poisson": ((2.5,), ()),
    "normal_mixture": ((0.4, -1.0, 1.0, 1.5, 0.7), ()),
    "logistic_regression": ((0.3, 1.0, -0.5, 0.8, 0.2), (DESIGN,)),
    "ar1": ((0.5, 0.6, 1.0), (100,)),
}


def bound(name):
    """Likelihood with its constants, and theta."""
    theta, args = WORKLOADS[name]
    model = fastfim.catalogue[name].bind(args)
    return model, model.theta(theta)
