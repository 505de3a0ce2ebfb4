"""Who lists nodes in a Devnet's registry: the operator that a real network has."""

from __future__ import annotations

from typing import Final, Literal

from .._core.clock import Clock
from ..types import Address, Bytes32
from .contracts import addresses, artifacts
from .facilitator.account import Account
from .node import Node, TestRoot, devnet_pcrs, make_document, pcr_hash
from .node.attestation import FIRST_BUILD

BUILD: Final = FIRST_BUILD
"""The version under which the first build of the Devnet's nodes is approved."""

Layout = Literal["july", "april"]

_LLM_PROXY: Final = 0  # the registry's number for nodes that serve language models
_CONTRACTS: Final = {"july": "TEERegistry", "april": "TEERegistryApril"}
_ADDRESSES: Final = {"july": addresses.TEE_REGISTRY, "april": addresses.TEE_REGISTRY_APRIL}


def registry_address(layout: Layout) -> Address:
    """Return where the registry of that layout is."""
    return _ADDRESSES[layout]


def build_hash(build: str) -> Bytes32:
    """Return the PCR hash of a build of the Devnet's node, approved or not."""
    return pcr_hash(devnet_pcrs(build))


class Registrar:
    """Approves builds of the Devnet's node, and registers servers attested under its root."""

    def __init__(self, admin: Account, layout: Layout, root: TestRoot, clock: Clock) -> None:
        self.root = root
        self._admin = admin
        self._address = registry_address(layout)
        self._contract = artifacts.load(_CONTRACTS[layout])
        self._clock = clock

    async def approve_build(self, build: str = BUILD) -> Bytes32:
        """Approve the measurements of a build, and return their hash; its name is the version.

        Raises:
            RpcError: It is approved already.
        """
        pcrs = devnet_pcrs(build)
        await self._execute("approvePCR", (pcrs[0], pcrs[1], pcrs[2]), build, _LLM_PROXY)
        return pcr_hash(pcrs)

    async def revoke_build(self, build: str | Bytes32) -> Bytes32:
        """Revoke a build by its name or PCR hash, and return that; its nodes are disabled by it.

        Raises:
            RpcError: It is not approved.
        """
        revoked = build if isinstance(build, Bytes32) else build_hash(build)
        await self._execute("revokePCR", revoked, _LLM_PROXY)
        return revoked

    async def enable(self, tee_id: Bytes32) -> None:
        """Enable a node again.

        Raises:
            RpcError: There is no such node, or its build is not approved.
        """
        await self._execute("enableTEE", tee_id)

    async def disable(self, tee_id: Bytes32) -> None:
        """Take a node off the list of those that clients call.

        Raises:
            RpcError: There is no such node, or it is not enabled.
        """
        await self._execute("disableTEE", tee_id)

    async def is_enabled(self, tee_id: Bytes32) -> bool:
        """Whether the registry has this node enabled, whatever its heartbeat says."""
        return await self._holds("isTEEEnabled", tee_id)

    async def is_approved(self, build: str) -> bool:
        """Whether a build is approved now."""
        return await self._holds("isPCRApproved", _LLM_PROXY, build_hash(build))

    async def register_node(self, node: Node) -> None:
        """List a node of the Devnet under the keys that it has now.

        Raises:
            RpcError: Its build is not approved.
        """
        await self.register(
            endpoint=node.endpoint,
            public_key_der=node.public_key_der,
            tls_certificate_der=node.tls_certificate_der,
            pay_to=node.pay_to,
            build=node.build,
        )

    async def register(
        self,
        *,
        endpoint: str,
        public_key_der: bytes,
        tls_certificate_der: bytes,
        pay_to: Address,
        build: str = BUILD,
    ) -> None:
        """List a server as an active node, with a fresh document for its key and certificate.

        Raises:
            RpcError: Its build is not approved.
        """
        document = make_document(
            self.root,
            tls_certificate_der=tls_certificate_der,
            signing_key_der=public_key_der,
            pcrs=devnet_pcrs(build),
            now=self._clock.now(),
        )
        await self._execute(
            "registerTEEWithAttestation",
            document,
            public_key_der,
            tls_certificate_der,
            pay_to,
            endpoint,
            _LLM_PROXY,
        )

    async def _holds(self, function: str, *args: object) -> bool:
        question = self._contract.encode_call(function, *args)
        return any(await self._admin.chain.call(self._address, question))

    async def _execute(self, function: str, *args: object) -> None:
        await self._admin.execute(self._address, self._contract.encode_call(function, *args))
