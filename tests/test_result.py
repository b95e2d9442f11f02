"""The record of an estimate: its arrays, stacks, sums, files and looks."""

import copy
import os
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path

import numpy as np
import pytest

from fastfim.errors import CheckpointError, OptionError
from fastfim.result.checks import Check
from fastfim.result.fisher_estimate import FisherEstimate, Round, load


def estimate(number=0, p=2, streams=8, **changes):
    """An estimate with made-up figures, another one for each number."""
    rng = np.random.default_rng(number)
    roots = rng.normal(size=(streams, 50, p))
    replicates = np.einsum("kni,knj->kij", roots, roots) / 50
    given = {
        "fim": replicates.mean(axis=0),
        "standard_error": replicates.std(axis=0, ddof=1) / np.sqrt(streams),
        "replicates": replicates,
        "parameters": tuple(f"b{i}" for i in range(p)),
        "theta": np.arange(p) + 0.1,
        "draws": 4000,
        "streams": streams,
        "seed": 2**200 + 12345,
        "estimator": "score",
        "sampling": "mc",
        "converged": True,
        "message": "converged",
        "elapsed": 0.1 + 0.2,
        "relative_error": 1e-3 / 3,
        "history": (Round(1000, 0.1, 0.01), Round(4000, 0.3, 1e-3 / 3)),
        "variance_reduction": float("nan"),
        "checks": {"mean score": Check(1.5, 0.2, "pass", "fine"), "tails": Check(np.inf, np.nan, "skipped", "é")},
        "confidence": 0.9,
        "rtol": 1e-3,
        "atol": 1e-9,
        "likelihood": "gamma",
    }
    return FisherEstimate(**(given | changes))


def assert_same(a, b):
    """Every field, bit for bit."""
    for field in fields(FisherEstimate):
        ours, theirs = getattr(a, field.name), getattr(b, field.name)
        if field.name == "points":
            assert len(ours) == len(theirs)
            for one, other in zip(ours, theirs, strict=True):
                assert_same(one, other)
        elif isinstance(ours, np.ndarray):
            np.testing.assert_array_equal(ours, theirs, strict=True)
        else:
            assert repr(ours) == repr(theirs), field.name
            assert type(ours) is type(theirs), field.name


def stack():
    return FisherEstimate.stack([estimate(1), estimate(2, converged=False, message="ran out", draws=500)])


# The record


def test_it_is_the_matrix_to_numpy():
    result = estimate()
    np.testing.assert_array_equal(np.asarray(result), result.fim)
    np.testing.assert_allclose(np.linalg.inv(result) @ result.fim, np.eye(2), atol=1e-12)
    assert np.asarray(result, dtype=np.float32).dtype == np.float32
    assert np.asarray(result, copy=False) is result.fim or np.shares_memory(np.asarray(result, copy=False), result.fim)
    assert not np.shares_memory(np.array(result), result.fim)
    with pytest.raises(ValueError, match="copy"):
        np.asarray(result, dtype=np.float32, copy=False)


def test_nothing_can_be_changed():
    given = np.eye(2)
    result = estimate(fim=given)
    given[0, 0] = 7.0
    assert result.fim[0, 0] == 1.0
    for name in ("fim", "standard_error", "replicates", "theta"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(result, name)[...] = 0.0
    with pytest.raises(FrozenInstanceError):
        result.draws = 3


@pytest.mark.parametrize("result", [estimate(), stack()])
def test_copies_and_pickles(result):
    assert_same(pickle.loads(pickle.dumps(result)), result)
    assert_same(copy.deepcopy(result), result)
    quantity = pickle.loads(pickle.dumps(result.crlb(10)))
    np.testing.assert_array_equal(quantity.interval(0.9), result.crlb(10).interval(0.9))


# Stacks


def test_a_stack_has_a_leading_axis():
    result = stack()
    assert result.fim.shape == (2, 2, 2)
    assert result.replicates.shape == (2, 8, 2, 2)
    assert result.theta.shape == (2, 2)
    np.testing.assert_array_equal(result.converged, [True, False])
    assert result.relative_error.shape == (2,)
    assert result.draws == 4500
    assert result.elapsed == pytest.approx(0.6)
    assert "point 1: ran out" in result.message
    assert [r.draws for r in result.history] == [1000, 4000, 5000, 8000]


def test_a_stack_gives_back_what_was_put_in():
    result = stack()
    assert len(result) == 2
    assert_same(result[0], estimate(1))
    assert_same(result[-1], estimate(2, converged=False, message="ran out", draws=500))
    assert [part.draws for part in result] == [4000, 500]
    assert np.shares_memory(result[1].replicates, result.replicates)


def test_a_single_estimate_is_no_sequence():
    for use in (len, iter, lambda result: result[0]):
        with pytest.raises(TypeError, match="single point"):
            use(estimate())
    assert estimate()


def test_a_stack_tells_of_the_worst_check():
    bad = estimate(checks={"mean score": Check(9.0, 1e-9, "fail", "off"), "rank": Check(0.0, 1.0, "warn", "thin")})
    checks = FisherEstimate.stack([estimate(), bad, estimate()]).checks
    assert checks["mean score"] == Check(9.0, 1e-9, "fail", "point 1: off")
    assert checks["rank"].message == "point 1: thin"
    assert checks["tails"].verdict == "skipped"


@pytest.mark.parametrize(
    "name",
    ["inverse", "crlb", "standard_errors", "correlation", "eigenvalues", "logdet", "condition_number", "jeffreys"],
)
def test_quantities_of_a_stack_are_those_of_its_points(name):
    quantity = getattr(stack(), name)()
    low, high = quantity.interval(0.8)
    for i, part in enumerate(stack()):
        one = getattr(part, name)()
        np.testing.assert_array_equal(quantity.value[i], one.value)
        np.testing.assert_array_equal(quantity.standard_error[i], one.standard_error)
        np.testing.assert_array_equal((low[i], high[i]), one.interval(0.8))
    assert "b0" in str(stack().crlb())


# Quantities and arithmetic


def test_n_observations():
    result = estimate()
    np.testing.assert_allclose(result.crlb(100).value, result.crlb().value / 100)
    np.testing.assert_allclose(result.standard_errors(100).value, result.standard_errors().value / 10)
    many = result * 100
    np.testing.assert_allclose(many.crlb().value, result.crlb(100).value)
    np.testing.assert_allclose(many.crlb().standard_error, result.crlb(100).standard_error)
    assert_same(np.float64(100) * result, many)
    assert many.relative_error == result.relative_error


@pytest.mark.parametrize("n", [0, -1, np.nan, np.inf, "3", None, True, [1, 2]])
def test_n_must_be_positive(n):
    for use in (estimate().crlb, estimate().standard_errors, lambda n: estimate() * n):
        with pytest.raises(OptionError, match="n, the number of observations, must be a positive number"):
            use(n)


def test_independent_experiments_add_up():
    a, b = estimate(1), estimate(2, likelihood="weibull")
    total = a + b
    np.testing.assert_allclose(total.fim, a.fim + b.fim)
    np.testing.assert_allclose(total.replicates.mean(axis=0), total.fim)
    spread = total.replicates.std(axis=0, ddof=1) / np.sqrt(8)
    np.testing.assert_allclose(total.standard_error, spread, rtol=1e-9)
    assert total.draws == 8000
    assert total.likelihood == "gamma + weibull"
    np.testing.assert_allclose((stack() + stack()).fim, 2 * stack().fim)
    # the same random numbers twice: errors add up, they do not average out
    np.testing.assert_allclose((a + a).standard_error, (2 * a).standard_error, rtol=1e-9)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"parameters": ("b1", "b0")}, "parameters"),
        ({"streams": 4}, "streams"),
        ({"theta": np.array([0.1, 1.2])}, "theta"),
        ({"confidence": 0.99}, "confidence"),
    ],
)
def test_what_does_not_belong_together_is_not_added(changes, named):
    with pytest.raises(OptionError, match=f"same {named}"):
        estimate() + estimate(**changes)
    with pytest.raises(TypeError):
        estimate() + 1


# Other parameters


def gaussian(p=3):
    """Replicates that are all the exact matrix: what is derived from them has to be exact."""
    rng = np.random.default_rng(p)
    root = rng.normal(size=(p + 2, p))
    return estimate(p=p, fim=root.T @ root, replicates=np.repeat((root.T @ root)[None], 8, axis=0))


def test_known_parameters_leave():
    whole = estimate(3, p=3, fixed={"df": 4.0})
    part = whole.fix(["b1"])
    np.testing.assert_array_equal(part.replicates, whole.replicates[:, [0, 2]][:, :, [0, 2]])
    np.testing.assert_allclose(part.fim, whole.fim[np.ix_([0, 2], [0, 2])])
    np.testing.assert_allclose(part.standard_error, whole.standard_error[np.ix_([0, 2], [0, 2])])
    assert part.parameters == ("b0", "b2")
    assert part.theta.tolist() == [0.1, 2.1]
    assert part.fixed == {"df": 4.0, "b1": 1.1}
    assert "b1=1.1" in str(part)
    assert_same(whole.fix("b1"), part)


def test_unknown_parameters_take_their_share():
    whole = gaussian()
    part = whole.marginalize("b1")
    inverse = np.linalg.inv(whole.fim)[np.ix_([0, 2], [0, 2])]
    np.testing.assert_allclose(part.fim, np.linalg.inv(inverse), rtol=1e-12)
    np.testing.assert_allclose(part.inverse().value, inverse, rtol=1e-10)
    assert part.parameters == ("b0", "b2")
    assert part.fixed == {}
    both = whole.marginalize(["b0"]).marginalize(["b1"])
    np.testing.assert_allclose(both.fim, whole.marginalize(["b0", "b1"]).fim, rtol=1e-12)


def test_unknown_parameters_that_the_data_do_not_identify_are_refused():
    weak = estimate(
        replicates=np.random.default_rng(0).normal(0.0, 3.0, (8, 1, 1)) * [[1.0, 0.0], [0.0, 0.0]] + np.eye(2)
    )
    with pytest.raises(OptionError, match="standard errors from singular"):
        weak.marginalize("b0")
    assert weak.marginalize("b1").fim.shape == (1, 1)


@pytest.mark.parametrize("names", ["b9", ["b0", "nope"], [], ["b0", "b1"]])
@pytest.mark.parametrize("way", ["fix", "marginalize"])
def test_names_must_be_some_of_the_parameters(way, names):
    with pytest.raises(OptionError, match="names must be some of the parameters"):
        getattr(estimate(), way)(names)


@pytest.mark.parametrize("prior", [np.diag([2.0, 0.0]), [2.0, 0.0], {"b0": 2.0}])
def test_a_prior_adds_its_precision(prior):
    data = estimate(5)
    both = data.with_prior(prior)
    np.testing.assert_allclose(both.fim, data.fim + np.diag([2.0, 0.0]))
    np.testing.assert_allclose(both.standard_error, data.standard_error)
    assert both.relative_error < data.relative_error or data.relative_error < 1e-3
    singular = estimate(fim=np.diag([1.0, 0.0]), replicates=np.repeat(np.diag([1.0, 0.0])[None], 8, axis=0))
    np.testing.assert_allclose(singular.with_prior({"b1": 4.0}).crlb().value, [1.0, 0.25])


@pytest.mark.parametrize(
    "prior", [np.eye(3), [[1.0, 2.0], [0.0, 1.0]], [-1.0, 1.0], [np.nan, 1.0], {"c": 1.0}, "no", None]
)
def test_a_prior_that_is_none(prior):
    with pytest.raises(OptionError, match="precision"):
        estimate().with_prior(prior)


def test_new_parameters():
    """log b0 and b1 / b0 at (0.1, 1.1), by hand."""
    old = estimate(6)
    jacobian = np.array([[10.0, 0.0], [-110.0, 10.0]])
    new = old.reparametrize(lambda theta: (np.log(theta[0]), theta[1] / theta[0]), ("log_b0", "ratio"))
    back = np.linalg.inv(jacobian)
    np.testing.assert_allclose(new.fim, back.T @ old.fim @ back, rtol=1e-9)
    np.testing.assert_allclose(new.theta, [np.log(0.1), 11.0])
    assert new.parameters == ("log_b0", "ratio")
    given = old.reparametrize(jacobian, ["log_b0", "ratio"])
    np.testing.assert_allclose(given.fim, new.fim, rtol=1e-9)
    assert np.isnan(given.theta).all()
    # variances follow by the delta method
    variance = jacobian @ old.inverse().value @ jacobian.T
    np.testing.assert_allclose(new.inverse().value, variance, rtol=0.05)
    assert "ratio" in str(given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (np.ones((2, 2)), "singular"),
        (np.eye(3), "shape"),
        (np.diag([1.0, np.inf]), "finite"),
        ("no", "Jacobian"),
        (lambda theta: theta[0], "as many numbers"),
        (lambda theta: (theta[0], theta[0] + 1.0), "singular"),
        (lambda theta: (np.sign(theta[0] - 0.1), theta[1]), "smoothly"),
        (lambda theta: theta["b0"], "failed"),
    ],
)
def test_new_parameters_that_are_none(change, message):
    with pytest.raises(OptionError, match=message):
        estimate().reparametrize(change, ("a", "b"))


@pytest.mark.parametrize("names", ["ab", ("a",), ("a", "a")])
def test_new_parameters_need_names(names):
    with pytest.raises(OptionError, match="different names"):
        estimate().reparametrize(np.eye(2), names)


def test_a_stack_changes_point_by_point():
    points, names = stack(), ("a", "b")
    assert_same(points.fix("b0")[1], points[1].fix("b0"))
    assert_same(points.marginalize("b0")[1], points[1].marginalize("b0"))
    assert_same(points.with_prior([1.0, 2.0])[1], points[1].with_prior([1.0, 2.0]))
    assert_same(points.reparametrize(2.0 * np.eye(2), names)[1], points[1].reparametrize(2.0 * np.eye(2), names))


def test_the_rank_is_judged_anew():
    flat = np.repeat(np.array([[1.0, 1.0], [1.0, 1.0]])[None], 8, axis=0)
    whole = estimate(fim=flat[0], replicates=flat)
    assert (whole + whole).checks["rank"].verdict == "warn"
    assert whole.fix("b0").checks["rank"].verdict == "pass"
    assert whole.with_prior([1.0, 1.0]).checks["rank"].verdict == "pass"


# Criteria of optimal design


def test_criteria():
    result = gaussian()
    inverse, c = np.linalg.inv(result.fim), np.array([1.0, 0.0, -2.0])
    expected = {
        "D": np.linalg.slogdet(result.fim)[1],
        "A": np.trace(inverse),
        "E": np.linalg.eigvalsh(result.fim)[0],
        "T": np.trace(result.fim),
    }
    for kind, value in expected.items():
        assert float(result.criterion(kind)) == pytest.approx(value, rel=1e-10), kind
    assert float(result.criterion("c", c)) == pytest.approx(c @ inverse @ c, rel=1e-10)
    assert float(result.criterion("c", {"b0": 1.0, "b2": -2.0})) == pytest.approx(c @ inverse @ c, rel=1e-10)
    part = np.linalg.inv(inverse[np.ix_([0, 2], [0, 2])])
    assert float(result.criterion("Ds", ["b0", "b2"])) == pytest.approx(np.linalg.slogdet(part)[1], rel=1e-10)
    np.testing.assert_allclose(result.natural_gradient(c).value, inverse @ c, rtol=1e-10)


@pytest.mark.parametrize(
    "call", [("X",), ("D", [1.0]), ("c",), ("c", [1.0]), ("c", {"z": 1.0}), ("Ds",), ("Ds", ["z"])]
)
def test_criteria_that_are_none(call):
    with pytest.raises(OptionError):
        estimate().criterion(*call)


# Looks


def test_print_says_what_and_how_far_to_trust_it(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    lines = str(estimate(3, seed=77, checks={"tails": Check(0.7, np.nan, "warn", "heavy")})).splitlines()
    assert lines[0] == "Fisher information of gamma at b0=0.1, b1=1.1"
    assert lines[1] == "score estimator, mc sampling: 4,000 draws in 8 streams, 0.3 s, seed 77"
    assert "converged: relative error 0.00033 at 90 % confidence, rtol 0.001, atol 1e-09" in lines
    assert "tails: warn: heavy" in lines
    assert lines[-2].startswith("b0  ")
    assert lines[-1].count("(") == 2


def test_print_says_why_a_run_stopped():
    shown = str(estimate(converged=False, message="max_draws reached"))
    assert "not converged" in shown
    assert "max_draws reached" in shown
    assert "converged at 1 of 2 points" in str(stack())
    assert "point 1: ran out" in str(stack())


@pytest.mark.parametrize("width", [40, 80])
def test_print_keeps_to_the_terminal(width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    for result in (estimate(5, p=12), estimate(converged=False, message="word " * 50)):
        assert all(len(line) <= width or " " not in line.strip() for line in str(result).splitlines())


def test_notebooks_get_a_table():
    result = estimate(parameters=("<a>", "b"))
    for html in (result._repr_html_(), result.crlb()._repr_html_(), stack()._repr_html_()):
        assert html.count("<table>") == html.count("</table>") == 1
    assert "<a>" not in result._repr_html_()


# Files


@pytest.mark.parametrize("result", [estimate(), stack(), estimate(seed=None, p=1), FisherEstimate.stack([estimate()])])
@pytest.mark.parametrize("name", ["kept", "kept.npz", "kept.fim"])
def test_files_give_back_every_bit(result, name, tmp_path):
    path = tmp_path / name
    result.save(path)
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert_same(load(path), result)
    assert_same(load(str(path)), result)


def test_numpy_scalars_can_be_kept(tmp_path):
    result = estimate(converged=np.True_, draws=np.int64(4000), relative_error=np.float64(0.25))
    result.save(tmp_path / "kept")
    assert load(tmp_path / "kept").converged is True


def test_a_seed_too_long_for_decimal_digits_can_be_kept(tmp_path):
    result = estimate(seed=2**40_000 + 1)
    result.save(tmp_path / "kept")
    assert load(tmp_path / "kept").seed == result.seed
    assert "seed" in str(result)


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "kept"
    estimate(1).save(path)
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        estimate(2).save(path)
    assert_same(load(path), estimate(1))
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    estimate().save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert_same(load(tmp_path / "target"), estimate())


def test_files_need_no_pickle(tmp_path):
    estimate().save(tmp_path / "kept")
    with np.load(tmp_path / "kept", allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["fim"], estimate().fim)


@pytest.mark.parametrize("cut", [0, 1, 100, -1, -30])
def test_a_truncated_file_is_refused(cut, tmp_path):
    path = tmp_path / "kept"
    estimate().save(path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(CheckpointError, match=str(path)):
        load(path)


def test_any_flipped_byte_is_refused_or_harmless(tmp_path):
    path = tmp_path / "kept"
    estimate().save(path)
    sound = path.read_bytes()
    refused = 0
    for place in range(0, len(sound), 37):
        damaged = bytearray(sound)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        try:
            found = load(path)
        except CheckpointError:
            refused += 1
        else:
            assert_same(found, estimate())
    assert refused > 0.8 * len(range(0, len(sound), 37))


def foreign(path, kind):
    with Path(path).open("wb") as file:
        if kind == "text":
            file.write(b"hello")
        elif kind == "npy":
            np.save(file, np.arange(3))
        elif kind == "pickle":
            np.savez(file, record=np.array([{}], dtype=object))
        elif kind == "other archive":
            np.savez(file, values=np.arange(3))
        elif kind == "other record":
            np.savez(file, record=np.array("[1, 2]"))
        else:
            np.savez(file, record=np.array('{"format": "fastfim", "version": 99}'))


@pytest.mark.parametrize("kind", ["text", "npy", "pickle", "other archive", "other record", "later version"])
def test_a_foreign_file_is_refused(kind, tmp_path):
    foreign(tmp_path / "file", kind)
    with pytest.raises(CheckpointError, match=str(tmp_path / "file")):
        load(tmp_path / "file")


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing")


def test_an_edited_record_is_refused(tmp_path):
    from fastfim.result import files

    files.write(tmp_path / "file", {"fim": np.eye(2)}, {"content": "estimate", "stacked": False, "points": [{}]})
    with pytest.raises(CheckpointError, match="does not hold an estimate"):
        load(tmp_path / "file")


def test_scipy_special_is_not_imported_with_the_record():
    code = (
        "import sys, fastfim.result.fisher_estimate; "
        "sys.exit(any(m in sys.modules for m in ('scipy.special', 'scipy.stats')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_replace_keeps_the_arrays_unshared_and_frozen():
    changed = replace(estimate(), fim=np.ones((2, 2)))
    assert not changed.fim.flags.writeable
