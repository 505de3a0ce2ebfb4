"""Where a registry's history begins, found in the state of old blocks."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from ..._core.tasks import together
from ...errors import ChainError, WrongChainError
from .reading import RegistryReader

_log: Final = logging.getLogger("opengradient_sdk.ledger.timeline")


async def first_block(readers: Sequence[RegistryReader], final: int) -> int:
    """Return a block before which the registry did not exist, at most the finalized ``final``.

    Every endpoint is asked in which block there was code first, in as many questions as ``final``
    has binary digits. The earliest that one of them says counts. An endpoint that cannot tell,
    because it has no old state, makes it block 0, which is always right and takes longest to read.

    **Trust**: to hide what happened first, all endpoints would have to lie.

    Raises:
        WrongChainError: An endpoint serves another chain.
    """
    found: list[int] = await together(*(_deployed(reader, final) for reader in readers))
    return min(found)


async def _deployed(reader: RegistryReader, final: int) -> int:
    try:
        return await _search(reader, final)
    except WrongChainError:
        raise
    except ChainError as error:
        _log.info(
            "%s does not say since when the registry is there (%s): read from block 0",
            reader.name,
            error.short_message,
        )
        return 0


async def _search(reader: RegistryReader, final: int) -> int:
    if await reader.is_deployed(0):
        return 0
    without, with_code = 0, final  # also right where the registry is younger than ``final``
    while with_code - without > 1:
        middle = (without + with_code) // 2
        if await reader.is_deployed(middle):
            with_code = middle
        else:
            without = middle
    return with_code
