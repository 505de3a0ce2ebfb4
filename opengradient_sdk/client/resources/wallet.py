"""The wallet that pays."""

from __future__ import annotations

from dataclasses import dataclass

from ...payments.budget import Money
from ...types import Address, Amount
from ..work import CallWork


@dataclass(frozen=True, slots=True)
class Balances:
    """What the wallet holds on the payments chain, and what Permit2 may move of its OPG.

    ``coin`` is the chain's own coin, which pays for transactions; calls do not need any.
    """

    address: Address
    opg: Amount
    coin: Amount
    allowance: Amount


class Wallet:
    """``client.wallet``."""

    def __init__(self, work: CallWork) -> None:
        self._work = work

    @property
    def address(self) -> Address:
        """The account that pays."""
        return self._work.core.signer.address

    async def balances(self) -> Balances:
        """Return what the wallet holds.

        **Money**: free. **Trust**: what the configured RPC endpoint says.

        Raises:
            ChainError: The payments chain could not be asked.

        Example:
            >>> funds = await client.wallet.balances()
            >>> print(funds.opg, "and", funds.coin)
            10 OPG and 1 ETH
        """
        core = self._work.core
        funds = await core.allowance.funds()
        coin = await core.chains.payments.rpc.get_balance(self.address)
        return Balances(
            address=self.address,
            opg=Amount(funds.balance),
            coin=Amount(coin, core.config.profile.payments.coin, 18),
            allowance=Amount(funds.allowance),
        )

    async def ensure_allowance(self, amount: Money | None = None) -> Amount:
        """Make sure that Permit2 may move at least ``amount`` of the wallet's OPG; return how much.

        Calls do this by themselves, without any coin where the node sponsors it; this is for
        wallets that want it done before. ``amount`` is one session's cap where it is not given.

        **Money**: sends one ``approve`` transaction if the allowance is smaller: a bounded amount,
        never unlimited; it costs the chain's fee.

        Raises:
            AllowanceError: The wallet has no coin for the fee.
            PolicyRejectedError: ``amount`` is more than the rules let Permit2 have.
            ChainError: The chain could not be asked, or the transaction failed.

        Example:
            >>> await client.wallet.ensure_allowance("0.5 OPG")
            Amount('0.5 OPG')
        """
        core = self._work.core
        cap = core.config.profile.session_cap
        wanted = cap if amount is None else Amount.parse(amount).atoms
        allowance = (await core.allowance.funds()).allowance
        if allowance >= wanted:
            return Amount(allowance)
        granted = wanted if amount is not None else max(wanted, core.policy.max_approval)
        await core.allowance.approve(granted)
        return Amount(granted)
