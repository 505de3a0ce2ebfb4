"""JSON-RPC to one chain over one or several endpoints.

Neither web3 nor eth_abi is imported here: the paid path reads a registry and an allowance through
this file and nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from .._core.http import HttpClient
from .._core.retry import retry
from ..errors import ConfigurationError, RpcError, WrongChainError
from ..types import AccessList, Address, Bytes32, Log, TxReceipt, bytes_to_hex
from . import blocks
from .blocks import Block, BlockRef, Transaction, block_parameter
from .endpoint import Endpoint, EndpointFailure, Outcome, RpcCall
from .logs import LogFilter, read_logs
from .node_errors import Fault, FaultKind

T = TypeVar("T")

_ROUNDS: Final = 3
_BASE_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 3.0
_LONGEST_BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class _Failed:
    endpoint: Endpoint
    failure: EndpointFailure


class _NobodyAnsweredError(Exception):
    """Every endpoint failed in one round."""

    def __init__(self, failed: Sequence[_Failed]) -> None:
        super().__init__("; ".join(f"{one.endpoint.name}: {one.failure}" for one in failed))
        self.failed = failed

    @property
    def worth_another_round(self) -> bool | float:
        """Whether to ask everybody again, or the seconds that a server asked to wait first."""
        failures = [one.failure for one in self.failed]
        if all(failure.slow for failure in failures):
            return False  # each has used up the caller's whole time already
        waits = [failure.retry_after for failure in failures if failure.retry_after is not None]
        return min(waits) if len(waits) == len(failures) else True

    def to_error(self) -> RpcError:
        fault = next((one.failure.fault for one in self.failed if one.failure.fault), None)
        return RpcError(
            f"no RPC endpoint answered ({self})",
            hint="Check the endpoint and the network; OG_RPC_URL or the rpc argument names others.",
            code=fault.code if fault else None,
            data=fault.data if fault else None,
            url=self.failed[-1].endpoint.name,
        )


class Rpc:
    """One chain, reached through ``urls`` in order of preference.

    An endpoint that breaks, is overloaded or answers nonsense is rested and the next one asked;
    when all have failed, they are asked again up to three times. Every endpoint is asked for its
    chain id together with the first call to it. ``timeout`` is in seconds, per HTTP exchange;
    ``errors`` names custom errors beside the known contracts' (``reverts.error_table``).

    Raises:
        ConfigurationError: No URL, or one that is no http(s) URL.
    """

    def __init__(
        self,
        urls: Sequence[str],
        http: HttpClient,
        *,
        chain_id: int | None = None,
        timeout: float = 10.0,
        errors: Mapping[bytes, str] | None = None,
    ) -> None:
        if not urls:
            raise ConfigurationError(
                "no RPC endpoint is configured",
                hint="Set OG_RPC_URL, or pass the URL of an endpoint of this chain.",
            )
        self._endpoints = [Endpoint(url, http, timeout=timeout) for url in urls]
        self._chain_id = chain_id
        self._errors = errors

    def __repr__(self) -> str:
        return f"Rpc({', '.join(self.names)})"

    @property
    def names(self) -> tuple[str, ...]:
        """The endpoints, without credentials, path and query."""
        return tuple(endpoint.name for endpoint in self._endpoints)

    async def call(self, method: str, params: Sequence[object] = ()) -> object:
        """Return the result of one call.

        Raises:
            RpcError: No endpoint answered, or the node answered with an error.
            WrongChainError: An endpoint serves another chain.
            TransactionError: The node refused a transaction, or a call reverts.
        """
        return (await self.batch([(method, params)]))[0]

    async def batch(self, calls: Sequence[RpcCall]) -> list[object]:
        """Return the results of several calls in one round trip; the first error is raised.

        Raises:
            RpcError, WrongChainError, TransactionError: As ``call``.
        """
        return [self._or_raise(outcome) for outcome in await self.outcomes(calls)]

    async def outcomes(self, calls: Sequence[RpcCall]) -> list[Outcome]:
        """Return each call's result, or the ``Fault`` that the node answered with.

        Raises:
            RpcError: No endpoint answered.
            WrongChainError: An endpoint serves another chain.
        """
        found: list[Outcome] = []
        for start in range(0, len(calls), _LONGEST_BATCH):
            found += await self._outcomes(calls[start : start + _LONGEST_BATCH])
        return found

    async def chain_id(self) -> int:
        """Return the chain's id, as configured or as the first endpoint says it."""
        if self._chain_id is None:
            await self.call("eth_chainId")
        assert self._chain_id is not None  # learnt with the first answer
        return self._chain_id

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

    async def estimate_gas(
        self,
        to: Address | None,
        data: bytes,
        *,
        sender: Address,
        value: int = 0,
        access_list: AccessList = (),
    ) -> int:
        """Return the gas that the transaction would use in the latest state.

        Raises:
            RevertedError: It reverts; its reason is decoded.
        """
        message = call_message(to, data, sender=sender, value=value)
        if access_list:
            message["accessList"] = [
                {"address": address, "storageKeys": [str(key) for key in keys]}
                for address, keys in access_list
            ]
        return self.parse(blocks.quantity, await self.call("eth_estimateGas", [message]), "gas")

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
        outcome = (await self.outcomes([("eth_sendRawTransaction", [bytes_to_hex(raw)])]))[0]
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

    async def _outcomes(self, calls: Sequence[RpcCall]) -> list[Outcome]:
        try:
            return await retry(
                lambda: self._round(calls),
                attempts=_ROUNDS,
                base=_BASE_WAIT,
                cap=_LONGEST_WAIT,
                retry_on=_worth_another_round,
            )
        except _NobodyAnsweredError as error:
            raise error.to_error() from error.failed[-1].failure.__cause__

    async def _round(self, calls: Sequence[RpcCall]) -> list[Outcome]:
        failed: list[_Failed] = []
        for endpoint in sorted(self._endpoints, key=lambda one: one.resting):
            try:
                return await self._ask(endpoint, calls)
            except EndpointFailure as failure:
                failed.append(_Failed(endpoint, failure))
        raise _NobodyAnsweredError(failed)

    async def _ask(self, endpoint: Endpoint, calls: Sequence[RpcCall]) -> list[Outcome]:
        if endpoint.chain_id is not None:
            return await endpoint.exchange(calls)
        said, *outcomes = await endpoint.exchange([("eth_chainId", ()), *calls])
        self._admit(endpoint, said)
        return outcomes

    def _admit(self, endpoint: Endpoint, said: Outcome) -> None:
        try:
            chain_id = blocks.quantity(self._or_raise(said))
        except ValueError:
            raise EndpointFailure("no usable chain id") from None
        if self._chain_id is None:
            self._chain_id = chain_id
        if chain_id != self._chain_id:
            raise WrongChainError(
                f"{endpoint.name} serves chain {chain_id}, not chain {self._chain_id}",
                hint="Use an endpoint of the configured chain, or configure the other network.",
                url=endpoint.name,
            )
        endpoint.chain_id = chain_id

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


def _worth_another_round(error: BaseException) -> bool | float:
    return error.worth_another_round if isinstance(error, _NobodyAnsweredError) else False
