"""A fake program with keys, and the signer that asks it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from opengradient_sdk.signers import RemoteSigner

from .fake_signer import FakeSigner, serving
from .test_local import ADDRESS


@pytest.fixture
async def fake() -> AsyncIterator[FakeSigner]:
    async with serving(FakeSigner()) as program:
        yield program


@pytest.fixture
async def signer(fake: FakeSigner) -> AsyncIterator[RemoteSigner]:
    async with RemoteSigner(fake.url, ADDRESS) as remote:
        yield remote
