"""Configuration: argument, then environment, then profile; resolved once into a frozen value."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal, TypeAlias, cast, get_args
from urllib.parse import urlsplit

from .._core.clock import Clock
from .._core.store import check_location, default_folder, without_secrets
from ..errors import ConfigurationError
from ..ledger.content import ContentMode
from ..payments.budget import Budget, Money
from ..payments.rules import PaymentRules
from ..profiles import MAINNET, Profile, devnet_profile
from ..signers import Signer, signer_from
from ..types import Address, Bytes32
from ..verification.evidence import Assurance
from ..verification.policy import Policy, Required, policy_of

SettlementMode: TypeAlias = Literal["private", "batch", "individual"]
OnAmbiguous: TypeAlias = Literal["retry_same", "raise"]

DEFAULT_BUDGET: Final = "1 OPG"
DEFAULT_TIMEOUT: Final = 60.0


@dataclass(frozen=True, slots=True)
class Trust:
    """What the user takes for granted beyond the profile.

    ``registry_rpc_urls`` are compared with one another; ``measurements`` are the accepted PCR
    hashes (any that the registry approves where it is empty); ``attestation_root`` is the PEM
    certificate that attestation documents must chain to (the AWS Nitro root where it is ``None``).
    """

    registry_rpc_urls: tuple[str, ...] = ()
    measurements: frozenset[Bytes32] = frozenset()
    attestation_root: bytes | None = None


class StorePlace(str):
    """The path or the URL of a store; its ``repr`` has no password."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(without_secrets(str(self)))


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """Everything a client was told, resolved. Printable: no key and no password shows."""

    signer: Signer
    profile: Profile
    budget: Budget
    require: Policy
    trust: Trust
    rules: PaymentRules
    content: ContentMode
    settlement: SettlementMode
    on_ambiguous: OnAmbiguous
    timeout: float
    store: StorePlace
    store_key: str | None = field(repr=False)
    clock: Clock = field(repr=False)

    @classmethod
    def resolve(
        cls,
        *,
        signer: Signer,
        network: Profile | str | None,
        budget: Budget | Money | None,
        require: Required,
        trust: Trust | None,
        rules: PaymentRules | None,
        store: str | os.PathLike[str] | None,
        store_key: str | os.PathLike[str] | None,
        content: ContentMode,
        settlement: SettlementMode,
        on_ambiguous: OnAmbiguous,
        timeout: float,
        clock: Clock | None,
    ) -> ClientConfig:
        """Return the configuration that arguments, environment and profile make together.

        Raises:
            ConfigurationError: One of them cannot be used; the message names it.
            TypeError: The budget is a float.
        """
        profile = profile_of(network)
        _one_of("content", content, get_args(ContentMode))
        _one_of("settlement", settlement, get_args(SettlementMode))
        _one_of("on_ambiguous", on_ambiguous, get_args(OnAmbiguous))
        check_timeout(timeout)
        policy = policy_of(require)
        if policy.ceiling >= Assurance.ATTESTED and not (trust and trust.measurements):
            raise ConfigurationError(
                f"require={policy} needs the builds that you accept",
                hint="Pass trust=Trust(measurements=frozenset({Bytes32(pcr_hash), …})).",
            )
        if policy.may_follow:
            _check_can_settle(policy, settlement, profile)
        return cls(
            signer=signer,
            profile=profile,
            budget=_budget(budget, profile),
            require=policy,
            trust=trust or Trust(),
            rules=rules or PaymentRules(),
            content=content,
            settlement=settlement,
            on_ambiguous=on_ambiguous,
            timeout=float(timeout),
            store=store_place(store, profile),
            store_key=_store_key(store_key),
            clock=clock or profile.clock,
        )


def find_wallet(signer: Signer | str | None) -> Signer | ConfigurationError:
    """Return the argument or ``OG_PRIVATE_KEY`` as a signer, or what is wrong with it.

    It is returned, not raised: a traceback shows the locals of its frames, so every frame has to
    drop the text of a key first. ``or_raise`` comes after that.
    """
    if signer is None:
        signer = os.environ.get("OG_PRIVATE_KEY")
    if signer is None:
        return ConfigurationError(
            "no wallet: neither signer= nor OG_PRIVATE_KEY is set",
            hint="Set OG_PRIVATE_KEY to the key of a wallet that holds OPG, or pass signer=.",
        )
    try:
        return signer_from(signer)
    except ConfigurationError as error:
        return error.with_traceback(None)


def or_raise(wallet: Signer | ConfigurationError) -> Signer:
    """Return what ``find_wallet`` found.

    Raises:
        ConfigurationError: It found none that can sign.
    """
    if isinstance(wallet, ConfigurationError):
        raise wallet
    return wallet


def check_timeout(timeout: object) -> None:
    """Refuse what is no number of seconds above zero.

    Raises:
        ConfigurationError: It is none.
    """
    if isinstance(timeout, int | float) and not isinstance(timeout, bool) and timeout > 0:
        return
    raise ConfigurationError(f"timeout is {timeout!r}", hint="Pass a positive number of seconds.")


def _budget(value: Budget | Money | None, profile: Profile) -> Budget:
    value = DEFAULT_BUDGET if value is None else value  # 0 is a budget, and refused
    budget = value if isinstance(value, Budget) else Budget(value)
    budget.check_cap(profile.session_cap)
    return budget


def _store_key(value: object) -> str | None:
    key = os.environ.get("OG_STORE_KEY") if value is None else value
    if key is None:
        return None
    if isinstance(key, str | os.PathLike) and (place := str(cast(object, key))):
        return place
    raise ConfigurationError(
        "store_key is no place of a key",
        hint='Pass the path of a file that only you can read, or "keyring".',
    )


def store_place(store: str | os.PathLike[str] | None, profile: Profile) -> StorePlace:
    """Return where the store is: as given, else the network's own file in this user's state.

    Raises:
        ConfigurationError: It is no place.
    """
    if isinstance(store, str | os.PathLike):
        return StorePlace(check_location(os.fspath(store)))
    if store is not None:
        raise ConfigurationError(
            f"store is {store!r}", hint="Pass the path of a file, or postgresql://…"
        )
    folder = Path(profile.state_dir) if profile.state_dir else default_folder()
    return StorePlace(folder / f"{profile.name}-{profile.payments.chain_id}.sqlite")


def _check_can_settle(policy: Policy, settlement: SettlementMode, profile: Profile) -> None:
    """Refuse a policy that wants to see settled what never is, or what nobody here could see."""
    if settlement == "private":
        raise ConfigurationError(
            f"require={policy} wants hashes settled, and settlement='private' settles none",
            hint="Use settlement='batch' or 'individual', or leave Settled() out.",
        )
    if profile.settlement_relay is None:
        raise ConfigurationError(
            f"require={policy} needs the contract that records settled hashes",
            hint="Set OG_SETTLEMENT_RELAY to its address.",
        )
    if settlement == "batch" and not profile.blob_urls:
        raise ConfigurationError(
            f"require={policy} needs a store of blobs: without it nobody can look into a batch",
            hint="Set OG_BLOB_URL to the address of a Walrus aggregator.",
        )


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigurationError(f"{name} is {value!r}", hint=f"Use one of {', '.join(allowed)}.")


def profile_of(network: Profile | str | None) -> Profile:
    """Return the network that argument or environment name, with the environment's endpoints.

    Raises:
        ConfigurationError: There is no such network, or no endpoint of it.
    """
    # the environment holds the key: as a local variable it would show in tracebacks
    if isinstance(network, Profile):
        return network
    profile = _named_profile(network or os.environ.get("OG_NETWORK") or MAINNET.name)
    both = os.environ.get("OG_RPC_URL")
    payments = os.environ.get("OG_PAYMENT_RPC_URL") or both
    registry = os.environ.get("OG_REGISTRY_RPC_URL") or both
    if payments:
        urls = _urls("OG_PAYMENT_RPC_URL", payments)
        profile = replace(profile, payments=replace(profile.payments, rpc_urls=urls))
    if registry:
        urls = _urls("OG_REGISTRY_RPC_URL", registry)
        profile = replace(profile, registry=replace(profile.registry, rpc_urls=urls))
    if blobs := os.environ.get("OG_BLOB_URL"):
        profile = replace(profile, blob_urls=_urls("OG_BLOB_URL", blobs))
    if registry_address := _address("OG_TEE_REGISTRY", "lists the nodes"):
        profile = replace(profile, tee_registry=registry_address)
    if relay := _address("OG_SETTLEMENT_RELAY", "records settled hashes"):
        profile = replace(profile, settlement_relay=relay)
    for chain in (profile.payments, profile.registry):
        if not chain.rpc_urls:
            raise ConfigurationError(
                f"no RPC endpoint for {chain.name}",
                hint="Set OG_RPC_URL, or OG_PAYMENT_RPC_URL and OG_REGISTRY_RPC_URL; "
                "`ogsdk devnet up` prints them for its network.",
            )
    return profile


def _named_profile(name: str) -> Profile:
    kind, *ids = str(name).split(":")
    if kind == MAINNET.name and not ids:
        return MAINNET
    if kind == "devnet" and len(ids) <= 2 and all(part.isdecimal() for part in ids):
        chain_ids = [int(part) for part in ids]
        if not chain_ids:
            return devnet_profile()
        return devnet_profile(chain_id=chain_ids[0], registry_chain_id=chain_ids[-1])
    raise ConfigurationError(
        f"unknown network {name!r}",
        hint="Use mainnet, devnet, or devnet:<payments chain id>:<registry chain id>.",
    )


def _urls(name: str, text: str) -> tuple[str, ...]:
    urls = tuple(part.strip() for part in text.split(",") if part.strip())
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(
                f"{name} is not an http(s) address", hint="For example http://127.0.0.1:8545."
            )
    return urls


def _address(name: str, what: str) -> Address | None:
    text = os.environ.get(name)
    if not text:
        return None
    try:
        return Address(text)
    except ValueError as error:
        raise ConfigurationError(
            f"{name}: {error}", hint=f"It names the contract that {what}: 0x and 40 hex digits."
        ) from None
