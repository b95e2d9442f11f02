"""What cannot be differentiated or compiled is refused in a sentence, on the user's own file and line."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
from numba import njit, objmode

from fastfim.autodiff import DifferentiationError, explain

from .differentiate import compiled, plain

DATA = np.zeros(3)
GLOBAL = np.zeros(3)


def helper(v):
    return math.floor(v)  # here: floor


def rounds_in_a_helper(x, theta):
    return theta[0] * helper(theta[1])


def takes_int(x, theta):
    k = int(theta[0])  # here
    return k * theta[1]


def rounds(x, theta):
    return round(theta[0], 2)  # here


def rounds_by_numpy(x, theta):
    return np.floor(theta[0]) * theta[1]  # here


def divides_whole(x, theta):
    return theta[0] // 2  # here


def takes_remainder(x, theta):
    y = theta[0]
    y %= 1.0  # here
    return y


def stores_in_data(x, theta):
    x[0] = theta[0]  # here
    return x[0]


def stores_in_integers(x, theta):
    counts = np.zeros(3, dtype=np.int64)
    counts[0] = theta[0]  # here
    return counts[0]


def indexes(x, theta):
    return x[theta[0]]  # here


def has_no_rule(x, theta):
    return math.frexp(theta[0])[0]  # here


def recursive(value, n):
    return value if n < 1 else value * recursive(value, n - 1)  # here


def recurses(x, theta):
    return recursive(theta[0], 3)


def names_nothing(x, theta):  # here
    return undefined_name(theta[0])  # noqa: F821


def changes_type(x, theta):
    a = theta[0]
    if a > 1:
        a = "text"
    return a  # here


def generates(x, theta):
    return sum(t * t for t in theta)  # here


def returns_nothing(x, theta):  # here
    if x[0] > 0:
        return None
    return theta[0]


def imports(x, theta):
    import scipy.stats  # here

    return scipy.stats.norm.logpdf(x[0], theta[0])


def unpacks_two(x, theta):
    a, b = theta  # here
    return a * b


def uses_a_fourth(x, theta):
    return theta[0] * theta[3]  # here


def changes_data(x, theta):
    x *= theta[0]  # here
    return x[0]


def takes_math_of_a_vector(x, theta):
    return math.exp(theta)  # here


def rounds_a_vector(x, theta):
    return np.sum(np.floor(theta * x))  # here


def views_as_numbers(x, theta):
    z = theta * x
    return z.view(np.float64)[0]  # here


def casts_an_array(x, theta):
    return np.sum((theta * x).astype(np.int64))  # here


def makes_an_integer_array(x, theta):
    return np.array([theta[0], theta[1]], dtype=np.int64)[0]  # here


def stores_in_single_precision(x, theta):
    z = np.zeros(3, dtype=np.float32)
    z[0] = theta[0]  # here
    return z[0]


def takes_single_precision(x, theta):
    return np.float32(theta[0]) * 2.0  # here


def stores_in_a_list(x, theta):
    values = [0.0, 1.0]
    values[0] = theta[0]  # here
    return values[0]


def stores_in_data_by_a_slice(x, theta):
    window = x[1:]
    window[0] = theta[0]  # here
    return x[1]


def fill_from(z, theta):
    z[0] = theta[0]  # here
    return z[0]


def stores_in_data_by_a_helper(x, theta):
    return fill_from(x, theta)


def takes_eigenvalues(x, theta):
    return np.linalg.eigvalsh(np.outer(theta, theta))[0]  # here


def sums_along_an_axis_of_three(x, theta):
    z = np.zeros((2, 2, 2))
    z[0, 0, 0] = theta[0]
    return np.sum(z, axis=0)[0, 0]  # here


def takes_an_index_by_int(x, theta):
    return x[int(theta[0] * 2)]  # here


def takes_a_slice(x, theta):
    return np.sum(x[: theta[0]])  # here


def stores_at_an_index(x, theta):
    z = np.zeros(3)
    z[theta[0]] = 1.0  # here
    return z[0] * theta[1]


def counts_in_a_loop(x, theta):
    total = 0.0
    for _ in range(theta[0]):  # here
        total += theta[1]
    return total


def makes_an_array_of_a_length(x, theta):
    return np.sum(np.zeros(theta[0])) + theta[1]  # here


def takes_an_array_of_a_dtype(x, theta):
    return np.asarray(theta, dtype=np.float32)[0]  # here


def casts_theta(x, theta):
    return np.sum(theta.astype(np.int64))  # here


def casts_a_copy_of_the_data(x, theta):
    z = x.astype(np.int64)
    z[0] = theta[0]  # here
    return z[0]


def fills_an_array_like_integers(x, theta):
    return np.full_like(np.arange(3), theta[0])[0] * theta[1]  # here


def fills_data(x, theta):
    x.fill(theta[0])  # here
    return x[0]


def writes_to_a_global_array(x, theta):
    GLOBAL[0] = theta[0]  # here
    return GLOBAL[0]


def writes_by_out(x, theta):
    np.exp(theta, x)  # here
    return x[0]


def leaves_the_compiler(x, theta):
    with objmode(value="float64"):  # here
        value = math.exp(theta[0])
    return value * theta[1]


@njit
def interpreted(v):
    with objmode(value="float64"):  # here
        value = math.exp(v)
    return 2.0 * value


def leaves_the_compiler_in_a_helper(x, theta):
    return interpreted(theta[0])


def formats(x, theta):
    return len(str(theta[0])) * theta[1]  # here


def prints(x, theta):
    print(theta[0])  # here
    return theta[1]


def makes_a_set(x, theta):
    return len({theta[0], theta[1]}) * theta[1]  # here


def takes_the_remainder_of_data(x, theta):
    return x[0] % theta[0]  # here


def divides_data_by_a_vector(x, theta):
    return np.sum(x // theta)  # here


def stores_complex(x, theta):
    z = np.zeros(2, dtype=np.complex128)
    z[0] = theta[0]  # here
    return z[0].real


def searches(x, theta):
    return np.searchsorted(x, theta[0]) * theta[1]  # here


def fills_with_an_integer(x, theta):
    z = np.full(2, 1)
    z[0] = theta[0]  # here
    return z[0] * theta[1]


def tries(x, theta):
    try:
        value = math.log(theta[0])  # here
    except ValueError:
        value = -math.inf
    return value


def calls_itself_inside(x, theta):  # here
    def power(n, v):
        return v if n == 0 else power(n - 1, v * theta[0])

    return power(3, theta[1])


def uses_what_is_not_compiled(x, theta):
    return np.heaviside(theta[0], 0.5) * theta[1]  # here


CASES = [
    (fills_with_an_integer, "stored in an array", "arrays of integers"),
    (tries, "'try' statement", "test by 'if'"),
    (calls_itself_inside, "nested function that calls itself", "as a loop"),
    (uses_what_is_not_compiled, "numpy.heaviside", "element by element"),
    (takes_an_index_by_int, "'int'", "Round a quantity"),
    (takes_a_slice, "count in 'slice'", "from the draw"),
    (stores_at_an_index, "index depends on theta", "from the draw"),
    (counts_in_a_loop, "count in 'range'", "from the draw"),
    (makes_an_array_of_a_length, "count in 'zeros'", "from the draw"),
    (takes_an_array_of_a_dtype, "numpy.asarray", "leave out dtype"),
    (casts_theta, "'astype'", "leave it as it is"),
    (casts_a_copy_of_the_data, "stored in an array", "no dtype"),
    (fills_an_array_like_integers, "stored in an array", "no dtype"),
    (fills_data, "stored in an array", "inside the function"),
    (writes_to_a_global_array, "read-only", "work on a copy"),
    (writes_by_out, "numpy.exp", "leave out dtype and out"),
    (leaves_the_compiler, "objmode", "pass it in args"),
    (leaves_the_compiler_in_a_helper, "objmode", "pass it in args"),
    (formats, "'str'", "the number itself"),
    (prints, "printed", "uncompiled"),
    (makes_a_set, "set", "Use an array"),
    (takes_the_remainder_of_data, "'%'", "Use / for division"),
    (divides_data_by_a_vector, "'//'", "Use / for division"),
    (stores_complex, "stored in an array", "no dtype"),
    (searches, "searchsorted", "functions of math"),
    (views_as_numbers, "ndarray.view", "cannot be differentiated"),
    (casts_an_array, "astype", "leave it as it is"),
    (makes_an_integer_array, "numpy.array", "cannot be differentiated"),
    (stores_in_single_precision, "stored in an array", "no dtype"),
    (takes_single_precision, "float32", "Round a quantity"),
    (stores_in_a_list, "stored in an array", "inside the function"),
    (stores_in_data_by_a_slice, "stored in an array", "inside the function"),
    (stores_in_data_by_a_helper, "stored in an array", "inside the function"),
    (takes_eigenvalues, "eigvalsh", "functions of math"),
    (sums_along_an_axis_of_three, "numpy.sum", "cannot be differentiated"),
    (unpacks_two, "2 names", "3 elements"),
    (uses_a_fourth, "Element 3", "3 elements"),
    (changes_data, "stored in an array", "inside the function"),
    (takes_math_of_a_vector, "'math.exp'", "loop over its elements"),
    (rounds_a_vector, "numpy.floor", "Round a quantity"),
    (rounds_in_a_helper, "math.floor", "Round a quantity"),
    (takes_int, "'int'", "Round a quantity"),
    (rounds, "'round'", "Round a quantity"),
    (rounds_by_numpy, "numpy.floor", "Round a quantity"),
    (divides_whole, "'//'", "Use / for division"),
    (takes_remainder, "'%'", "Use / for division"),
    (stores_in_data, "stored in an array", "inside the function"),
    (stores_in_integers, "stored in an array", "no dtype"),
    (indexes, "index depends on theta", "integer"),
    (has_no_rule, "frexp", "functions of math"),
    (recurses, "calls itself", "Write it as a loop"),
    (names_nothing, "undefined_name", "not defined"),
    (changes_type, "'a'", "the same everywhere"),
    (generates, "generator expression", "write a list"),
    (returns_nothing, "or None", "one number on every path"),
    (imports, "import inside a function", "top of the file"),
]


def expected_line(function):
    """The line marked ``# here`` in the function, or in the helper where it goes wrong."""
    faulty = {
        "rounds_in_a_helper": helper,
        "recurses": recursive,
        "leaves_the_compiler_in_a_helper": interpreted.py_func,
        "stores_in_data_by_a_helper": fill_from,
    }.get(function.__name__, function)
    first = faulty.__code__.co_firstlineno
    with open(__file__, encoding="utf-8") as source:
        lines = source.read().splitlines()
    return next(n for n, line in enumerate(lines[first - 1 :], first) if "# here" in line)


@functools.cache
def refusal(function, order=1):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever Numba raises
        compiled(function, 3, order)(DATA, np.ones(3), 0, np.empty(3), np.empty(6))
    return explain(caught.value, function)


@pytest.mark.parametrize(("function", "what", "instead"), CASES, ids=[case[0].__name__ for case in CASES])
def test_message(function, what, instead):
    error = refusal(function)
    assert isinstance(error, DifferentiationError)
    assert error.file == __file__
    assert error.line == expected_line(function)
    assert what in str(error)
    assert instead in str(error)


@pytest.mark.parametrize("function", [case[0] for case in CASES], ids=[case[0].__name__ for case in CASES])
def test_message_is_short_and_free_of_compiler_noise(function):
    message = str(refusal(function))
    assert len(message) < 400
    assert not any(noise in message for noise in ("\n", "Dual(", "Theta(", "nopython", "numba", "\x1b", "float64("))


def behind_a_branch(x, theta):
    if len(theta) == 2:
        a, b = theta
        return a * b
    return theta[2]


def test_length_may_be_asked_for():
    """A line that fits another length is no mistake where it does not run."""
    gradient = np.empty(3)
    assert compiled(behind_a_branch, 3, 1)(DATA, np.arange(3.0), 0, gradient, np.empty(6)) == 2.0
    assert compiled(behind_a_branch, 2, 1)(DATA, np.arange(1.0, 3.0), 0, gradient, np.empty(3)) == 2.0
    with pytest.raises(ValueError, match=r"test_errors.py, line \d+: Element 2 is taken from a shorter vector"):
        compiled(behind_a_branch, 1, 1)(DATA, np.ones(1), 0, gradient, np.empty(1))


def unpacks_slices(x, theta):
    head, tail = theta[:1], theta[1:]
    (a,) = head
    b, c = x[: len(tail)]
    return a * b * c


def test_unpacking_of_slices_and_arrays_is_checked_when_it_runs():
    gradient = np.empty(3)
    data = np.array([2.0, 5.0])
    assert compiled(unpacks_slices, 3, 1)(data, np.ones(3), 0, gradient, np.empty(6)) == 10.0
    with pytest.raises(ValueError, match=r"test_errors.py, line \d+: 2 names are unpacked from a vector of another"):
        compiled(unpacks_slices, 2, 1)(data, np.ones(2), 0, gradient, np.empty(3))
    sampler = plain(lambda x, theta: unpacks_slices(x, theta))
    with pytest.raises(ValueError, match="2 names are unpacked"):
        sampler(data, np.ones(2))


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match="could not be broadcast"):
        compiled(lambda x, theta: np.sum(theta * x), 2, 1)(DATA, np.ones(2), 0, np.empty(2), np.empty(3))


def test_explain_keeps_what_is_explained():
    error = DifferentiationError("done", "file.py", 3)
    assert explain(error, helper) is error


def test_rounding_of_data_is_allowed():
    def density(x, theta):
        k = int(x[0]) % 2 + math.floor(x[1]) // 1 + round(x[2]) + (x.view(np.int64)[0] - x.astype(np.int64)[0]) * 0
        return k * theta[0]

    gradient = np.empty(1)
    compiled(density, 1, 1)(np.array([3.7, 2.2, 1.6]), np.array([2.0]), 0, gradient, np.empty(1))
    assert gradient[0] == 1 + 2 + 2
