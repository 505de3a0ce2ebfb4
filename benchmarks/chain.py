"""The chain of the benchmarks: a payer with an allowance, and a registry that lists the node."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from opengradient_sdk._core.clock import SystemClock
from opengradient_sdk.devnet import PyEvm
from opengradient_sdk.devnet.accounts import devnet_key, devnet_signer
from opengradient_sdk.devnet.contracts import addresses, artifacts, genesis_alloc
from opengradient_sdk.devnet.facilitator.account import Account
from opengradient_sdk.devnet.facilitator.evm import Rpc
from opengradient_sdk.devnet.node import TestRoot, devnet_pcrs, make_document
from opengradient_sdk.types import Address

CHAIN_ID: Final = 8453
"""The production network's payments chain: the published client pays on no other."""
PAYEE: Final = devnet_signer("payee-0").address

_PAYER: Final = "account-0"
_BUILD: Final = "benchmark"
_TEE_PROXY: Final = 0
_RICH: Final = 10**24


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """What the registry has to know of a node."""

    endpoint: str
    public_key: bytes
    certificate: bytes
    pay_to: Address

    @classmethod
    def from_json(cls, said: dict[str, str]) -> NodeRecord:
        """Return the record of a node from its introduction."""
        return cls(
            endpoint=said["endpoint"],
            public_key=bytes.fromhex(said["public_key"]),
            certificate=bytes.fromhex(said["certificate"]),
            pay_to=Address(said["pay_to"]),
        )


@asynccontextmanager
async def chain_listing(node: NodeRecord) -> AsyncIterator[dict[str, str]]:
    """Run the chain, and hand over the environment variables that both clients need."""
    root = TestRoot(time.time())
    payer, admin = devnet_signer(_PAYER), devnet_signer("admin")
    alloc = genesis_alloc(
        admin=admin.address,
        opg_balances={payer.address: _RICH},
        eth_balances={payer.address: _RICH, admin.address: _RICH},
        root_certificate=root.pem,
        timestamp=int(time.time()),
    )
    chain = PyEvm(chain_id=CHAIN_ID, alloc=alloc, clock=SystemClock())
    try:
        await chain.start()
        await _register(Account(Rpc(chain), admin), node, root)
        approve = artifacts.load("OPG").encode_call("approve", addresses.PERMIT2, _RICH)
        await Account(Rpc(chain), payer).execute(addresses.OPG, approve)
        yield {
            "OG_PRIVATE_KEY": "0x" + devnet_key(_PAYER).hex(),
            "OG_NETWORK": f"devnet:{CHAIN_ID}:{CHAIN_ID}",
            "OG_RPC_URL": chain.rpc_url,
            "OG_TEE_REGISTRY": addresses.TEE_REGISTRY,
            "BASE_MAINNET_RPC": chain.rpc_url,  # the published client's name for it
            "BENCH_NODE": node.endpoint,
        }
    finally:
        await chain.stop()


async def _register(admin: Account, node: NodeRecord, root: TestRoot) -> None:
    contract, pcrs = artifacts.load("TEERegistry"), devnet_pcrs(_BUILD)
    approve = contract.encode_call("approvePCR", (pcrs[0], pcrs[1], pcrs[2]), _BUILD, _TEE_PROXY)
    await admin.execute(addresses.TEE_REGISTRY, approve)
    document = make_document(
        root,
        tls_certificate_der=node.certificate,
        signing_key_der=node.public_key,
        pcrs=pcrs,
        now=time.time(),
    )
    register = contract.encode_call(
        "registerTEEWithAttestation",
        document,
        node.public_key,
        node.certificate,
        node.pay_to,
        node.endpoint,
        _TEE_PROXY,
    )
    await admin.execute(addresses.TEE_REGISTRY, register)
