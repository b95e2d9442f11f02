"""The README's Python runs as it stands, top to bottom, and prints what the README shows.

``python tests/test_readme.py`` writes the outputs anew.
"""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
#: A block of Python or of commands, and the output below it.
SHOWN = re.compile(r"```(python|console)\n(.*?)```\n(?:\n```text\n(.*?)```\n)?", re.DOTALL)


def run_python(source, namespace):
    """What a block prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(source, str(README), "exec"), namespace)
    return printed.getvalue()


def run_console(commands):
    """What ``fastfim`` commands print."""
    outputs = []
    for line in commands.splitlines():
        words = line.removeprefix("$ ").split()
        assert words[0] == "fastfim"
        command = [sys.executable, "-m", *words]
        outputs.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return "".join(outputs)


def blocks(text):
    """(match, output as it is now) of each block; Python blocks share one namespace."""
    namespace = {"__name__": "readme"}
    for match in SHOWN.finditer(text):
        kind, source, _ = match.groups()
        yield match, run_python(source, namespace) if kind == "python" else run_console(source)


def comparable(output):
    """Words, with times left out, and numbers: to six digits, as other processors may round the last ones otherwise."""
    words = re.sub(r"\d+(\.\d+)? m?s\b", "some time", output).split()
    numbers = [re.fullmatch(r"(-?[\d.]+(?:e[+-]?\d+)?)\(\d+\)", word) for word in words]
    return [float(f"{float(n[1]):.6g}") if n else word for word, n in zip(words, numbers, strict=True)]


def test_the_readme_shows_what_its_code_prints():
    shown = [(match[3], output) for match, output in blocks(README.read_text()) if match[3] is not None]
    assert len(shown) >= 5
    for expected, output in shown:
        assert comparable(expected) == comparable(output)


def write_anew():
    text = README.read_text()
    parts, end = [], 0
    for match, output in blocks(text):
        if match[3] is not None:
            parts += [text[end : match.start(3)], output.rstrip("\n") + "\n"]
            end = match.end(3)
    README.write_text("".join([*parts, text[end:]]))


if __name__ == "__main__":
    write_anew()
