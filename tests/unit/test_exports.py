"""What importing costs, and that every public name is there."""

from __future__ import annotations

import asyncio
import os
import sys
from importlib import import_module

import pytest

import opengradient_sdk
from opengradient_sdk import Devnet

HEAVY = (
    "web3",
    "eth_abi",
    "eth_account",
    "aiohttp",
    "pydantic",
    "tenacity",
    "cryptography",
    "sqlite3",
    "coincurve",
    "yarl",
)
NEVER_ON_THE_PAID_PATH = ("web3", "eth_abi", "eth_account", "pydantic", "tenacity", "eth", "typer")
PACKAGES = (
    "opengradient_sdk",
    "opengradient_sdk.client",
    "opengradient_sdk.devnet",
    "opengradient_sdk.ledger",
    "opengradient_sdk.network",
    "opengradient_sdk.payments",
    "opengradient_sdk.payments.schemes",
    "opengradient_sdk.profiles",
    "opengradient_sdk.signers",
    "opengradient_sdk.types",
    "opengradient_sdk.verification",
    "opengradient_sdk.chain",
    "opengradient_sdk.chain.contracts",
)

LOADED = """
import sys
{work}
print(*sorted(name for name in {names!r} if name in sys.modules))
"""
CONSTRUCT = """
import opengradient_sdk
opengradient_sdk.AsyncOpenGradient(signer="0x" + "11" * 32)
"""
PAY = """
import asyncio
from opengradient_sdk import AsyncOpenGradient

async def main():
    async with AsyncOpenGradient(store=":memory:") as client:
        reply = await client.chat.create(model="openai/gpt-5", messages="hi", max_tokens=64)
        assert reply.receipt.assurance.name == "REGISTERED"

asyncio.run(main())
"""


async def loaded_after(work: str, names: tuple[str, ...], **environment: str) -> list[str]:
    """Which of these modules a fresh process has loaded after ``work``."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        LOADED.format(work=work, names=names),
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await process.communicate()
    assert process.returncode == 0, error.decode()
    return out.decode().split()


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there(package: str) -> None:
    module = import_module(package)
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_the_package_lists_what_it_has() -> None:
    assert {*opengradient_sdk.__all__, "__version__"} <= set(dir(opengradient_sdk))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = opengradient_sdk.Nonsense


async def test_importing_loads_nothing_heavy() -> None:
    assert await loaded_after("import opengradient_sdk", HEAVY) == []


async def test_naming_errors_and_types_loads_nothing_heavy() -> None:
    work = (
        "from opengradient_sdk import Address, Amount, Assurance, Bytes32, OpenGradientError, "
        "PaymentState, Receipt, Spent, TxRequest"
    )
    assert await loaded_after(work, HEAVY) == []


async def test_constructing_a_client_loads_no_chain_library() -> None:
    assert await loaded_after(CONSTRUCT, NEVER_ON_THE_PAID_PATH) == []


async def test_a_paid_call_loads_neither_web3_nor_its_friends() -> None:
    async with Devnet(accounts=1) as net:
        loaded = await loaded_after(PAY, (*NEVER_ON_THE_PAID_PATH, "aiohttp"), **net.env)
    assert loaded == ["aiohttp"]


async def test_the_environment_is_not_read_at_import() -> None:
    work = "import opengradient_sdk, opengradient_sdk.client, opengradient_sdk.profiles"
    broken = {"OG_PRIVATE_KEY": "nonsense", "OG_NETWORK": "nowhere", "OG_TEE_REGISTRY": "0x"}
    assert await loaded_after(work, (), **broken) == []
