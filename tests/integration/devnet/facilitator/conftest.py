"""A facilitator on a real chain, and payers who sign for it."""

import base64
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from eth_abi import decode, encode

from opengradient_sdk._core.clock import ShiftedClock
from opengradient_sdk.devnet.contracts.addresses import SETTLEMENT_RELAY, TEE_REGISTRY
from opengradient_sdk.devnet.contracts.genesis import genesis_alloc
from opengradient_sdk.devnet.evm import Anvil, Evm, PyEvm
from opengradient_sdk.devnet.facilitator import Facilitator
from opengradient_sdk.devnet.facilitator.abi import selector
from opengradient_sdk.devnet.facilitator.account import Account
from opengradient_sdk.devnet.facilitator.evm import Rpc
from opengradient_sdk.devnet.facilitator.permit import Permit
from opengradient_sdk.devnet.node.attestation import TestRoot
from opengradient_sdk.profiles import DEVNET
from opengradient_sdk.signers import LocalSigner
from opengradient_sdk.types import Address, Fields, PreparedTx, TypedData

CHAIN_ID = 8453
CAP = 10**17
ETHER = 10**18
PAY_TO = Address("0x9deEBB5D1b22e4a6e027977CeAd13893A7E4cC1a")
FACILITATOR_KEY = bytes([0xFA]) * 32
ADMIN_KEY = bytes([0xAD]) * 32
PAYER_KEY = bytes([0x01]) * 32
POOR_KEY = bytes([0x02]) * 32
TOKEN_PERMIT: Fields = (
    ("owner", "address"),
    ("spender", "address"),
    ("value", "uint256"),
    ("nonce", "uint256"),
    ("deadline", "uint256"),
)
TOKEN_DOMAIN: Fields = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
)


@dataclass
class World:
    """A running facilitator with its chain; payments are built here as a client builds them."""

    chain: Evm
    clock: ShiftedClock
    facilitator: Facilitator
    http: aiohttp.ClientSession
    root: TestRoot
    admin: Account
    payer: LocalSigner
    poor: LocalSigner

    def requirements(self, amount: int = CAP, *, scheme: str = "upto") -> dict[str, Any]:
        extra = {"name": "OpenGradient", "version": "1", "assetTransferMethod": "permit2"}
        if scheme == "upto":
            extra["facilitatorAddress"] = self.facilitator.address
        return {
            "scheme": scheme,
            "network": f"eip155:{CHAIN_ID}",
            "asset": DEVNET.opg,
            "amount": str(amount),
            "payTo": PAY_TO,
            "maxTimeoutSeconds": 300,
            "extra": extra,
        }

    async def pay(self, signer: LocalSigner, *, scheme: str = "upto") -> dict[str, Any]:
        """Return a signed payment payload of the whole cap."""
        now = int(self.clock.now())
        permit = Permit(
            owner=signer.address,
            token=DEVNET.opg,
            cap=CAP,
            spender=DEVNET.upto_proxy if scheme == "upto" else DEVNET.exact_proxy,
            nonce=secrets.randbits(256),
            deadline=now + 300,
            recipient=PAY_TO,
            facilitator=self.facilitator.address if scheme == "upto" else None,
            valid_after=now - 600,
            signature=b"",
        )
        signature = await signer.sign_typed_data(permit.typed_data(CHAIN_ID))
        witness: dict[str, Any] = {"to": PAY_TO, "validAfter": str(permit.valid_after)}
        if permit.facilitator is not None:
            witness["facilitator"] = permit.facilitator
        authorization = {
            "from": permit.owner,
            "permitted": {"token": permit.token, "amount": str(permit.cap)},
            "spender": permit.spender,
            "nonce": str(permit.nonce),
            "deadline": str(permit.deadline),
            "witness": witness,
        }
        return {
            "x402Version": 2,
            "payload": {
                "permit2Authorization": authorization,
                "signature": "0x" + signature.hex(),
            },
            "accepted": self.requirements(scheme=scheme),
            "extensions": {},
        }

    async def approval(self, signer: LocalSigner, **changes: Any) -> dict[str, Any]:
        """Return the extension with a signed approve transaction."""
        amount = changes.pop("amount", CAP)
        fields: dict[str, Any] = {
            "chain_id": CHAIN_ID,
            "sender": signer.address,
            "nonce": 0,
            "to": DEVNET.opg,
            "data": selector("approve(address,uint256)")
            + encode(["address", "uint256"], [DEVNET.permit2, amount]),
            "value": 0,
            "gas": 70_000,
            "max_fee_per_gas": 3 * 10**9,
            "max_priority_fee_per_gas": 10**6,
        }
        signed = await signer.sign_transaction(PreparedTx(**(fields | changes)))
        info = {
            "from": signer.address,
            "asset": DEVNET.opg,
            "spender": DEVNET.permit2,
            "amount": str(amount),
            "signedTransaction": "0x" + signed.raw.hex(),
            "version": "1",
        }
        return {"erc20ApprovalGasSponsoring": {"info": info}}

    async def token_permit(self, signer: LocalSigner) -> dict[str, Any]:
        """Return the extension with a signed EIP-2612 permit."""
        deadline = int(self.clock.now()) + 300
        data = TypedData(
            domain_type=TOKEN_DOMAIN,
            domain={
                "name": "OpenGradient",
                "version": "1",
                "chainId": CHAIN_ID,
                "verifyingContract": DEVNET.opg,
            },
            types=(("Permit", TOKEN_PERMIT),),
            primary_type="Permit",
            message={
                "owner": signer.address,
                "spender": DEVNET.permit2,
                "value": CAP,
                "nonce": 0,
                "deadline": deadline,
            },
        )
        info = {
            "from": signer.address,
            "asset": DEVNET.opg,
            "spender": DEVNET.permit2,
            "amount": str(CAP),
            "nonce": "0",
            "deadline": str(deadline),
            "signature": "0x" + (await signer.sign_typed_data(data)).hex(),
            "version": "1",
        }
        return {"eip2612GasSponsoring": {"info": info}}

    async def approve(self, signer: LocalSigner) -> None:
        """Let Permit2 take any amount, by an ordinary transaction."""
        call = selector("approve(address,uint256)") + encode(
            ["address", "uint256"], [DEVNET.permit2, 2**256 - 1]
        )
        assert (await Account(Rpc(self.chain), signer).execute(DEVNET.opg, call)).succeeded

    async def balance(self, owner: Address) -> int:
        return await self.admin.chain.token_balance(DEVNET.opg, owner)

    async def view(self, to: Address, signature: str, types: list[str], *arguments: Any) -> Any:
        inputs = signature[signature.index("(") + 1 : -1].split(",")
        data = selector(signature) + encode(inputs, arguments)
        return decode(types, await self.admin.chain.call(to, data))[0]

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.http.get(self.facilitator.url + path) as response:
            return response.status, await response.json()

    async def post(
        self, path: str, body: Any, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        url = self.facilitator.url + path
        async with self.http.post(url, json=body, headers=headers) as response:
            return response.status, await response.json()

    async def verify(self, payload: Any, requirements: Any = None) -> Any:
        status, answer = await self.post(
            "/verify", self.body(payload, requirements or payload["accepted"])
        )
        assert status == 200
        return answer

    async def settle(self, payload: Any, amount: int) -> Any:
        """Ask for settlement of ``amount``, wait, and return the job as it ended."""
        job = await self.accept(payload, amount)
        await self.facilitator.drain()
        return (await self.get(f"/settle/{job['jobId']}"))[1]

    async def accept(self, payload: Any, amount: int) -> Any:
        requirements = {**payload["accepted"], "amount": str(amount)}
        status, answer = await self.post("/settle", self.body(payload, requirements))
        assert status == 202
        return answer["paymentJob"]

    async def settle_data(self, kind: str, data: Any) -> tuple[int, Any]:
        encoded = base64.b64encode(json.dumps(data).encode()).decode()
        headers = {"x-settlement-type": kind, "x-settlement-data": encoded}
        return await self.post("/settle_data", {}, headers)

    @staticmethod
    def body(payload: Any, requirements: Any) -> dict[str, Any]:
        return {"x402Version": 2, "paymentPayload": payload, "paymentRequirements": requirements}


@asynccontextmanager
async def running(evm: type[PyEvm] | type[Anvil] = PyEvm) -> AsyncIterator[World]:
    """Start a chain and a facilitator; payers hold OPG, the poor one no ETH."""
    clock = ShiftedClock()
    signers = [LocalSigner.from_key(k) for k in (FACILITATOR_KEY, ADMIN_KEY, PAYER_KEY, POOR_KEY)]
    relayer, admin, payer, poor = signers
    root = TestRoot(clock.now())
    alloc = genesis_alloc(
        admin=admin.address,
        relayers=[relayer.address],
        opg_balances={payer.address: 100 * CAP, poor.address: 2 * CAP},
        eth_balances={signer.address: 100 * ETHER for signer in (relayer, admin, payer)},
        root_certificate=root.pem,
    )
    chain = evm(chain_id=CHAIN_ID, alloc=alloc, clock=clock)
    await chain.start()
    facilitator = Facilitator(
        payments=chain,
        registry=chain,
        key=FACILITATOR_KEY,
        heartbeat_contract=TEE_REGISTRY,
        relay=SETTLEMENT_RELAY,
        clock=clock,
    )
    try:
        await facilitator.start()
        async with aiohttp.ClientSession() as http:
            account = Account(Rpc(chain), admin)
            yield World(chain, clock, facilitator, http, root, account, payer, poor)
    finally:
        await facilitator.stop()
        await chain.stop()


@pytest.fixture
def evm() -> type[PyEvm] | type[Anvil]:
    """The kind of chain; a module may ask for several."""
    return PyEvm


@pytest.fixture
async def world(evm: type[PyEvm] | type[Anvil]) -> AsyncIterator[World]:
    """A facilitator on a chain of its own."""
    async with running(evm) as it:
        yield it
