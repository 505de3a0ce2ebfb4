"""Who lists nodes in a Devnet's registry: the operator that a real network has."""

from __future__ import annotations

from typing import Final, Literal

from .._core.clock import Clock
from ..types import Address, Bytes32
from .contracts import addresses, artifacts
from .facilitator.account import Account
from .node import TestRoot, devnet_pcrs, make_document, pcr_hash

BUILD: Final = "devnet-1"
"""The version under which the measurements of the Devnet's nodes are approved."""

Layout = Literal["july", "april"]

_LLM_PROXY: Final = 0  # the registry's number for nodes that serve language models
_CONTRACTS: Final = {"july": "TEERegistry", "april": "TEERegistryApril"}
_ADDRESSES: Final = {"july": addresses.TEE_REGISTRY, "april": addresses.TEE_REGISTRY_APRIL}


def registry_address(layout: Layout) -> Address:
    """Return where the registry of that layout is."""
    return _ADDRESSES[layout]


class Registrar:
    """Approves the Devnet's build and registers servers that are attested under its root."""

    def __init__(self, admin: Account, layout: Layout, root: TestRoot, clock: Clock) -> None:
        self.root = root
        self._admin = admin
        self._address = registry_address(layout)
        self._contract = artifacts.load(_CONTRACTS[layout])
        self._clock = clock

    @property
    def build_hash(self) -> Bytes32:
        """The PCR hash of the approved build."""
        return pcr_hash(devnet_pcrs(BUILD))

    async def approve_build(self) -> None:
        """Approve the measurements that every document made here carries."""
        pcrs = devnet_pcrs(BUILD)
        measurements = (pcrs[0], pcrs[1], pcrs[2])
        call = self._contract.encode_call("approvePCR", measurements, BUILD, _LLM_PROXY)
        await self._admin.execute(self._address, call)

    async def register(
        self,
        *,
        endpoint: str,
        public_key_der: bytes,
        tls_certificate_der: bytes,
        pay_to: Address,
    ) -> None:
        """List a server as an active node, with a fresh document for its key and certificate."""
        document = make_document(
            self.root,
            tls_certificate_der=tls_certificate_der,
            signing_key_der=public_key_der,
            pcrs=devnet_pcrs(BUILD),
            now=self._clock.now(),
        )
        call = self._contract.encode_call(
            "registerTEEWithAttestation",
            document,
            public_key_der,
            tls_certificate_der,
            pay_to,
            endpoint,
            _LLM_PROXY,
        )
        await self._admin.execute(self._address, call)
