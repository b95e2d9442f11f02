"""Pictures: what is drawn is what the estimate says. Each has been looked at by eye."""

import subprocess
import sys

import numpy as np
import pytest

import fastfim
from fastfim import OptionError


@pytest.fixture(scope="module")
def result():
    return fastfim.estimate("t", (5.0, 0.0, 2.0), rtol=1e-2, rng=0)


def test_the_matrix(result, tmp_path):
    figure = result.plot()
    information, correlation = figure.axes[:2]
    shown = information.images[0].get_array()
    np.testing.assert_allclose(np.diag(shown), 1.0)
    np.testing.assert_allclose(shown * np.sqrt(np.outer(np.diag(result.fim), np.diag(result.fim))), result.fim)
    np.testing.assert_allclose(correlation.images[0].get_array(), result.correlation().value)
    assert [label.get_text() for label in information.get_yticklabels()] == ["df", "loc", "scale"]
    assert len(information.texts) == 9
    for ending in ("png", "pdf", "svg"):
        figure.savefig(tmp_path / f"matrix.{ending}")
        assert (tmp_path / f"matrix.{ending}").stat().st_size > 1000


def test_digits_that_a_cell_has_no_room_for_are_left_out():
    exact = fastfim.estimate("norm", (0.0, 2.0), rng=0)
    assert "0.25(" not in exact.plot().axes[0].texts[0].get_text()
    assert max(len(text.get_text()) for text in exact.plot().axes[0].texts) <= 14


def test_convergence(result):
    axes = result.plot_convergence().axes[0]
    draws, errors = axes.lines[0].get_data()
    assert draws.tolist() == [r.draws for r in result.history]
    assert errors.tolist() == [r.relative_error for r in result.history]
    assert axes.get_xscale() == axes.get_yscale() == "log"
    with pytest.raises(OptionError, match="history"):
        (result + result).plot_convergence()


def test_spectrum(result):
    upper, lower = result.plot_spectrum().axes[:2]
    np.testing.assert_allclose(upper.lines[0].get_ydata(), result.eigenvalues().value)
    np.testing.assert_allclose(lower.images[0].get_array(), result.eigenvectors().value)


def test_singular_matrices_and_single_parameters_have_pictures():
    singular = fastfim.from_scores(np.random.default_rng(0).normal(size=(3200, 2)) * [1.0, 0.0])
    one = fastfim.estimate("poisson", (2.0,), rng=0)
    for estimate in (singular, one):
        for picture in (estimate.plot, estimate.plot_spectrum):
            picture().draw_without_rendering()


def test_several_points_have_one_picture_each():
    points = fastfim.estimate("norm", [(0.0, 1.0), (0.0, 2.0)], rtol=1e-2, rng=0)
    for what in ("plot", "plot_convergence", "plot_spectrum"):
        with pytest.raises(OptionError, match="one point"):
            getattr(points, what)()
    points[1].plot().draw_without_rendering()


def test_matplotlib_is_imported_by_pictures_alone():
    code = "import sys, fastfim, fastfim.__main__; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_matplotlib_there_is_advice(result, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(OptionError, match=r"pip install 'fastfim\[plot\]'"):
        result.plot()
