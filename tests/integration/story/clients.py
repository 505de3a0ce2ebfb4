"""Those who ask in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from opengradient_sdk import AsyncOpenGradient, Devnet
from opengradient_sdk.signers import Signer

from .scribe import Scribe, Wallet


@asynccontextmanager
async def scribe(net: Devnet, signer: Signer, **arguments: Any) -> AsyncIterator[Scribe]:
    """One who asks with a client of this process."""
    wallet = Wallet(signer)
    async with AsyncOpenGradient(signer=wallet, network=net.profile, **arguments) as client:
        yield Scribe(client, wallet)
