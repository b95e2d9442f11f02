"""Estimates in files: a NumPy .npz archive that anything can open, without pickles.

Arrays are kept as they are; everything else is one string of JSON, ``record``. Floats in JSON come back bit for bit,
and a seed of any size is kept in hexadecimal. A file appears whole or not at all.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     write(Path(folder) / "kept", {"values": np.arange(3.0)}, {"seed": hex(7)})
...     arrays, record = read(Path(folder) / "kept")
>>> arrays["values"], record
(array([0., 1., 2.]), {'seed': '0x7'})
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CheckpointError

#: What a file says it is, and the version of its layout.
FORMAT, VERSION = "fastfim", 1

PathLike = str | os.PathLike[str]


def write(path: PathLike, arrays: Mapping[str, NDArray[Any]], record: Mapping[str, Any]) -> None:
    """Write arrays and a JSON record to exactly ``path``, in one step."""
    target = Path(os.path.realpath(path))
    header = json.dumps({"format": FORMAT, "version": VERSION, **record})
    # a file of another name in the same folder, so that the last step is a renaming
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as file:
            np.savez(file, allow_pickle=False, record=np.array(header), **arrays)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def read(path: PathLike) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read what `write` wrote.

    Raises
    ------
    CheckpointError
        The file is damaged, or not one of fastfim's.
    OSError
        There is no such file, or it cannot be read.
    """
    content = Path(path).read_bytes()
    try:
        with np.load(BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        record = json.loads(str(arrays.pop("record")))
        found, version = record.pop("format"), record.pop("version")
    except Exception as error:  # of a damaged archive zipfile raises NotImplementedError, struct.error and many more
        raise CheckpointError(f"{os.fspath(path)} is damaged, or was not written by fastfim ({error})") from error
    if found != FORMAT or version != VERSION:
        raise CheckpointError(
            f"{os.fspath(path)} holds {found} version {version}; this release reads {FORMAT} version {VERSION}"
        )
    return arrays, record
