"""The files of the store: whole or none, private, bounded, and one process at a time."""

import os
import subprocess
import sys
import time

import pytest

from fastfim.store import files

KEY = "0123456789abcdef"


@pytest.fixture
def place(tmp_path, monkeypatch):
    folder = tmp_path / "store"
    monkeypatch.setenv("FASTFIM_CACHE_DIR", str(folder))
    assert files.usable()
    return folder


def test_what_was_written_is_read(place):
    assert files.read(KEY) is None
    files.write(KEY, b"content")
    assert files.read(KEY) == b"content"
    assert oct(place.stat().st_mode)[-3:] == "700"
    assert [oct(path.stat().st_mode)[-3:] for path in place.iterdir()] == ["600"]


@pytest.mark.parametrize("damage", [lambda d: d[:-1], lambda d: d[:20], lambda d: b"", lambda d: d[:-1] + b"X"])
def test_damaged_files_are_none(place, damage):
    files.write(KEY, b"content")
    (path,) = place.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert files.read(KEY) is None
    files.write(KEY, b"content")
    assert files.read(KEY) == b"content"


def test_those_not_used_for_longest_go(place, monkeypatch):
    monkeypatch.setattr(files, "LARGEST", 1000)
    for k in range(12):
        files.write(f"{k:02d}", bytes(60))
        path = place / f"{k:02d}.code"
        if path.exists():
            os.utime(path, (time.time() - 1e6 + k,) * 2)
        assert files.read("00") is not None  # used each time
    sizes = [path.stat().st_size for path in place.iterdir()]
    assert sum(sizes) <= 1000
    assert (place / "11.code").exists()
    assert not (place / "01.code").exists()


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_folder_that_others_may_write_to_is_not_used(place, mode):
    files.write(KEY, b"content")
    place.chmod(mode)
    assert not files.usable()
    assert files.read(KEY) is None


def test_a_folder_of_somebody_else_is_not_used(place, monkeypatch):
    files.write(KEY, b"content")
    monkeypatch.setattr(os, "getuid", lambda: place.stat().st_uid + 1)
    assert not files.usable()
    assert files.read(KEY) is None


def test_off_and_impossible_places(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    for value in ("", str(tmp_path / "file" / "below")):
        monkeypatch.setenv("FASTFIM_CACHE_DIR", value)
        assert not files.usable()
        assert files.read(KEY) is None
        files.write(KEY, b"content")
        with files.locked(KEY):
            pass


def test_a_full_disk_loses_nothing(place, monkeypatch):
    monkeypatch.setattr(files.Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    files.write(KEY, b"content")
    assert list(place.iterdir()) == []


HOLD = """
import sys, time
from fastfim.store import files
with files.locked("k"):
    print("held", flush=True)
    time.sleep(float(sys.argv[1]))
"""


def _holder(seconds):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(seconds)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_the_lock_waits_for_its_holder(place):
    with _holder(0.5) as process, files.locked("k"):
        assert process.wait(5) == 0


def test_the_lock_of_a_process_that_was_killed_is_free(place):
    with _holder(600) as process:
        process.kill()
        start = time.monotonic()
        with files.locked("k"):
            assert time.monotonic() - start < 60


def test_patience_ends(place, monkeypatch):
    monkeypatch.setattr(files, "PATIENCE", 0.1)
    with _holder(600) as process:
        with files.locked("k"):
            assert process.poll() is None
        process.kill()
