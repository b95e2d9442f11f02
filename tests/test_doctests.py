"""The examples in docstrings are right."""

import doctest
import importlib
import pkgutil

import pytest

import fastfim

MODULES = [m.name for m in pkgutil.walk_packages(fastfim.__path__, "fastfim.") if not m.name.endswith("__main__")]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, monkeypatch):
    monkeypatch.setattr("fastfim.store.overloaded", lambda: False)  # whatever other tests have taught Numba
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0
