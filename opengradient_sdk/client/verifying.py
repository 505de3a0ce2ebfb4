"""A bundle held against the chains of a network, by somebody who has no client and no wallet."""

from __future__ import annotations

from collections.abc import Mapping

from .._core.http import HttpClient
from ..chain.rpc import Rpc
from ..ledger.bundle import BundleReport, OnlineSources, verify_online
from ..profiles import ChainProfile, Profile
from .config import Trust, profile_of


async def verify_on_chain(
    bundle: Mapping[str, object] | str | bytes,
    trust: Trust | None = None,
    *,
    network: Profile | str | None = None,
    timeout: float = 30.0,
) -> BundleReport:
    """Return what a bundle proves by itself, and by the word of a network's chains.

    **Money**: free, and needs no wallet. **Trust**: in what every configured endpoint says; the
    addresses are the network's, never the bundle's.

    Args:
        bundle: The document, as text or as parsed.
        trust: Accepted builds and attestation root, and further registry endpoints to compare.
        network: A profile or its name; ``OG_NETWORK`` and the endpoints of the environment where
            it is not given.
        timeout: Seconds for each answer of an endpoint.

    Raises:
        VerificationError: A check failed, or a chain shows that a claim is not so.
        ConfigurationError: There is no such network.
    """
    profile = profile_of(network)
    http = HttpClient()

    def each(chain: ChainProfile, *more: str) -> list[Rpc]:
        urls = dict.fromkeys((*chain.rpc_urls, *more))
        return [Rpc([url], http, chain_id=chain.chain_id, timeout=timeout) for url in urls]

    further = () if trust is None else trust.registry_rpc_urls
    sources = OnlineSources(profile, each(profile.registry, *further), each(profile.payments))
    try:
        return await verify_online(bundle, trust, sources)
    finally:
        await http.aclose()
