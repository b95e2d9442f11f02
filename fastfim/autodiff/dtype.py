# mypy: disable-error-code="untyped-decorator"
"""The ``dtype=`` argument of arrays of active numbers."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core.datamodel import models
from numba.core.imputils import lower_constant
from numba.extending import register_model, typeof_impl

from fastfim.autodiff.number import Active


class DualDType:
    """What stands for a active type in a ``dtype=`` argument."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind.stored if isinstance(kind, Active) else kind


class DualDTypeType(types.DType):  # type: ignore[misc]
    """Numba type of a `DualDType`."""


register_model(DualDTypeType)(models.OpaqueModel)


@typeof_impl.register(DualDType)
def type_of_dtype(value: DualDType, context: Any) -> DualDTypeType:
    """Numba type of a global that holds a `DualDType`."""
    return DualDTypeType(value.kind)


@lower_constant(DualDTypeType)
def lower_dtype(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """A dtype has no content at run time."""
    return context.get_dummy_value()
