"""Names of parametrized tests."""

import re


def shown(value):
    """A value without addresses, so that every process calls a test the same."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value) if isinstance(value, (str, type)) else repr(value))
