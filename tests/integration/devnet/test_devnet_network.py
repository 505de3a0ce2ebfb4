"""A Devnet is a whole network: registered nodes, payments that move tokens, books that balance."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import aiohttp
import pytest

from opengradient_sdk.devnet import Devnet
from opengradient_sdk.devnet.contracts import addresses, artifacts
from opengradient_sdk.errors import ConfigurationError
from opengradient_sdk.payments.challenge import PaymentRequired, parse_402
from opengradient_sdk.payments.schemes import authorization_for, payable_offers, typed_data_for
from opengradient_sdk.signers import LocalSigner
from opengradient_sdk.types import Address, PreparedTx, bytes_to_hex
from opengradient_sdk.verification import verify_attestation

OPG = artifacts.load("OPG")
BEARER = {"Authorization": "Bearer 0x1234567890abcdef"}
CAP = 10**17
HELLO = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 64}
KINDS = [
    pytest.param({}, id="py-evm"),
    pytest.param({"chains": 2}, id="two chains"),
    pytest.param({"registry": "april", "chain_id": 8453}, id="april"),
    pytest.param({"evm": "anvil", "chains": 2}, id="anvil", marks=pytest.mark.anvil),
]


@dataclass
class Customer:
    """Pays a node by hand, as the client does."""

    net: Devnet
    http: aiohttp.ClientSession
    signer: LocalSigner

    async def approve(self, atoms=2**256 - 1):
        """Let Permit2 take OPG."""
        chain = self.net.chain
        nonce = await chain.request("eth_getTransactionCount", [self.signer.address, "latest"])
        signed = await self.signer.sign_transaction(
            PreparedTx(
                chain_id=chain.chain_id,
                sender=self.signer.address,
                nonce=int(nonce, 16),
                to=addresses.OPG,
                data=OPG.encode_call("approve", addresses.PERMIT2, atoms),
                value=0,
                gas=100_000,
                max_fee_per_gas=10**10,
                max_priority_fee_per_gas=1,
            )
        )
        await chain.request("eth_sendRawTransaction", [bytes_to_hex(signed.raw)])

    async def post(self, node, headers=None):
        url = node.endpoint + "/v1/chat/completions"
        async with self.http.post(url, json=HELLO, headers=headers, ssl=False) as response:
            return response.status, dict(response.headers), await response.read()

    async def header(self, node):
        """Sign what the node asks for."""
        status, headers, body = await self.post(node)
        assert status == 402
        required = parse_402(headers, body)
        assert isinstance(required, PaymentRequired)
        (offer, *_) = payable_offers(required)
        now = int(self.net.clock.now())
        owner = self.signer.address
        data = typed_data_for(offer, owner=owner, profile=self.net.profile, now=now)
        signature = await self.signer.sign_typed_data(data)
        paid = authorization_for(offer, required, owner=owner, data=data, signature=signature)
        return {"PAYMENT-SIGNATURE": paid.header, **BEARER}

    async def buy(self, node):
        status, _, body = await self.post(node, await self.header(node))
        assert status == 200, body


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


async def opg_of(net, holder):
    call = {"to": addresses.OPG, "data": bytes_to_hex(OPG.encode_call("balanceOf", holder))}
    return int(await net.chain.request("eth_call", [call, "latest"]), 16)


async def active_nodes(net, generation="july"):
    name = {"july": "TEERegistry", "april": "TEERegistryApril"}[generation]
    registry = artifacts.load(name)
    call = {
        "to": net.profile.tee_registry,
        "data": bytes_to_hex(registry.encode_call("getActiveTEEs", 0)),
    }
    output = await net.registry_chain.request("eth_call", [call, "latest"])
    return registry.decode_output("getActiveTEEs", bytes.fromhex(output[2:]))[0]


@pytest.mark.parametrize("options", KINDS)
async def test_an_answer_is_paid_settled_and_booked(http, options):
    async with Devnet(**options) as net:
        (node,) = net.nodes
        customer = Customer(net, http, net.accounts[0])
        await customer.approve()
        before = await opg_of(net, customer.signer.address)
        await customer.buy(node)
        book = net.books()[customer.signer.address]
        assert (book.authorized, book.settled) == (CAP, 0)
        assert 0 < book.served == book.open < CAP
        assert book.balanced

        await net.advance(130)

        book = net.books()[customer.signer.address]
        assert (book.settled, book.open) == (book.served, 0)
        assert net.books().balanced
        assert await opg_of(net, customer.signer.address) == before - book.settled
        assert await opg_of(net, node.pay_to) == book.settled


@pytest.mark.parametrize("options", KINDS)
async def test_nodes_are_registered_and_stay_active(options):
    async with Devnet(nodes=2, **options) as net:
        found = await active_nodes(net, options.get("registry", "july"))
        assert [(tee[2], Address(tee[1])) for tee in found] == [
            (node.endpoint, node.pay_to) for node in net.nodes
        ]
        assert [tee[4] for tee in found] == [node.tls_certificate_der for node in net.nodes]
        await net.advance(1000)
        await net.advance(1000)
        assert len(await active_nodes(net, options.get("registry", "july"))) == 2


async def test_a_node_that_sends_no_heartbeat_drops_out():
    async with Devnet(nodes=2) as net:
        net.nodes[0].faults.stale_heartbeat = True
        await net.advance(1000)
        await net.advance(1000)
        assert [tee[2] for tee in await active_nodes(net)] == [net.nodes[1].endpoint]


async def test_overcharging_shows_in_the_books(http):
    async with Devnet() as net:
        customer = Customer(net, http, net.accounts[0])
        await customer.approve()
        await customer.buy(net.nodes[0])
        net.nodes[0].faults.overcharge = 1
        await net.advance(130)
        assert not net.books().balanced
        assert "settled" in repr(net.books())


async def test_the_root_of_the_devnet_attests_its_nodes():
    async with Devnet() as net:
        (node,) = net.nodes
        facts = verify_attestation(
            node.attestation_document(),
            tls_certificate_der=node.tls_certificate_der,
            signing_key_der=node.public_key_der,
            now=net.clock.now(),
            root=node.root.pem,
        )
        assert facts.tee_id == node.tee_id


async def test_profile_and_environment_say_the_same():
    async with Devnet(chains=2, chain_id=8453) as net:
        profile, env = net.profile, net.env
        assert LocalSigner.from_key(env["OG_PRIVATE_KEY"]).address == net.accounts[0].address
        assert env["OG_NETWORK"] == "devnet:8453:10740"
        assert profile.payments.rpc_urls == (net.chain.rpc_url,)
        assert env["OG_RPC_URL"] == env["OG_PAYMENT_RPC_URL"] == net.chain.rpc_url
        assert profile.registry.rpc_urls == (env["OG_REGISTRY_RPC_URL"],)
        assert (profile.payments.chain_id, profile.registry.chain_id) == (8453, 10740)
        assert env["OG_TEE_REGISTRY"] == profile.tee_registry
        assert profile.clock is net.clock
        for chain in (net.chain, net.registry_chain):
            assert await chain.request("eth_chainId") == hex(chain.chain_id)


async def test_accounts_have_funds_and_new_ones_what_they_are_given():
    async with Devnet(accounts=2) as net:
        assert len(net.accounts) == 2
        for account in net.accounts:
            assert await opg_of(net, account.address) == 1000 * 10**18
        poor, rich = await net.new_account(), await net.new_account(opg="0.5", eth="2 ETH")
        assert poor.address != rich.address
        assert await opg_of(net, poor.address) == 0
        assert await opg_of(net, rich.address) == 5 * 10**17
        assert await net.chain.request("eth_getBalance", [poor.address, "latest"]) == "0x0"
        wei = await net.chain.request("eth_getBalance", [rich.address, "latest"])
        assert int(wei, 16) == 2 * 10**18
        await net.fund(poor.address, opg=7)
        assert await opg_of(net, poor.address) == 7


async def test_several_run_side_by_side_and_do_not_disturb_one_another():
    async with Devnet(chain_id=1) as one, Devnet(chain_id=2) as two:
        await asyncio.gather(one.mine(3), two.mine(5))
        await one.advance(1000)
        for net, blocks in ((one, 4), (two, 5)):
            head = await net.chain.request("eth_getBlockByNumber", ["latest", False])
            assert int(head["number"], 16) >= blocks
            assert abs(int(head["timestamp"], 16) - net.clock.now()) <= 2
            assert await net.chain.request("eth_chainId") == hex(net.chain.chain_id)
        assert one.clock.now() - two.clock.now() == pytest.approx(1000, abs=2)
        assert len({one.nodes[0].tee_id, two.nodes[0].tee_id}) == 2


@pytest.mark.parametrize(
    "options",
    [
        {"evm": "geth"},
        {"chains": 3},
        {"registry": "may"},
        {"nodes": -1},
        {"accounts": 0},
        {"chain_id": 0},
        {"chains": 2, "chain_id": 10740},
        {"evm": "anvil", "finality_depth": 7},
    ],
)
async def test_what_a_devnet_cannot_be_is_said(options):
    with pytest.raises(ConfigurationError):
        async with Devnet(**options):
            pass


async def test_a_devnet_that_is_not_running_says_so():
    net = Devnet()
    with pytest.raises(RuntimeError, match="async with"):
        _ = net.profile
    async with net:
        assert net.books().balanced
    with pytest.raises(RuntimeError, match="async with"):
        await net.advance(1)


async def test_time_does_not_run_backwards():
    async with Devnet(nodes=0) as net:
        with pytest.raises(ValueError, match="back"):
            await net.advance(-1)
