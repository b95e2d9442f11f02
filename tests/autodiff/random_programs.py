"""Random programs of the kind that users write, and how a failing one is cut down to what makes it fail.

A program is a list of pieces of source.  Each defines variables (``s3`` a number, ``v3`` a vector of three, ``m3`` a
matrix), uses those defined before, and ends by adding to ``total``, so that any piece can be left out that no later
one needs.  The first few may be of theta alone.  Values stay moderate, since results pass through bounded functions,
and matrices well conditioned.
"""

from __future__ import annotations

from .random_expressions import FUNCTIONS, Expressions

HEADER = """\
import math
from math import asinh, atan, atan2, cbrt, cos, cosh, erf, exp, expm1, fabs, hypot, lgamma, log, log1p, sin, sqrt, tanh
import numpy as np
from scipy.special import betainc, betaln, digamma, erfc, expit, gammainc, gammaincc, gammaln, i0e, i1, ive, k0, k1e
from scipy.special import kv, log_expit, log_ndtr, logit, logsumexp, ndtr, ndtri, xlog1py, xlogy, zeta

DESIGN = np.array([[0.5, -0.25, 0.1], [0.0, 0.75, -0.5], [0.3, 0.2, -0.6]])


def blend(u, v, weight=0.25):
    if u > v:
        return weight * u + (1 - weight) * v
    return u - weight * sin(v)


def stepped(u, v):
    for k in range(4):
        if u > 0.9:
            continue
        u = u + 0.2 * cos(v) ** 2
        if k * u > 1.7:
            break
    return u


def fill(z, u):
    for i in range(len(z)):
        z[i] = z[i] * 0.5 + u / (i + 1)


def change(z, u):
    z[0] += u
    return z


def mix(v, u):
    z = np.empty(len(v))
    for i in range(len(v)):
        z[i] = cos(v[i]) * u
    return z


def scaled(v, u):
    if u > 0.3:
        return v * u
    return v - u


def total_of(v):
    found = 0
    for u in v:
        found += u
    return found * 0.3


def last(v):
    k = len(v) - 1
    while k > 0 and v[k] > 0.8:
        k -= 1
    return v[k]


def both(u, v):
    return u * v, (u - v, 2.0)


def program(x, theta):
    a, b, c = theta
    total = a * 0.0
"""


class Writer(Expressions):
    """Writes the pieces of one program."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.count = 0
        self.local: list[str] = []  # vectors that may be changed

    def read_data(self):
        """From here on x is used, too."""
        self.data = True
        self.numbers += ["x[0]", "x[2]", "x[1]"]
        self.vectors.append("x")

    def name(self, kind):
        self.count += 1
        return f"{kind}{self.count}"

    def piece(self):
        """One piece: lines, without indentation."""
        kinds = [self.assign, self.assign, self.assign_vector, self.assign_vector, self.branch, self.loop, self.early]
        kinds += [self.count_up, self.local_array, self.in_place, self.swap, self.matrix, self.matrix, self.pair]
        kinds += [self.new_in_loop, self.walk, self.carried, self.chain]
        kinds += [self.solve, self.factor, self.determinant, self.rows] * (2 * bool(self.matrices))
        kinds += [self.alias, self.view, self.either, self.handed, self.sometimes] * bool(self.local)
        kinds += [self.index, self.trips] * self.data
        return self.random.choice(kinds)()

    def ending(self, term):
        return f"total += {self.random.choice(FUNCTIONS).format(f'({term})')}"

    def new_vector(self):
        v = self.name("v")
        self.vectors.append(v)
        self.local.append(v)
        return v

    def assign(self):
        s, value = self.name("s"), self.number()
        self.numbers.append(s)
        return [f"{s} = {value}", self.ending(s)]

    def assign_vector(self):
        value = self.vector(2)
        v = self.new_vector()
        return [f"{v} = np.tanh({value})", self.ending(f"np.sum({v} * {self.vector(0)})")]

    def branch(self):
        s, condition = self.name("s"), f"{self.number(1)} {self.random.choice('<>')} {self.number(1)}"
        first, second, third = self.number(), self.number(), self.number(1)
        self.numbers.append(s)
        joint = self.random.choice([f"and {third} < 2", f"or not {third} < 0.4", ""])
        lines = [f"if {condition} {joint}:", f"    {s} = {first}", "else:", f"    {s} = {second}"]
        return [*lines, self.ending(s)]

    def chain(self):
        s, t, first, second = self.name("s"), self.number(1), self.number(), self.number()
        self.numbers.append(s)
        lines = [f"{s} = 0", f"if {t} > 1.2:", f"    {s} = {first}", f"elif 0.1 < {t} < 0.8:", f"    {s} += {second}"]
        return [*lines, self.ending(s)]

    def early(self):
        return [f"if {self.number(1)} > 5:", f"    return total * ({self.number(1)})", self.ending(self.number(1))]

    def loop(self):
        s, value, start = self.name("s"), self.number(1), self.number(1)
        self.numbers.append(s)
        step = f"{s} = 0.5 * {s} + sin({value} * {self.vector(0)}[k] + k)"
        return [f"{s} = {start}", "for k in range(3):", f"    {step}", self.ending(s)]

    def trips(self):
        """As many steps as the data say."""
        s, start, value = self.name("s"), self.number(1), self.number(1)
        lines = [f"{s} = {start}", f"for k in range(int(x[{self.random.randrange(3)}]) + 1):"]
        self.numbers.append(s)
        return [*lines, f"    {s} = sin({s} + k * {value})", self.ending(s)]

    def index(self):
        """An element that the data say."""
        s, v, factor = self.name("s"), self.vector(0), self.number(1)
        k = self.random.choice(["int(x[1])", "np.argmax(x)", "int(x[0] > 1.0)"])
        self.numbers.append(s)
        return [f"{s} = {v}[{k}] * {factor}", self.ending(s)]

    def walk(self):
        """A loop over elements, over two vectors, or with a count."""
        s, u, v = self.name("s"), self.vector(0), self.vector(0)
        lines = [(f"for u in {u}:", "u * u"), (f"for k, u in enumerate({u}):", "k * u")]
        lines += [(f"for u, w in zip({u}, {v}):", "u * w"), (f"for k in range(len({u}) - 1, -1, -1):", f"{u}[k] + k")]
        head, term = self.random.choice(lines)
        self.numbers.append(s)
        return [f"{s} = 0.0", head, f"    {s} += {term}", self.ending(s)]

    def carried(self):
        """A vector that becomes another one at every step."""
        start, value = self.vector(0), self.number(1)
        v = self.new_vector()
        step = self.random.choice([f"np.tanh({v} + {value} * k)", f"({v} * 0.5)[::-1]", f"{v} * 0.3 + {start}"])
        return [f"{v} = {start} * 1.0", "for k in range(2):", f"    {v} = {step}", self.ending(f"{v}[0] - {v}[2]")]

    def new_in_loop(self):
        """An array that is made anew at every step."""
        s, start, value = self.name("s"), self.number(1), self.number(1)
        self.numbers.append(s)
        make = self.random.choice(["np.zeros(2)", "np.ones(2)", "np.array([0.5, 0.25])", "theta[:2].copy()"])
        lines = [f"{s} = {start}", "for k in range(3):", f"    z = {make}", f"    z[1] = {value} * k + {s}"]
        return [*lines, f"    {s} = sin(z[1]) + z[0]", self.ending(s)]

    def count_up(self):
        s, value = self.name("s"), self.number(1)
        self.numbers.append(s)
        lines = [f"{s}, steps = {value}, 0", f"while {s} < 3 and steps < 5:", f"    {s} = {s} * 1.5 + 0.3 + a * a"]
        return [*lines, "    steps += 1", self.ending(f"{s} / (1 + steps)")]

    def local_array(self):
        value, other, third = self.number(1), self.number(1), self.number(1)
        makes = ["np.zeros(3)", "np.ones(3)", "np.full(3, 0.5)", "np.zeros_like(theta)", "np.arange(3.0) * 0.5"]
        makes += ["np.array([0.1, 0.2, 0.3])", "np.ones_like(theta)", f"np.full(3, {value})", "theta.copy()"]
        make = self.random.choice(makes + ["x.copy()"] * self.data)
        v = self.new_vector()
        lines = [f"{v} = {make}", f"{v}[1] = {value}", f"{v}[2] += {other}", f"fill({v}, {third})"]
        return [*lines[: self.random.choice((1, 3, 4))], self.ending(f"np.sum({v})")]

    def in_place(self):
        value, part, whole = self.vector(), self.vector(0), self.vector(0)
        v = self.new_vector()
        slices = [f"{v}[1:] {self.random.choice('+-*')}= {self.number(1)}", f"{v}[:2] += {part}[1:]"]
        slices += [f"{v}[:] = {part}", f"{v}[::2] *= {self.number(1)}", f"{v}[1:] = {self.number(1)}"]
        slices += [f"{v}[-1] -= {self.number(1)}", f"{v}[::-1] += {part}"]
        lines = [f"{v} = ({value}) * 1.0", self.random.choice(slices)]
        lines.append(f"{v} {self.random.choice('+-')}= {whole} * 0.5")
        return [*lines, self.ending(f"{v}[0] * {v}[2] - np.max({v})")]

    def alias(self):
        """A second name of a vector, by which it is changed, or which is changed by the first."""
        old, value = self.pick(self.local), self.number(1)
        new = self.new_vector()
        names = self.random.choice([(old, new), (new, old)])
        return [f"{new} = {old}", f"{names[0]}[1] = {value}", self.ending(f"{names[1]}[1] * {old}[0]")]

    def view(self):
        """A part of a vector, by which it is changed."""
        old, value, part = self.pick(self.local), self.number(1), self.random.choice(["[1:]", "[::-1]", "[:2]"])
        change = self.random.choice(["[0] += {}", "[1] = {}", " *= {}", "[:] = {}"]).format(value)
        return [f"part = {old}{part}", f"part{change}", self.ending(f"np.sum({old}) * part[0]")]

    def either(self):
        """One of two vectors, changed."""
        first, second, value = self.pick(self.local), self.pick(self.local), self.number(1)
        lines = [f"if {self.number(1)} > 0.5:", f"    one = {first}", "else:", f"    one = {second}"]
        return [*lines, f"one[2] = {value}", self.ending(f"{first}[2] + 2 * {second}[2]")]

    def handed(self):
        """A helper that changes its argument and returns it."""
        old, value = self.pick(self.local), self.number(1)
        v = self.new_vector()
        return [f"{v} = change({old}, {value})", f"{v}[1] *= 0.5", self.ending(f"np.sum({old}) - {v}[0]")]

    def sometimes(self):
        """A change under a condition."""
        old, value = self.pick(self.local), self.number(1)
        return [f"if {self.number(1)} > 0.5:", f"    {old}[0] = {value}", self.ending(f"np.sum({old})")]

    def swap(self):
        old, new = self.name("v"), self.name("v")
        lines = [f"{old}, {new} = np.zeros(3), np.zeros(3)", f"{old}[0] = {self.number(1)}", "for k in range(4):"]
        lines.append(f"    {new}[k % 3] = sin({old}[(k + 1) % 3] + {self.number(1)})")
        lines.append(f"    {old}, {new} = {new}, {old}")
        self.vectors += [old, new]
        self.local += [old, new]
        return [*lines, self.ending(f"{old}[0] + {new}[1]")]

    def pair(self):
        s, t, first, second = self.name("s"), self.name("s"), self.number(), self.number(1)
        self.numbers += [s, t]
        right = self.random.choice([f"({first}, ({second}, 1.0))", f"both({first}, {second})"])
        return [f"{s}, ({t}, _) = {right}", self.ending(f"{s} - {t}")]

    def matrix(self):
        m, v = self.name("m"), self.vector()
        forms = [f"np.outer(np.tanh({v}), np.tanh({self.vector(0)}))", f"np.diag(np.tanh({v}))"]
        if self.matrices:
            n = self.pick(self.matrices)
            forms += [f"np.tanh({n} @ {self.pick(self.matrices)})", f"{n}.T * np.tanh({v})", f"np.tril({n}) * 0.5"]
        form = self.random.choice(forms)
        self.matrices.append(m)
        return [f"{m} = {form} + 0.1 * np.eye(3)", self.ending(f"np.trace({m}) + np.sum({m}, axis=0)[1]")]

    def rows(self):
        """A new matrix, changed element by element, by rows or by columns."""
        old, value, v = self.pick(self.matrices), self.number(1), self.vector(0)
        m = self.name("m")
        changes = [f"{m}[0] = np.tanh({v})", f"{m}[:, 1] += np.tanh({v})", f"{m}[1, 2] = sin({value})"]
        changes += [f"{m}[1:, 1:] *= cos({value})", f"turned = {m}.T\nturned[0, 2] = sin({value})", f"{m}[2, :] -= 0.1"]
        make = self.random.choice([f"{old}.copy()", f"{old} * 0.5", "np.zeros((3, 3))", "np.eye(3)"])
        self.matrices.append(m)
        return [f"{m} = {make}", *self.random.choice(changes).split("\n"), self.ending(f"np.sum({m}) + {m}[0, 2]")]

    def definite(self):
        n = self.pick(self.matrices)
        return f"{n} @ {n}.T * 0.3 + np.eye(3)"

    def regular(self):
        return f"np.tanh({self.pick(self.matrices)}) * 0.2 + 2 * np.eye(3)[::{self.random.choice((1, -1))}]"

    def factor(self):
        m = self.name("m")
        lines = [f"{m} = np.linalg.cholesky({self.definite()})"]
        self.matrices.append(m)
        return [*lines, self.ending(f"np.sum(np.log(np.diag({m}))) + {m}[2, 0]")]

    def solve(self):
        made, right = self.random.choice([self.definite, self.regular])(), self.vector()
        form = self.random.choice([f"np.linalg.solve({made}, {right})", f"np.linalg.inv({made}) @ {self.vector(0)}"])
        v = self.new_vector()
        return [f"{v} = {form}", self.ending(f"np.sum({v} * {self.vector(0)})")]

    def determinant(self):
        s = self.name("s")
        form = f"np.linalg.slogdet({self.definite()})[1]"
        lines = [f"{s} = {self.random.choice([form, f'np.linalg.det({self.regular()}) / 9'])}"]
        self.numbers.append(s)
        return [*lines, self.ending(s)]


def pieces(seed: int) -> list[list[str]]:
    """The pieces of program ``seed``."""
    writer = Writer(seed)
    of_theta = [writer.matrix()] if writer.random.random() < 0.3 else []  # few others can be without one
    of_theta += [writer.piece() for _ in range(writer.random.choice((0, 0, 1, 2)))]
    writer.read_data()
    return of_theta + [writer.piece() for _ in range(writer.random.randint(2, 4))]


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
