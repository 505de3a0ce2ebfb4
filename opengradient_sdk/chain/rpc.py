"""JSON-RPC to one chain over one or several endpoints.

Neither web3 nor eth_abi is imported here: the paid path reads a registry and an allowance through
this file and nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import TypeVar

from .._core.http import HttpClient
from .._core.tasks import together
from ..errors import ConfigurationError, RpcError
from ..types import Address, Bytes32, Log, TxReceipt, bytes_to_hex
from . import blocks
from .batching import Batcher
from .blocks import Block, BlockRef, Transaction, block_parameter
from .endpoint import LONGEST_BATCH, Endpoint
from .failover import Failover
from .health import EndpointHealth
from .jsonrpc import SEND, Outcome, RpcCall
from .logs import LogFilter, read_logs
from .node_errors import Fault, FaultKind

T = TypeVar("T")


class Rpc:
    """One chain, reached through ``urls`` in order of preference.

    An endpoint that breaks, is overloaded or answers nonsense is rested and the next one asked;
    when all have failed, they are asked again up to three times. Every endpoint is asked for its
    chain id together with the first call to it. Calls that are made in the same tick of the event
    loop travel as one batch, and equal reads among them are asked once.

    ``timeout`` is in seconds, per HTTP exchange; ``max_per_second`` bounds the calls to each
    endpoint; ``errors`` names custom errors beside the known contracts' (``reverts.error_table``).

    Raises:
        ConfigurationError: No URL, one that is no http(s) URL, or a limit that is not positive.
    """

    def __init__(
        self,
        urls: Sequence[str],
        http: HttpClient,
        *,
        chain_id: int | None = None,
        timeout: float = 10.0,
        max_per_second: float | None = None,
        errors: Mapping[bytes, str] | None = None,
    ) -> None:
        if not urls:
            raise ConfigurationError(
                "no RPC endpoint is configured",
                hint="Set OG_RPC_URL, or pass the URL of an endpoint of this chain.",
            )
        self._endpoints = Failover(
            [Endpoint(url, http, timeout=timeout, max_per_second=max_per_second) for url in urls],
            chain_id,
        )
        self._batcher = Batcher(self._endpoints.exchange, self._endpoints.together)
        self._errors = errors

    def __repr__(self) -> str:
        return f"Rpc({', '.join(self.names)})"

    @property
    def names(self) -> tuple[str, ...]:
        """The endpoints, without credentials, path and query."""
        return self._endpoints.names

    def health(self) -> tuple[EndpointHealth, ...]:
        """Return how each endpoint is doing, in order of preference."""
        return self._endpoints.health()

    async def call(self, method: str, params: Sequence[object] = ()) -> object:
        """Return the result of one call. Equal reads share it: it must not be changed.

        Raises:
            RpcError: No endpoint answered, or the node answered with an error.
            WrongChainError: An endpoint serves another chain.
            TransactionError: The node refused a transaction, or a call reverts.
        """
        return self._or_raise(await self.outcome(method, params))

    async def batch(self, calls: Sequence[RpcCall]) -> list[object]:
        """Return the results of several calls in one round trip; the first error is raised.

        Raises:
            RpcError, WrongChainError, TransactionError: As ``call``.
        """
        return [self._or_raise(outcome) for outcome in await self._batcher.ask(calls)]

    async def outcome(self, method: str, params: Sequence[object] = ()) -> Outcome:
        """Return the result of one call, or the ``Fault`` that the node answered with.

        Raises:
            RpcError: No endpoint answered.
            WrongChainError: An endpoint serves another chain.
        """
        return (await self._batcher.ask([(method, params)]))[0]

    async def outcomes(self, calls: Sequence[RpcCall]) -> list[Outcome]:
        """Return each call's result, or the ``Fault`` that the node answered with.

        Up to 100 calls are one batch of their own: one endpoint answers all of them, in their
        order. More are cut into several, which travel at once.

        Raises:
            RpcError: No endpoint answered.
            WrongChainError: An endpoint serves another chain.
        """
        if len(calls) <= LONGEST_BATCH:
            return await self._endpoints.together(calls) if calls else []
        pieces = (
            self._endpoints.together(calls[start : start + LONGEST_BATCH])
            for start in range(0, len(calls), LONGEST_BATCH)
        )
        return list(chain.from_iterable(await together(*pieces)))

    async def chain_id(self) -> int:
        """Return the chain's id, as configured or as the first endpoint says it."""
        if self._endpoints.chain_id is None:
            await self.call("eth_chainId")
        assert self._endpoints.chain_id is not None  # learnt with the first answer
        return self._endpoints.chain_id

    async def block_number(self) -> int:
        """Return the number of the latest block."""
        return self.parse(blocks.quantity, await self.call("eth_blockNumber"), "a block number")

    async def get_block(self, block: BlockRef = "latest") -> Block:
        """Return the head of a block.

        Raises:
            RpcError: There is no such block.
        """
        if isinstance(block, Bytes32):
            found = await self.call("eth_getBlockByHash", [str(block), False])
        else:
            found = await self.call("eth_getBlockByNumber", [block_parameter(block), False])
        if found is None:
            raise RpcError(f"there is no block {block} at {', '.join(self.names)}")
        return self.parse(blocks.block, found, "a block")

    async def eth_call(
        self,
        to: Address | None,
        data: bytes,
        block: BlockRef = "latest",
        *,
        sender: Address | None = None,
        value: int = 0,
        gas: int | None = None,
    ) -> bytes:
        """Return what a call would return, changing nothing; ``value`` is in wei.

        Raises:
            RevertedError: The call reverts; its reason is decoded.
        """
        message = call_message(to, data, sender=sender, value=value, gas=gas)
        answer = await self.call("eth_call", [message, block_parameter(block)])
        return self.parse(blocks.data, answer, "a call's result")

    async def get_code(self, address: Address, block: BlockRef = "latest") -> bytes:
        """Return a contract's code, empty where there is none."""
        answer = await self.call("eth_getCode", [address, block_parameter(block)])
        return self.parse(blocks.data, answer, "code")

    async def get_balance(self, address: Address, block: BlockRef = "latest") -> int:
        """Return an account's balance of the chain's own coin in wei."""
        answer = await self.call("eth_getBalance", [address, block_parameter(block)])
        return self.parse(blocks.quantity, answer, "a balance")

    async def transaction_count(self, address: Address, block: BlockRef = "latest") -> int:
        """Return an account's next nonce; with ``"pending"``, after what the node has queued."""
        answer = await self.call("eth_getTransactionCount", [address, block_parameter(block)])
        return self.parse(blocks.quantity, answer, "a transaction count")

    async def get_receipt(self, transaction: Bytes32) -> TxReceipt | None:
        """Return a transaction's receipt, ``None`` while it is in no block."""
        answer = await self.call("eth_getTransactionReceipt", [str(transaction)])
        return self.parse(blocks.receipt, answer, "a receipt")

    async def get_transaction(self, transaction: Bytes32) -> Transaction | None:
        """Return a transaction, ``None`` where the node does not know it."""
        answer = await self.call("eth_getTransactionByHash", [str(transaction)])
        return self.parse(blocks.transaction, answer, "a transaction")

    async def get_logs(
        self,
        addresses: Address | Iterable[Address] = (),
        topics: Sequence[Bytes32 | Sequence[Bytes32] | None] = (),
        *,
        from_block: BlockRef = "latest",
        to_block: BlockRef = "latest",
    ) -> tuple[Log, ...]:
        """Return the logs that match, oldest first; see ``LogFilter`` for the parameters."""
        wanted = LogFilter.of(addresses, topics, from_block=from_block, to_block=to_block)
        return await read_logs(self, wanted)

    async def send_raw_transaction(self, raw: bytes) -> None:
        """Hand a signed transaction to the chain.

        **Money**: what is signed may be mined from here on. Sending the same bytes again is
        harmless: a node that has them already is content.

        Raises:
            TransactionError: The node refused it: nonce, funds, fee or revert.
            RpcError: No endpoint answered (it may have arrived), or another refusal.
        """
        outcome = await self.outcome(SEND, [bytes_to_hex(raw)])
        if isinstance(outcome, Fault) and outcome.kind is FaultKind.ALREADY_KNOWN:
            return
        self._or_raise(outcome)

    def parse(self, reader: Callable[[object], T], answer: object, what: str) -> T:
        """Return ``reader(answer)``, where ``reader`` raises ``ValueError`` for nonsense.

        Raises:
            RpcError: The answer is not ``what`` it should be.
        """
        try:
            return reader(answer)
        except ValueError as error:
            raise RpcError(
                f"{', '.join(self.names)} answered with something that is not {what} ({error})",
                hint="Is this the JSON-RPC endpoint of a node?",
            ) from error

    def _or_raise(self, outcome: Outcome) -> object:
        if isinstance(outcome, Fault):
            raise outcome.to_error(self._errors)
        return outcome


def call_message(
    to: Address | None,
    data: bytes,
    *,
    sender: Address | None = None,
    value: int = 0,
    gas: int | None = None,
) -> dict[str, object]:
    """Return the transaction object that ``eth_call`` and ``eth_estimateGas`` take."""
    message: dict[str, object] = {"data": bytes_to_hex(data)}
    if to is not None:
        message["to"] = to
    if sender is not None:
        message["from"] = sender
    if value:
        message["value"] = hex(value)
    if gas is not None:
        message["gas"] = hex(gas)
    return message
