"""Random expressions of numbers and vectors of three; values are moderate enough for any to go into any other."""

from __future__ import annotations

import random

#: Functions of a number that is any, and what keeps others within their domains.
FUNCTIONS = ("sin({})", "cos({})", "tanh({})", "atan({})", "exp(-{} ** 2)", "log1p({} ** 2)", "sqrt(1 + {} ** 2)")
MORE_FUNCTIONS = ("erf({})", "expm1(-{} ** 2)", "log(1.5 + sin({}))", "cosh(sin({}))", "hypot(1.0, {})")
MORE_FUNCTIONS += ("lgamma(1.7 + cos({}))", "asinh({})", "atan2({}, 2.0)", "np.logaddexp({}, 0.3)", "fabs({})")
MORE_FUNCTIONS += ("np.clip({} * 1.0, -0.9, 1.1)", "np.square(sin({}))", "np.where({} > 0.4, b, 1.5)")
MORE_FUNCTIONS += ("cbrt(2 + sin({}))",)
SPECIAL = ("gammaln(1.7 + cos({}))", "digamma(2.1 + cos({}))", "ndtr({})", "log_ndtr({})", "erfc({})", "expit({})")
SPECIAL += ("log_expit({})", "logit(0.5 + 0.4 * sin({}))", "ndtri(0.5 + 0.4 * sin({}))", "i0e({})", "i1(sin({}))")
SPECIAL += ("k0(1.5 + cos({}))", "k1e(1.5 + cos({}))", "logsumexp(np.array([{}, 0.4, a]))", "zeta(3 + sin({}), 1.3)")
#: Functions of two numbers.
SPECIAL_OF_TWO = ("xlogy({}, 1.5 + sin({}))", "xlog1py({}, 1.5 + sin({}))", "betaln(1.5 + sin({}), 1.5 + cos({}))")
SPECIAL_OF_TWO += ("ive(1.5 + sin({}), 1.5 + cos({}))", "kv(1.5 + sin({}), 1.5 + cos({}))")
SPECIAL_OF_TWO += ("gammainc(1.5 + sin({}), 1.5 + cos({}))", "gammaincc(1.5 + sin({}), 1.5 + cos({}))")
SPECIAL_OF_TWO += ("betainc(1.5 + sin({}), 2.0, 0.5 + 0.3 * cos({}))",)
ARRAY_FUNCTIONS = ("np.sin({})", "np.tanh({})", "np.exp(-{} ** 2)", "np.sqrt(1 + {} ** 2)", "-{}", "np.cos({} * 0.5)")
ARRAY_FUNCTIONS += ("np.abs({})", "np.log1p(np.square({}))", "np.clip({}, -0.8, 0.9)", "{}.copy()")
ARRAY_FUNCTIONS += ("expit({})", "ndtr({})")
#: Numbers made of one vector, and of two.
REDUCTIONS = ("np.sum({}) / 3", "np.mean({})", "np.max({})", "np.min({})", "{}.sum() * 0.3", "np.prod(np.tanh({}))")
REDUCTIONS += ("{}[1]", "{}[-1]", "np.var({})", "np.sum(np.diff({}) ** 2)", "np.sum({}[1:]) * 0.5", "np.max({}[:2])")
REDUCTIONS += ("logsumexp({})", "total_of({})", "{}.mean()", "last({})", "{}[::-1][0]")
OF_TWO_VECTORS = ("np.dot({}, {}) / 3", "({} @ {}) / 3", "np.sum({} * {}) / 3", "np.dot({}[1:], {}[:2])")
#: Vectors made of two.
ELEMENTWISE = ("({} + {})", "({} - {})", "{} * {}", "np.where(x > 1.0, {}, {})", "np.maximum({}, {})")
ELEMENTWISE += ("np.minimum({}, {})", "np.where({} > 0.2, {}, 0.1)", "{} / (1 + {} ** 2)")


class Expressions:
    """Writes expressions that use what is defined; everything follows from the seed.

    ``numbers``, ``vectors`` and ``matrices`` are the names and literals to choose from.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.numbers = ["a", "b", "c", "theta[1]", "0.5", "2", "1.25"]
        self.vectors = ["theta"]
        self.matrices: list[str] = []
        self.data = False  # whether x may be used

    def pick(self, choices):
        """The last few are likelier, so that results are used."""
        return self.random.choice(choices[-4:] if self.random.random() < 0.5 else choices)

    def with_data(self, forms):
        """Those of some forms that may be used."""
        return [form for form in forms if self.data or "x >" not in form]

    def filled(self, form, value):
        """A form with a value for each gap."""
        return form.format(*(value() for _ in range(form.count("{}"))))

    def number(self, depth=2):
        """An expression for a number."""
        if depth == 0:
            return self.pick(self.numbers)
        u, v = self.number(depth - 1), self.number(self.random.randrange(depth))
        forms = [f"({u} + {v})", f"({u} - {v})", f"{u} * {v}", f"{u} / (2 + sin({v}))", f"max({u}, {v})"]
        forms += [f"min({u}, {v})", f"abs({u})", f"({u} if {v} < 0.7 else {v})", f"({u}) ** 3 / 9"]
        forms += [f"blend({u}, {v})", f"blend({u}, {v}, weight=0.75)", f"blend(v={u}, u={v})", f"stepped({u}, {v})"]
        forms += [form.format(f"({u})") for form in (*FUNCTIONS, self.random.choice(MORE_FUNCTIONS))]
        forms += [self.random.choice(SPECIAL).format(f"({u})"), self.random.choice(SPECIAL_OF_TWO).format(u, v)]
        forms += [f"(1.5 + cos({u})) ** {v}" if depth == 1 else u]
        forms += [self.filled(self.random.choice(REDUCTIONS), self.operand) for _ in range(3)]
        forms += [self.filled(self.random.choice(OF_TWO_VECTORS), self.operand)]
        return self.random.choice(forms)

    def operand(self):
        """The name of a vector."""
        return self.vector(0)

    def vector(self, depth=1):
        """An expression for a vector of three."""
        if depth == 0:
            return self.pick(self.vectors)
        u, v, s = self.vector(depth - 1), self.vector(0), self.number(1)
        forms = [form.format(u, v) for form in self.with_data(ELEMENTWISE)]
        forms += [form.format(f"({u})") for form in ARRAY_FUNCTIONS]
        forms += [f"({u} * ({s}))", f"({s}) - {u}", f"mix({u}, {s})", f"np.cumsum({u} * 0.3)", f"(DESIGN @ ({u}))"]
        forms += [f"({u})[::-1]", f"np.array([{s}, 0.5, {self.number(1)}])", f"scaled({v}, {s})"]
        forms += [f"np.array([{u}[k] * k for k in range(3)])", f"({u})[np.array([2, 0, 1])]"]
        if self.matrices:
            m = self.pick(self.matrices)
            forms += [f"{m} @ ({u}) * 0.1", f"({v}) @ {m} * 0.1"] * 2
            forms += [f"np.sum({m}, axis={self.random.choice((0, 1))})", f"np.diag({m})", f"{m}[1]", f"{m}[:, 2]"]
        return self.random.choice(forms)
