"""Brackets against `decimal`, and tables by eye made permanent."""

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastfim.result.notation import brackets, html_table, text_table

EXAMPLES = [
    (1.23456, 0.0067, "1.2346(67)"),
    (-1.23456, 0.0067, "-1.2346(67)"),
    (0.0, 0.0012, "0.0000(12)"),
    (-123.456, 5.6, "-123.5(5.6)"),
    (12345, 78, "12345(78)"),
    (12345, 678, "1.234(68)e4"),
    (2e-9, 3e-11, "2.000(30)e-9"),
    (1e-9, 3e-8, "0.1(3.0)e-8"),
    (-0.001, 1.2, "0.0(1.2)"),
    (1, 9.96, "1(10)"),
    (1, 0.0996, "1.00(10)"),
    (0.99999999e-4, 1e-9, "1.000000(10)e-4"),
    (1e300, 1e290, "1.00000000000(10)e300"),
    (1.7e308, 1e308, "1.7(1.0)e308"),
    (5e-324, 1e-300, "0.0(1.0)e-300"),
    (1e-310, 1e-312, "1.000(10)e-310"),
    (0.0, 1e-30, "0.0(1.0)e-30"),
    (3.0, 0.0, "3"),
    (0.0, 0.0, "0"),
    (math.nan, 1.0, "nan"),
    (-math.inf, 1.0, "-inf"),
    (1.5, math.nan, "1.5(nan)"),
    (1.5, math.inf, "1.5(inf)"),
]


@pytest.mark.parametrize(("value", "error", "shown"), EXAMPLES)
def test_examples(value, error, shown):
    assert brackets(value, error) == shown


def read_brackets(text):
    """Value and error that a text in brackets stands for."""
    head, _, exponent = text.partition("e")
    value, _, bracket = head.rstrip(")").partition("(")
    decimals = len(value.partition(".")[2])
    error = Decimal(bracket) if "." in bracket else Decimal(bracket).scaleb(-decimals)
    return (Decimal(value).scaleb(int(exponent or 0)), error.scaleb(int(exponent or 0)))


@given(
    st.floats(-1, 1).map(lambda mantissa: mantissa * 10),
    st.integers(-290, 290),
    st.floats(1, 9.99),
    st.integers(-13, 3),
)
def test_brackets_can_be_read_back(mantissa, exponent, error_mantissa, relative_exponent):
    value = float(f"{mantissa!r}") * 10.0**exponent
    error = error_mantissa * 10.0 ** (exponent + relative_exponent)
    shown_value, shown_error = read_brackets(brackets(value, error))
    # two digits of the error, and the value to the same place
    assert abs(shown_error - Decimal(error)) <= Decimal(error) * Decimal("0.0501")
    assert abs(shown_value - Decimal(value)) <= Decimal(error) * Decimal("0.0501")


def test_decimal_points_stand_below_one_another():
    table = text_table([["1.23(45)", "1"], ["-10.5(6)", "22.5(1)"]], (("a", "long"), ("a", "long")))
    assert table.splitlines() == [
        "          a         long",
        "a       1.23(45)   1",
        "long  -10.5(6)    22.5(1)",
    ]


@pytest.mark.parametrize("width", [30, 40, 60, 80, 200])
@pytest.mark.parametrize("p", [1, 2, 8, 9, 30])
def test_tables_keep_to_the_width(p, width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    names = tuple(f"name{i}" for i in range(p))
    table = text_table(np.full((p, p), "-1.2(3)"), (names, names))
    assert max(map(len, table.splitlines())) <= width
    assert names[0] in table
    assert names[-1] in table
    assert len(table.splitlines()) <= 9
    assert ("…" in table) == (p > 8 or width < 8 + 9 * p)


def test_html_is_escaped():
    html = html_table([["1(1)"]], (("<b>",), ("a&b",)), ["x < y"])
    assert "<b>" not in html
    assert "&lt;b&gt;" in html
    assert "a&amp;b" in html
    assert "x &lt; y" in html
