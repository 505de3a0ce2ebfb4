"""The network's contracts, typed, at the profile's addresses."""

from __future__ import annotations

from ..chain.contracts import (
    Erc20,
    ExactProxy,
    Multicall3,
    Permit2,
    SettlementRelay,
    TeeRegistry,
    UptoProxy,
)
from ..chain.rpc import Rpc
from ..errors import ConfigurationError
from ..profiles import Profile


class Contracts:
    """``client.contracts``: reads are ``async``; writes return a ``TxRequest`` and send nothing."""

    def __init__(self, payments: Rpc, registry: Rpc, profile: Profile) -> None:
        self._registry = registry
        self._profile = profile
        self.opg = Erc20(payments, profile.opg)
        self.permit2 = Permit2(payments, profile.permit2)
        self.upto_proxy = UptoProxy(payments, profile.upto_proxy)
        self.exact_proxy = ExactProxy(payments, profile.exact_proxy)
        self.multicall = Multicall3(payments, profile.multicall)
        self.tee_registry = TeeRegistry(registry, profile.tee_registry)

    @property
    def settlement_relay(self) -> SettlementRelay:
        """The relay of data settlements, on the registry's chain.

        Raises:
            ConfigurationError: The profile does not know its address.
        """
        address = self._profile.settlement_relay
        if address is None:
            raise ConfigurationError(
                f"the address of the settlement relay is not known on {self._profile.name}",
                hint="It is published by its operator only; put it into the profile.",
            )
        return SettlementRelay(self._registry, address)
