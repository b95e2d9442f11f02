"""The compiled block of a likelihood: its passes put together behind one native signature (see `calls`).

Compiling takes a tenth of a second to a few seconds. Only this module and what it imports need Numba.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .. import _abi, _jit, autodiff, streams
from .._arrays import carray
from ..errors import LikelihoodError
from ..store import Compiled
from .block import TILE, Layout, Recipe
from .calls import BEGIN, GIVEN, HEADER
from .passes import derivative_pass, draw_pass, prepared
from .placing import clear, fill_up
from .summing import sum_pass


def native(build: Callable[[], Any], logpdf: Any, of: str = "theta", others: Iterable[Any] = ()) -> Compiled:
    """Compile the block that ``build`` makes around ``logpdf`` (and others), differentiated with respect to ``of``.

    Raises
    ------
    LikelihoodError
        On the user's own file and line.
    """
    try:
        return _jit.native(_abi.SIGNATURE, build())
    except Exception as error:
        reason = autodiff.explain(error, logpdf, of, others)
        place = f"{reason.file}:{reason.line}: " if reason.file else ""
        # the compiler's own account runs to hundreds of lines, and says no more
        raise LikelihoodError(f"{place}{reason}", reason.file, reason.line) from None


def blocks(recipe: Recipe) -> Callable[..., int]:
    """The same block at every point for every seed."""
    block, begin, offset = _block(recipe), streams.beginner(recipe.sampling), _abi.offset
    parameters, seed_words = recipe.parameters, streams.SEED_WORDS

    def blocks(state, seeds, points, table, work, sums):  # type: ignore[no-untyped-def]
        points_given, seeds_given, step, source, length = table[3], table[4], table[5], table[6], table[7]
        done = 0
        for i in range(points_given):
            for k in range(seeds_given):
                if source == BEGIN:
                    begin(state, offset(seeds, k * seed_words))
                theta, here = offset(points, i * parameters), offset(work, done * step)
                block(state, theta, table, here, offset(sums, done * length))
                done += 1
        return 0

    return blocks


def _block(recipe: Recipe) -> Any:
    """The three passes over chunks, around one likelihood."""
    open_stream, close_stream = streams.opener(recipe.sampling), streams.close_stream
    private, unpack, offset = _abi.private_copy(recipe.parameters), _abi.unpacker(recipe.kinds, HEADER), _abi.offset
    with_prepared = prepared(recipe, autodiff.plain)  # first, so that the passes find it compiled
    draw_chunk, (begin, differentiate_chunk) = draw_pass(recipe), derivative_pass(recipe)
    sum_chunk, order, length = sum_pass(recipe.p, recipe.weighted), recipe.order, recipe.length
    rows, vectors = Layout(recipe.p, 1, order).rows, not recipe.scalar

    def block(state, theta, table, work, sums):  # type: ignore[no-untyped-def]
        size = table[0] if length is None else length
        chunk, n, drawn = table[1], table[2], table[6] != GIVEN
        constants = unpack(table)
        point = private(theta)
        args = with_prepared(point, constants)
        rng = open_stream(state)
        draws = carray(work, (chunk // TILE, size, TILE))
        results = offset(work, chunk * size)
        weights = carray(offset(results, chunk * (1 + rows)), (chunk,))
        done, kept = 0, begin(theta, constants)
        while done < n:
            m = chunk if chunk < n - done else n - done
            if drawn:
                if vectors and done == 0:  # in later chunks the sampler leaves out the same
                    clear(work, size, m)
                draw_chunk(rng, point, args, draws, weights, m)
            fill_up(work, size, m)
            densities = differentiate_chunk(theta, constants, kept, draws, results, chunk, m, done == 0)
            sum_chunk(work, size, order, chunk, m, densities, sums)
            done += m
        close_stream(rng)

    return _jit.apart(block)
