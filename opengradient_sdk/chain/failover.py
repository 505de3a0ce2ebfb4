"""Several endpoints as one: who is asked, when somebody else is, and what a late answer proves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

from .._core.retry import retry
from ..errors import RpcError, WrongChainError
from . import blocks
from .endpoint import Endpoint, EndpointFailure
from .health import EndpointHealth
from .jsonrpc import SEND, Outcome, RpcCall
from .node_errors import Fault, FaultKind

_ROUNDS: Final = 3
_BASE_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 3.0
_BLOCKS_BEHIND: Final = 5

_Trouble = Callable[[Sequence[Outcome]], Fault | None]
"""Why outcomes are not taken as they are, ``None`` if they are."""


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


class _Errand:
    """Calls on their way round the endpoints, and what earlier tries of them may have done."""

    def __init__(self, calls: Sequence[RpcCall]) -> None:
        self.calls = calls
        self.heard: list[Outcome] | None = None
        self._sends = [at for at, (method, _) in enumerate(calls) if method == SEND]
        self._accepted: dict[int, Outcome] = {}
        self._unanswered = False

    def went_unanswered(self, failure: EndpointFailure) -> None:
        """Note a try that no answer came to."""
        self._unanswered |= failure.may_have_arrived

    def hear(self, outcomes: list[Outcome]) -> list[Outcome]:
        """Return ``outcomes`` in the light of the tries before.

        A transaction that was accepted once stays accepted, and its refusal after an answer was
        lost is no proof: the first try may have taken it there.
        """
        for at in self._sends:
            outcome = outcomes[at]
            if at in self._accepted:
                outcomes[at] = self._accepted[at]
            elif not isinstance(outcome, Fault):
                self._accepted[at] = outcome
            elif self._unanswered:
                outcomes[at] = replace(outcome, after_lost_answer=True)
        self.heard = outcomes
        return outcomes


class Failover:
    """The endpoints of one chain, in order of preference.

    One that breaks, is overloaded or answers nonsense is rested and the next one asked; when all
    have failed, they are asked again up to three times. A definite answer, a refusal too, is never
    taken to another endpoint. Each endpoint says its chain id together with its first answer.
    """

    def __init__(self, endpoints: Sequence[Endpoint], chain_id: int | None) -> None:
        self.chain_id = chain_id
        self._endpoints = tuple(endpoints)

    @property
    def names(self) -> tuple[str, ...]:
        """The endpoints, without credentials, path and query."""
        return tuple(endpoint.name for endpoint in self._endpoints)

    def health(self) -> tuple[EndpointHealth, ...]:
        """Return how each endpoint is doing, in order of preference."""
        return tuple(endpoint.health() for endpoint in self._endpoints)

    async def exchange(self, calls: Sequence[RpcCall]) -> list[Outcome]:
        """Return what the first endpoint that answers at all says to ``calls``.

        Raises:
            RpcError: None answered.
            WrongChainError: An endpoint serves another chain.
        """
        return await self._ask_around(calls, _content_with_anything)

    async def together(self, calls: Sequence[RpcCall]) -> list[Outcome]:
        """Return what one endpoint that is able to answer every one of ``calls`` says to them.

        Where none is, the last one's outcomes are returned with their faults.

        Raises:
            RpcError, WrongChainError: As ``exchange``.
        """
        return await self._ask_around(calls, _first_trouble)

    async def _ask_around(self, calls: Sequence[RpcCall], trouble: _Trouble) -> list[Outcome]:
        errand = _Errand(calls)
        try:
            return await retry(
                lambda: self._round(errand, trouble),
                attempts=_ROUNDS,
                base=_BASE_WAIT,
                cap=_LONGEST_WAIT,
                retry_on=_worth_another_round,
            )
        except _NobodyAnsweredError as error:
            if errand.heard is not None:
                return errand.heard
            raise error.to_error() from error.failed[-1].failure.__cause__

    async def _round(self, errand: _Errand, trouble: _Trouble) -> list[Outcome]:
        failed: list[_Failed] = []
        for endpoint in sorted(self._endpoints, key=lambda one: one.pulse.standing):
            try:
                outcomes = errand.hear(await self._ask(endpoint, errand.calls))
            except EndpointFailure as failure:
                errand.went_unanswered(failure)
                failed.append(_Failed(endpoint, failure))
                continue
            fault = trouble(outcomes)
            if fault is None:
                return outcomes
            failed.append(_Failed(endpoint, EndpointFailure(fault.message, fault=fault)))
        raise _NobodyAnsweredError(failed)

    async def _ask(self, endpoint: Endpoint, calls: Sequence[RpcCall]) -> list[Outcome]:
        if endpoint.chain_id is None:
            said, *outcomes = await endpoint.exchange([("eth_chainId", ()), *calls])
            self._admit(endpoint, said)
        else:
            outcomes = await endpoint.exchange(calls)
        for call, outcome in zip(calls, outcomes, strict=True):
            if (head := _head(call, outcome)) is not None:
                self._note_head(endpoint, head)
        if any(_is_rate_limited(outcome) for outcome in outcomes):
            endpoint.slow_down()
        return outcomes

    def _admit(self, endpoint: Endpoint, said: Outcome) -> None:
        try:
            chain_id = blocks.quantity(said)
        except ValueError:
            fault = said if isinstance(said, Fault) else None
            reason = fault.message if fault else "no usable chain id"
            raise EndpointFailure(reason, fault=fault) from None
        if self.chain_id is None:
            self.chain_id = chain_id
        if chain_id != self.chain_id:
            raise WrongChainError(
                f"{endpoint.name} serves chain {chain_id}, not chain {self.chain_id}",
                hint="Use an endpoint of the configured chain, or configure the other network.",
                url=endpoint.name,
            )
        endpoint.chain_id = chain_id

    def _note_head(self, endpoint: Endpoint, head: int) -> None:
        endpoint.pulse.head = head
        highest = max(one.pulse.head or 0 for one in self._endpoints)
        if head + _BLOCKS_BEHIND < highest:
            endpoint.pulse.fell_behind()
        else:
            endpoint.pulse.caught_up()


def is_troubled(outcome: Outcome) -> bool:
    """Whether another endpoint, or this one a little later, may answer better."""
    return isinstance(outcome, Fault) and outcome.is_the_endpoints


def _is_rate_limited(outcome: Outcome) -> bool:
    return isinstance(outcome, Fault) and outcome.kind is FaultKind.RATE_LIMITED


def _content_with_anything(_outcomes: Sequence[Outcome]) -> None:
    return None


def _first_trouble(outcomes: Sequence[Outcome]) -> Fault | None:
    return next((cast(Fault, outcome) for outcome in outcomes if is_troubled(outcome)), None)


def _head(call: RpcCall, outcome: Outcome) -> int | None:
    """Return the number of the latest block, if that is what was asked."""
    method, params = call
    if method == "eth_getBlockByNumber" and params and params[0] == "latest":
        if not isinstance(outcome, Mapping):
            return None
        outcome = cast("Mapping[str, object]", outcome).get("number")
    elif method != "eth_blockNumber":
        return None
    try:
        return blocks.quantity(outcome)
    except ValueError:
        return None


def _worth_another_round(error: BaseException) -> bool | float:
    return error.worth_another_round if isinstance(error, _NobodyAnsweredError) else False
