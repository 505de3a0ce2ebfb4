"""The pytest plugin: a Devnet, wallets and hostile nodes for the tests of your own program.

    async def test_my_program_pays_once(og_devnet, og_account, og_hostile_node):
        async with AsyncOpenGradient(signer=og_account, network=og_devnet.profile) as client:
            with og_hostile_node("accept-then-time-out"):
                ...

Every run of pytest loads this module where the package is installed, so it imports nothing of it
before a fixture is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from ..signers import Signer
    from .faults.catalogue import Fault
    from .faults.hosted import Striking
    from .hosted import HostedDevnet

_ALL: Final = "all"
_CONTROL: Final = "none"
_MARKER: Final = "og_faults"
_HOSTILE: Final = "og_hostile_node"
_ACCOUNT_OPG: Final = "10"
_ACCOUNT_ETH: Final = "1"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("opengradient", "OpenGradient: a hostile network on this machine")
    group.addoption(
        "--og-faults",
        metavar="NAMES",
        help="run each test that uses og_hostile_node once per fault: a comma list, or 'all'",
    )
    group.addoption(
        "--og-faults-seed",
        type=int,
        default=0,
        metavar="N",
        help="what chooses where a fault cuts, lies and breaks; the same seed, the same fault",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Describe the marker, and refuse options that mean nothing."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(*names): the faults that a test with {_HOSTILE} is run under, "
        "whatever --og-faults says",
    )
    chosen = config.getoption("--og-faults")
    if chosen is not None:
        _faults(chosen.split(","))
    if _seed(config) < 0:
        raise pytest.UsageError("--og-faults-seed must not be negative")


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say what would repeat this run."""
    chosen = config.getoption("--og-faults")
    if chosen is None:
        return None
    return f"opengradient: --og-faults={chosen} --og-faults-seed={_seed(config)}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test of a hostile node once per chosen fault."""
    if _HOSTILE not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker(_MARKER)
    chosen = metafunc.config.getoption("--og-faults")
    if marker is not None:
        names = _faults(marker.args)
    elif chosen is not None:
        names = _faults(chosen.split(","))
    else:
        return
    metafunc.parametrize(_HOSTILE, names, indirect=True)


@pytest.fixture(scope="session")
def og_devnet_options() -> dict[str, Any]:
    """What ``og_devnet`` is made with; override it in your ``conftest.py``.

    The arguments are those of ``Devnet``.
    """
    return {}


@pytest.fixture(scope="session")
def og_devnet(og_devnet_options: dict[str, Any]) -> Iterator[HostedDevnet]:
    """A whole network for all tests of the run, on a thread and an event loop of its own.

    So it serves tests with any event loop, or none.
    """
    try:
        from . import Devnet, HostedDevnet
    except ImportError as error:
        pytest.fail(f"og_devnet: {error}", pytrace=False)
    with HostedDevnet(Devnet(**og_devnet_options)) as net:
        yield net


@pytest.fixture
def og_account(og_devnet: HostedDevnet) -> Signer:
    """A wallet that nobody has used, with 10 OPG and 1 ETH: no test sees another's payments."""
    return og_devnet.new_account(opg=_ACCOUNT_OPG, eth=_ACCOUNT_ETH)


@pytest.fixture
def og_hostile_node(request: pytest.FixtureRequest, og_devnet: HostedDevnet) -> HostileNode:
    """The Devnet's first node, which fails on demand.

    Once for each fault that the option ``--og-faults`` or the marker ``og_faults`` names; without
    either once, with the control ``none``.
    """
    from .faults import FAULTS

    name: str = getattr(request, "param", _CONTROL)
    return HostileNode(og_devnet, FAULTS[name], _seed(request.config))


@dataclass(frozen=True, slots=True)
class HostileNode:
    """A handle on a node that can be told to fail.

    Attributes:
        net: The network of the node.
        fault: The fault that was chosen for this test.
        seed: The seed of the run.
    """

    net: HostedDevnet
    fault: Fault
    seed: int

    def __call__(
        self, name: str | None = None, *, seed: int | None = None, times: int = 1, node: int = 0
    ) -> Striking:
        """Return what strikes inside ``with`` or ``async with``: the chosen fault, or ``name``.

        ``seed`` is the run's if it is not given.

        Raises:
            ConfigurationError: On entering: there is no such fault or node.
        """
        return self.net.inject(
            name or self.fault.name,
            seed=self.seed if seed is None else seed,
            times=times,
            node=node,
        )


def _faults(names: Sequence[str]) -> list[str]:
    """Return the names of faults that a list means, each once.

    Raises:
        pytest.UsageError: One is none.
    """
    from .faults.catalogue import FAULTS

    wanted = [name.strip() for name in names]
    if wanted == [_ALL]:
        return list(FAULTS)
    for name in wanted:
        if name not in FAULTS:
            known = ", ".join(FAULTS)
            raise pytest.UsageError(f"there is no fault {name!r}; there are: {_ALL}, {known}")
    return list(dict.fromkeys(wanted))


def _seed(config: pytest.Config) -> int:
    return int(config.getoption("--og-faults-seed") or 0)
