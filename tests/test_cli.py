"""The command line: models, assignments, output, exit status."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import numpy as np
import pytest

import fastfim
from fastfim.__main__ import as_json, find_model, main, split_assignments
from fastfim.catalogue import catalogue
from fastfim.errors import OptionError

MODEL = """
from math import lgamma, log
import numpy as np
from fastfim import Likelihood, positive
from beside import OFFSET

def sample(rng, theta, times, n=2):
    return rng.exponential(theta[0])

def logpdf(x, theta, times, n=2):
    return -log(theta[0]) - x / theta[0]

waiting = Likelihood(sample, logpdf, parameters=("mean",), domain=positive)
other = 3
"""


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "modules", {**sys.modules})
    (tmp_path / "beside.py").write_text("OFFSET = 1\n")
    path = tmp_path / "model.py"
    path.write_text(MODEL)
    return path


# The model


def test_a_name_is_looked_up_in_the_catalogue():
    assert find_model("gamma") is catalogue["gamma"]


def test_a_model_comes_from_a_file_by_its_name(model):
    assert find_model(f"{model}:waiting").parameters == ("mean",)


def test_the_only_model_of_a_file_needs_no_name(model):
    assert find_model(str(model)).parameters == ("mean",)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("{model}:nothing", "nothing is not there; the file defines waiting"),
        ("{model}:other", "other is no Likelihood; the file defines waiting"),
        ("{model}x:waiting", "no file"),
        ("gama", "'gamma'"),
    ],
)
def test_a_model_that_is_not_there_is_refused(model, name, complaint):
    with pytest.raises(OptionError, match=complaint):
        find_model(name.format(model=model))


@pytest.mark.parametrize(
    ("code", "complaint"),
    [("x = 1\ny = x / 0\n", ":2: ZeroDivisionError"), ("x = (\n", ":1: SyntaxError"), ("x = 1\n", "no Likelihood")],
)
def test_a_file_that_does_not_run_is_named_with_its_line(tmp_path, monkeypatch, code, complaint):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "modules", {**sys.modules})
    path = tmp_path / "broken.py"
    path.write_text(code)
    with pytest.raises(OptionError, match=complaint):
        find_model(str(path))


# Parameters and constants


def test_constants_go_by_the_name_of_the_argument():
    assert split_assignments(catalogue["binom"], ["p=0.3", "n=10"]) == ({"p": 0.3}, (10,))
    assert split_assignments(catalogue["nbinom"], ["n=3", "p=0.5"]) == ({"n": 3.0, "p": 0.5}, ())


def test_constants_with_defaults_may_be_left_out(model):
    likelihood = find_model(str(model))
    theta, args = split_assignments(likelihood, ["mean=2", "times=0,1,2.5"])
    assert theta == {"mean": 2.0}
    assert len(args) == 1
    np.testing.assert_array_equal(args[0], [0.0, 1.0, 2.5])
    assert split_assignments(likelihood, ["n=7", "times=4", "mean=2"])[1] == (4, 7)


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("a.csv", "1,2\n1,3\n", [[1, 2], [1, 3]]),
        ("a.csv", "one,temp\n1,2\n1,3\n", [[1, 2], [1, 3]]),
        ("a.csv", "\ufefftemp\n2\n3\n", [2, 3]),
        ("a.txt", "1 2\n1 3\n", [[1, 2], [1, 3]]),
    ],
)
def test_constants_come_from_text_files(tmp_path, file, content, expected):
    (tmp_path / file).write_text(content, encoding="utf-8")
    args = split_assignments(catalogue["logistic_regression"], [f"X={tmp_path / file}"])[1]
    np.testing.assert_array_equal(args[0], expected)


def test_constants_come_from_npy_files(tmp_path):
    X = np.arange(6.0).reshape(3, 2)
    np.save(tmp_path / "X.npy", X)
    args = split_assignments(catalogue["logistic_regression"], [f"X={tmp_path / 'X.npy'}"])[1]
    np.testing.assert_array_equal(args[0], X)


@pytest.mark.parametrize(
    ("name", "words", "complaint"),
    [
        ("binom", ["p=0.3"], "needs n=value"),
        ("binom", ["p=0.3", "n=ten"], "n must be a number"),
        ("norm", ["loc"], "write name=value"),
        ("norm", ["loc=", "scale=1"], "write name=value"),
        ("norm", ["loc=1", "loc=2"], "given twice"),
        ("norm", ["loc=1,2", "scale=1"], "loc must be a number"),
    ],
)
def test_bad_assignments_are_refused(name, words, complaint):
    with pytest.raises(OptionError, match=complaint):
        split_assignments(catalogue[name], words)


@pytest.mark.parametrize("content", ["1,2\n1\n", "a,b\nc,d\n"])
def test_a_file_without_numbers_is_refused(tmp_path, content):
    (tmp_path / "bad.csv").write_text(content)
    with pytest.raises(OptionError, match="does not hold an array"):
        split_assignments(catalogue["logistic_regression"], [f"X={tmp_path / 'bad.csv'}"])


# What is shown


def test_json_has_null_where_a_number_is_not_finite():
    check = SimpleNamespace(figure=np.inf, p_value=np.float64("nan"), verdict="skipped", message="")
    result = SimpleNamespace(fim=np.array([[1.0, np.nan]]), draws=np.int64(3), converged=np.True_, checks={"a": check})
    record = json.loads(as_json(result))
    assert record["fim"] == [[1.0, None]]
    assert record["draws"] == 3
    assert record["converged"] is True
    assert record["checks"]["a"] == {"figure": None, "p_value": None, "verdict": "skipped", "message": ""}


def test_list_shows_every_entry(capsys):
    assert main(["--list"]) == 0
    shown = capsys.readouterr().out
    assert all(catalogue.entry(name).signature in shown for name in catalogue)


def test_the_table_is_that_of_the_result(capsys):
    assert main(["norm", "loc=0", "scale=2", "--draws", "4096", "--rng", "1", "--rtol", "0.5"]) == 0
    shown = capsys.readouterr()
    assert "scale" in shown.out
    assert shown.err == ""


def test_options_may_stand_anywhere_and_reach_the_estimate(capsys):
    words = ["--rng", "5", "gamma", "--draws", "8e3", "a=2", "--rtol", "0.5", "scale=0.5", "--estimator", "score"]
    assert main([*words, "--streams", "16", "--sampling", "mc", "--confidence", "0.9", "--workers", "1", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    direct = fastfim.estimate(
        "gamma",
        {"a": 2.0, "scale": 0.5},
        draws=8000,
        rtol=0.5,
        rng=5,
        streams=16,
        estimator="score",
        sampling="mc",
        confidence=0.9,
    )
    assert record["fim"] == direct.fim.tolist()
    assert record["standard_error"] == direct.standard_error.tolist()
    assert record["seed"] == 5
    assert record["streams"] == 16
    assert record["parameters"] == ["a", "scale"]
    assert record["theta"] == [2.0, 0.5]
    assert record["converged"] is True


def test_stopped_before_the_tolerance_is_status_three(capsys):
    assert main(["norm", "loc=0", "scale=2", "--max-draws", "2048", "--rtol", "1e-6", "--rng", "1", "--json",
                 "--estimator", "score", "--sampling", "mc"]) == 3  # fmt: skip
    record = json.loads(capsys.readouterr().out)
    assert record["converged"] is False
    assert record["message"]


def test_a_model_is_examined(capsys):
    assert main(["check", "norm", "loc=0", "scale=1", "--draws", "4096", "--rng", "0"]) == 0
    assert capsys.readouterr().out.startswith("Is norm sound at loc=0, scale=1? sound as far as can be told")
    assert main(["check"]) == 2
    assert "check needs a model" in capsys.readouterr().err


def test_save_keeps_the_result(tmp_path, capsys):
    path = tmp_path / "kept.fim"
    assert main(["poisson", "mu=2", "--draws", "4096", "--rtol", "0.5", "--save", str(path), "--json"]) == 0
    kept = fastfim.load(path)
    assert json.loads(capsys.readouterr().out)["fim"] == kept.fim.tolist()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["gama", "a=1"], "gamma"),
        (["gamma", "a=1"], "missing"),
        (["gamma", "a=1", "scale=-2"], "scale"),
        (["gamma", "a=1", "scale=2", "rate=2"], "rate"),
        (["gamma", "a=1", "scale=2", "--rtol", "-1"], "rtol"),
        (["gamma", "a=1", "scale=2", "--estimator", "sore"], "score"),
        (["gamma", "a=1", "scale=2", "--plot", "/no/such/folder/file.png"], "no folder"),
        (["gamma", "a=1", "scale=2", "--plot", "file.txt"], "ends in one of"),
        (["gamma", "a=1", "scale=2", "--checkpoint", "/no/such/folder/file"], "no folder"),
        (["gamma", "a=1", "scale=2", "--save", "/no/such/folder/file"], "no folder"),
        (["logistic_regression", "b0=1", "X=/no/such/file.npy"], "No such file"),
    ],
)
def test_bad_input_is_status_two_with_a_sentence(words, complaint, capsys):
    assert main(words) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("fastfim: ")
    assert complaint in shown.err


@pytest.mark.parametrize("words", [[], ["gamma", "--rtol", "x"], ["gamma", "--draws", "1.5"], ["gamma", "--nonsense"]])
def test_a_wrong_command_line_is_status_two(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    assert "usage: fastfim" in capsys.readouterr().err


def test_an_interrupt_is_quiet(monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(fastfim, "estimate", interrupted)
    assert main(["norm", "loc=0", "scale=1"]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_warning_is_one_line(monkeypatch, capsys):
    import warnings

    def warns(*_, **__):
        warnings.warn("the second identity does not hold", fastfim.errors.RegularityWarning, stacklevel=2)
        warnings.warn("not yet", fastfim.errors.ConvergenceWarning, stacklevel=2)
        return SimpleNamespace(converged=False)

    monkeypatch.setattr(fastfim, "estimate", warns)
    assert main(["norm", "loc=0", "scale=1"]) == 3
    assert capsys.readouterr().err == "fastfim: warning: the second identity does not hold\n"


# As a program


def program(*words, **options):
    command = [sys.executable, "-m", "fastfim", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **options)


def test_the_program_estimates_a_users_model(tmp_path):
    source = """
        from math import lgamma, log
        import fastfim

        def sample(rng, theta):
            shape, rate = theta
            return rng.gamma(shape, 1 / rate)

        def logpdf(x, theta):
            shape, rate = theta
            return shape * log(rate) - lgamma(shape) + (shape - 1) * log(x) - rate * x

        waiting_time = fastfim.Likelihood(sample, logpdf, parameters=("shape", "rate"), domain=fastfim.positive)
        """
    (tmp_path / "model.py").write_text(textwrap.dedent(source))
    words = ["shape=2", "rate=3", "--rtol", "0.02", "--rng", "0", "--json"]
    done = program(f"{tmp_path}/model.py:waiting_time", *words)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    record = json.loads(done.stdout)
    exact = np.array([[np.pi**2 / 6 - 1, -1 / 3], [-1 / 3, 2 / 9]])
    error = np.array(record["standard_error"])
    # 6 standard errors: a false alarm in 1.2e-6 of entries, none with this seed
    assert np.all(np.abs(np.array(record["fim"]) - exact) <= 6 * error + 1e-9)


def test_the_program_refuses_without_a_traceback():
    done = program("gamma", "a=-1", "scale=1")
    assert done.returncode == 2
    assert done.stderr.startswith("fastfim: ")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_the_program_reports_an_early_stop():
    words = ["--rtol", "1e-7", "--max-draws", "4096", "--rng", "1", "--estimator", "score", "--sampling", "mc"]
    done = program("norm", "loc=0", "scale=1", *words)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr


def test_a_reader_that_leaves_is_no_error():
    command = [sys.executable, "-m", "fastfim", "--list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        running.stdout.close()
        assert running.stderr.read() == ""


def test_a_run_goes_on_and_is_drawn(tmp_path, capsys):
    words = [
        "poisson",
        "mu=2",
        "--estimator",
        "score",
        "--sampling",
        "mc",
        "--checkpoint",
        str(tmp_path / "run"),
        "--json",
    ]
    assert main([*words, "--rtol", "0.02"]) == 0
    coarse = json.loads(capsys.readouterr().out)
    assert main([*words, "--rtol", "0.01", "--plot", str(tmp_path / "matrix.png")]) == 0
    fine = json.loads(capsys.readouterr().out)
    assert fine["seed"] == coarse["seed"]
    assert fine["draws"] > coarse["draws"]
    assert (tmp_path / "matrix.png").read_bytes().startswith(b"\x89PNG")
