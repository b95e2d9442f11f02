"""Rules work on vectors of any width as they do on scalars; constants fold; unused calls vanish."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from fastfim.autodiff import active, rules, seeds, value
from fastfim.autodiff.emit import DOUBLE, Emitter, Value

from .differentiate import compiled, pointer

UNARY = [r for r in rules.ENTRIES if isinstance(r, rules.Rule) and r.arity == 1]
BINARY = [r for r in rules.ENTRIES if isinstance(r, rules.Rule) and r.arity == 2]


def on_vectors(rule, width):
    """``f(inputs, outputs)`` that applies a rule to vectors of ``width`` elements and stores all that it gives."""
    kind = DOUBLE if width == 1 else ir.VectorType(DOUBLE, width)

    @intrinsic
    def apply(typing_context, inputs, outputs):
        def generate(context, builder, sig, args):
            e = Emitter(context, builder)
            start, out = (builder.bitcast(a, kind.as_pointer()) for a in args)

            def at(base, k):
                return builder.gep(base, [ir.Constant(ir.IntType(64), k)])

            xs = [Value(e, builder.load(at(start, k), align=8)) for k in range(rule.arity)]
            value, firsts, seconds = rule.emit(e, *xs)
            for k, partial in enumerate((value, *firsts, *seconds)):
                coefficient = rules.evaluate(partial)
                number = e.splat(0.0 if coefficient is None else coefficient, width)
                builder.store(number.ir, at(out, k), align=8)
            return context.get_dummy_value()

        return types.none(inputs, outputs), generate

    @njit
    def run(inputs, outputs):
        apply(pointer(inputs), pointer(outputs))

    return run


@pytest.mark.parametrize("rule", UNARY + BINARY, ids=lambda r: r.name)
def test_vectors_give_what_scalars_give(rule):
    width, count = 4, 1 + rule.arity + rule.arity * (rule.arity + 1) // 2
    inputs = np.linspace(0.11, 0.83, rule.arity * width).reshape(rule.arity, width)
    outputs, single = np.empty((count, width)), np.empty(count)
    on_vectors(rule, width)(inputs.ravel(), outputs.reshape(-1))
    scalar = on_vectors(rule, 1)
    for k in range(width):
        scalar(inputs[:, k].copy(), single)
        np.testing.assert_array_max_ulp(outputs[:, k], single, maxulp=2)


def test_factors_of_one_cost_nothing():
    module = ir.Module()
    function = ir.Function(module, ir.FunctionType(DOUBLE, [DOUBLE]), "f")
    builder = ir.IRBuilder(function.append_basic_block())
    x = Value(Emitter(None, builder), function.args[0])
    assert (x * 1).ir is x.ir
    assert (1.0 * x).ir is x.ir
    assert "fneg" in str((x * -1).ir)
    assert "fmul" not in str(function)


def test_second_derivatives_are_not_computed_at_order_one():
    """Nothing of the second order, and no derivative of a constant exponent, is left in a score's machine code."""

    def density(x, theta):
        return math.lgamma(theta[0])

    def assembly(order):
        evaluate = compiled(density, 1, order)
        evaluate(0.0, np.ones(1), 0, np.empty(1), np.empty(1))
        return next(iter(evaluate.inspect_llvm().values()))

    assert "trigamma" in assembly(2)
    assert "trigamma" not in assembly(1)


def test_parameters_alone_are_worked_on_once():
    """A function of theta alone is called outside the loop over draws."""
    density = active(lambda x, theta: x * math.lgamma(theta[0]))
    evaluate = compiled_sum(density)
    evaluate(np.ones(8), np.ones(1))
    text = next(iter(evaluate.inspect_llvm().values()))
    calls = [match.start() for match in re.finditer(r"call .*double @lgamma", text)]
    assert calls
    assert max(calls) < text.index(" phi ")  # every loop begins with one


def compiled_sum(density):
    with_seeds = seeds(1, 1, 1)

    @njit
    def total(xs, theta):
        seeded, result = with_seeds(pointer(theta), 0), 0.0
        for x in xs:
            result += value(density(x, seeded))
        return result

    return total
