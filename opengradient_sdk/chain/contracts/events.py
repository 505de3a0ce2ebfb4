"""Events of contracts as types: what a log says, as a dataclass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from ...types import Bytes32, Log
from ..abi import AbiError
from ..abi import Event as AbiEvent
from ..abi.parsing import Parameters

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Event(Generic[T_co]):
    """A contract event whose logs are read as ``into``.

    Nothing is parsed or hashed before it is needed: declaring events costs no import time.

    Args:
        signature: ``Transfer(address indexed sender, address indexed recipient, uint256 amount)``;
            every parameter has a name, and ``into`` takes them by these names.
        into: A dataclass, or anything else that is called with the values; ``dict`` too.

    Example:
        >>> from opengradient_sdk.chain.contracts import Event
        >>> ping = Event("Ping(address indexed sender, uint256 count)", dict)
        >>> ping.signature
        'Ping(address,uint256)'
    """

    def __init__(self, signature: str, into: Callable[..., T_co]) -> None:
        self._abi = AbiEvent(signature)
        self._into = into

    @property
    def signature(self) -> str:
        """The canonical signature that is hashed."""
        return self._abi.signature

    @property
    def topic(self) -> Bytes32:
        """The first topic of every log of this event: the hash of its signature."""
        return self._abi.topic

    @property
    def inputs(self) -> Parameters:
        """The parameters, indexed and not."""
        return self._abi.inputs

    def topics(self, **indexed: object) -> list[Bytes32 | None]:
        """Return the topics of a log filter: this event, with these indexed values.

        Raises:
            AbiError: No such indexed parameter, or a value that does not fit it.
        """
        return self._abi.topics(**indexed)

    def matches(self, log: Log) -> bool:
        """Whether ``log`` says that it is of this event."""
        return self._abi.matches(log)

    def decode(self, log: Log) -> T_co:
        """Return what ``log`` says.

        Raises:
            AbiError: Another event, or topics and data that do not fit this one.
        """
        return self._into(**self._abi.decode(log))

    def __repr__(self) -> str:
        return f"Event({self.signature})"


def decode_logs(logs: Iterable[Log], *events: Event[T]) -> tuple[T, ...]:
    """Return what those of ``logs`` say that are of one of ``events``, in their order.

    A log that only shares an event's topic is left out: the Transfer of an ERC-721 token has the
    topic of ERC-20's, and another shape. Who wrote a log is not looked at: pick those of the
    contract you trust by ``log.address`` first.

    Example:
        >>> from opengradient_sdk.chain.contracts import Erc20, decode_logs
        >>> opg = client.contracts.opg
        >>> receipt = await client.chains.payments.execute(opg.transfer(friend, 5))
        >>> [transfer.amount for transfer in decode_logs(receipt.logs, Erc20.TRANSFER)]
        [5]
    """
    by_topic = {event.topic: event for event in events}
    return tuple(value for log in logs for value in _said(log, by_topic))


def _said(log: Log, by_topic: dict[Bytes32, Event[T]]) -> Iterator[T]:
    event = by_topic.get(log.topics[0]) if log.topics else None
    if event is None:
        return
    try:
        yield event.decode(log)
    except AbiError:
        return
