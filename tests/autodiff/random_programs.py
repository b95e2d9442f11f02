"""Random programs of the kind that users write, and how a failing one is cut down to what makes it fail.

A program is a list of pieces of source.  Each defines variables (``s3`` a number, ``v3`` a vector of three, ``m3`` a
matrix), uses those defined before, and ends by adding to ``total``, so that any piece can be left out that no later
one needs.  Values stay moderate, since results pass through bounded functions, and matrices well conditioned.
"""

from __future__ import annotations

import random

HEADER = """\
import math
from math import atan, cos, exp, log, log1p, sin, sqrt, tanh
import numpy as np


def blend(u, v, weight=0.25):
    if u > v:
        return weight * u + (1 - weight) * v
    return u - weight * sin(v)


def fill(z, u):
    for i in range(len(z)):
        z[i] = z[i] * 0.5 + u / (i + 1)


def mix(v, u):
    z = np.empty(len(v))
    for i in range(len(v)):
        z[i] = cos(v[i]) * u
    return z


def program(x, theta):
    a, b, c = theta
    total = a * 0.0
"""

FUNCTIONS = ("sin({})", "cos({})", "tanh({})", "atan({})", "exp(-{} ** 2)", "log1p({} ** 2)", "sqrt(1 + {} ** 2)")
ARRAY_FUNCTIONS = ("np.sin({})", "np.tanh({})", "np.exp(-{} ** 2)", "np.sqrt(1 + {} ** 2)", "-{}", "np.cos({} * 0.5)")


class Writer:
    """Writes the pieces of one program; everything follows from the seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.numbers = ["a", "b", "c", "theta[1]", "x[0]", "x[2]", "0.5", "2", "1.25"]
        self.vectors = ["theta", "x"]
        self.matrices: list[str] = []
        self.count = 0

    def pick(self, choices):
        """The last few are likelier, so that results are used."""
        return self.random.choice(choices[-4:] if self.random.random() < 0.5 else choices)

    def name(self, kind):
        self.count += 1
        return f"{kind}{self.count}"

    def number(self, depth=2):
        """An expression for a number."""
        if depth == 0:
            return self.pick(self.numbers)
        u, v = self.number(depth - 1), self.number(self.random.randrange(depth))
        forms = [f"({u} + {v})", f"({u} - {v})", f"{u} * {v}", f"{u} / (2 + sin({v}))", f"max({u}, {v})", f"abs({u})"]
        forms += [
            f"({u} if {v} < 0.7 else {v})",
            f"blend({u}, {v})",
            f"blend({u}, {v}, weight=0.75)",
            f"({u}) ** 3 / 9",
        ]
        forms += [form.format(f"({u})") for form in FUNCTIONS] + [f"(1.5 + cos({u})) ** {v}" if depth == 1 else u]
        forms += [
            f"np.sum({self.vector(0)}) / 3",
            f"np.dot({self.vector(0)}, {self.vector(0)}) / 3",
            f"{self.vector(0)}[1]",
        ]
        return self.random.choice(forms)

    def vector(self, depth=1):
        """An expression for a vector of three."""
        if depth == 0:
            return self.pick(self.vectors)
        u, v, s = self.vector(depth - 1), self.vector(0), self.number(1)
        forms = [
            f"({u} + {v})",
            f"({u} - {v})",
            f"{u} * {v}",
            f"{u} / (1 + {v} ** 2)",
            f"({u} * ({s}))",
            f"({s}) - {u}",
        ]
        forms += [form.format(f"({u})") for form in ARRAY_FUNCTIONS]
        forms += [f"np.where(x > 1.0, {u}, {v})", f"np.maximum({u}, {v})", f"mix({u}, {s})", f"np.cumsum({u} * 0.3)"]
        forms += [f"({u})[::-1]", f"np.array([{s}, 0.5, {self.number(1)}])"]
        if self.matrices:
            forms += [f"{self.pick(self.matrices)} @ ({u}) * 0.1", f"({v}) @ {self.pick(self.matrices)} * 0.1"] * 2
        return self.random.choice(forms)

    def piece(self):
        """One piece: lines, without indentation."""
        kinds = [self.assign, self.assign, self.assign_vector, self.assign_vector, self.branch, self.loop, self.early]
        kinds += [self.count_up, self.local_array, self.in_place, self.swap, self.matrix, self.matrix, self.pair]
        return self.random.choice(kinds + [self.solve, self.factor, self.determinant] * bool(self.matrices))()

    def ending(self, term):
        return f"total += {self.random.choice(FUNCTIONS).format(f'({term})')}"

    def assign(self):
        s, value = self.name("s"), self.number()
        self.numbers.append(s)
        return [f"{s} = {value}", self.ending(s)]

    def assign_vector(self):
        v, value = self.name("v"), self.vector(2)
        self.vectors.append(v)
        return [f"{v} = np.tanh({value})", self.ending(f"np.sum({v} * {self.vector(0)})")]

    def branch(self):
        s, condition = self.name("s"), f"{self.number(1)} {self.random.choice('<>')} {self.number(1)}"
        first, second, third = self.number(), self.number(), self.number(1)
        self.numbers.append(s)
        lines = [f"if {condition} and {third} < 2:", f"    {s} = {first}", "else:", f"    {s} = {second}"]
        return [*lines, self.ending(s)]

    def early(self):
        return [f"if {self.number(1)} > 5:", f"    return total * ({self.number(1)})", self.ending(self.number(1))]

    def loop(self):
        s, value, start = self.name("s"), self.number(1), self.number(1)
        self.numbers.append(s)
        step = f"{s} = 0.5 * {s} + sin({value} * x[k] + k)"
        return [f"{s} = {start}", "for k in range(3):", f"    {step}", self.ending(s)]

    def count_up(self):
        s, value = self.name("s"), self.number(1)
        self.numbers.append(s)
        lines = [f"{s}, steps = {value}, 0", f"while {s} < 3 and steps < 5:", f"    {s} = {s} * 1.5 + 0.3 + a * a"]
        return [*lines, "    steps += 1", self.ending(f"{s} / (1 + steps)")]

    def local_array(self):
        v, value, other = self.name("v"), self.number(1), self.number(1)
        make = self.random.choice(["np.zeros(3)", "np.ones(3)", "np.full(3, 0.5)", "x.copy()", "np.zeros_like(theta)"])
        lines = [f"{v} = {make}", f"{v}[1] = {value}", f"{v}[2] += {other}", f"fill({v}, {self.number(1)})"]
        self.vectors.append(v)
        return [*lines[: self.random.choice((3, 4))], self.ending(f"np.sum({v})")]

    def in_place(self):
        v, value = self.name("v"), self.vector()
        lines = [f"{v} = ({value}) * 1.0", f"{v}[1:] {self.random.choice('+-*')}= {self.number(1)}"]
        lines.append(f"{v} {self.random.choice('+-')}= {self.vector(0)} * 0.5")
        self.vectors.append(v)
        return [*lines, self.ending(f"{v}[0] * {v}[2] - np.max({v})")]

    def swap(self):
        old, new = self.name("v"), self.name("v")
        lines = [f"{old}, {new} = np.zeros(3), np.zeros(3)", f"{old}[0] = {self.number(1)}", "for k in range(4):"]
        lines.append(f"    {new}[k % 3] = sin({old}[(k + 1) % 3] + {self.number(1)})")
        lines.append(f"    {old}, {new} = {new}, {old}")
        self.vectors += [old, new]
        return [*lines, self.ending(f"{old}[0] + {new}[1]")]

    def pair(self):
        s, t, first, second = self.name("s"), self.name("s"), self.number(), self.number(1)
        self.numbers += [s, t]
        return [f"{s}, ({t}, _) = ({first}, ({second}, 1.0))", self.ending(f"{s} - {t}")]

    def matrix(self):
        m, v = self.name("m"), self.vector()
        forms = [f"np.outer(np.tanh({v}), np.tanh({self.vector(0)}))", f"np.diag(np.tanh({v}))"]
        if self.matrices:
            n = self.pick(self.matrices)
            forms += [f"np.tanh({n} @ {self.pick(self.matrices)})", f"{n}.T * np.tanh({v})", f"np.tril({n}) * 0.5"]
        form = self.random.choice(forms)
        self.matrices.append(m)
        return [f"{m} = {form} + 0.1 * np.eye(3)", self.ending(f"np.trace({m}) + np.sum({m}, axis=0)[1]")]

    def definite(self):
        n = self.pick(self.matrices)
        return f"{n} @ {n}.T * 0.3 + np.eye(3)"

    def regular(self):
        return f"{self.pick(self.matrices)} * 0.2 + 2 * np.eye(3)[::{self.random.choice((1, -1))}]"

    def factor(self):
        m = self.name("m")
        lines = [f"{m} = np.linalg.cholesky({self.definite()})"]
        self.matrices.append(m)
        return [*lines, self.ending(f"np.sum(np.log(np.diag({m}))) + {m}[2, 0]")]

    def solve(self):
        v, made = self.name("v"), self.random.choice([self.definite, self.regular])()
        form = self.random.choice(
            [f"np.linalg.solve({made}, {self.vector()})", f"np.linalg.inv({made}) @ {self.vector(0)}"]
        )
        self.vectors.append(v)
        return [f"{v} = {form}", self.ending(f"np.sum({v} * x)")]

    def determinant(self):
        s = self.name("s")
        form = f"np.linalg.slogdet({self.definite()})[1]"
        lines = [f"{s} = {self.random.choice([form, f'np.linalg.det({self.regular()}) / 9'])}"]
        self.numbers.append(s)
        return [*lines, self.ending(s)]


def pieces(seed: int) -> list[list[str]]:
    """The pieces of program ``seed``."""
    writer = Writer(seed)
    return [writer.piece() for _ in range(writer.random.randint(3, 7))]


def source(parts: list[list[str]]) -> str:
    """The pieces as a module that defines ``program``."""
    return HEADER + "".join(f"    {line}\n" for lines in parts for line in lines) + "    return total\n"


def minimal(parts, fails):
    """Leave out pieces for as long as ``fails`` holds of what is left."""
    shrunk = True
    while shrunk:
        shrunk = False
        for k in reversed(range(len(parts))):
            fewer = parts[:k] + parts[k + 1 :]
            if fails(fewer):
                parts, shrunk = fewer, True
    return parts
