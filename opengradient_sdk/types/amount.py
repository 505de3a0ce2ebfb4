"""Money: integer atoms of one asset, never a float."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Self

OPG: Final = "OPG"
OPG_DECIMALS: Final = 18
_TEXT = re.compile(r"\s*(\d[\d_]*(?:\.\d+)?)\s*([A-Za-z]*)\s*\Z", re.ASCII)
_MAX_DIGITS: Final = 78  # a uint256 has no more; 10**exponent must not eat the memory


@dataclass(frozen=True, slots=True, repr=False)
class Amount:
    """An amount of a token, held as integer atoms (1 OPG = 10^18 atoms).

    ``Amount(5)`` is five atoms; ``Amount.parse("0.1 OPG")`` is a tenth of a token. Amounts of
    different assets cannot be compared or added.

    Raises:
        TypeError: ``atoms`` is not an ``int`` (floats and booleans are refused: they lose atoms).
    """

    atoms: int
    symbol: str = OPG
    decimals: int = OPG_DECIMALS

    def __post_init__(self) -> None:
        if type(self.atoms) is not int:
            raise TypeError(
                f"an amount is a whole number of atoms (int), not {type(self.atoms).__name__}; "
                'write Amount.parse("0.1 OPG") for decimal tokens'
            )

    @classmethod
    def parse(
        cls, value: Amount | str | int | Decimal, *, symbol: str = OPG, decimals: int = OPG_DECIMALS
    ) -> Self:
        """Return the amount that ``value`` says.

        A string or ``Decimal`` counts tokens (``"0.1 OPG"``, ``"0.1"``); an ``int`` counts atoms.

        Raises:
            TypeError: A float or a boolean.
            ValueError: Not a number, negative, another symbol, or more decimals than the asset has.
        """
        if isinstance(value, Amount):
            if value.symbol != symbol:
                raise ValueError(f"an amount of {symbol} is needed, not of {value.symbol}")
            return cls(value.atoms, value.symbol, value.decimals)
        if not _says_money(value):
            raise TypeError(
                f"money is never a {type(value).__name__}: write a string such as '0.1 {symbol}', "
                "a Decimal of tokens, or an int of atoms"
            )
        if isinstance(value, int):
            return cls._checked(Decimal(value), 0, symbol, decimals, str(value))
        if isinstance(value, Decimal):
            return cls._checked(value, decimals, symbol, decimals, str(value))
        match = _TEXT.match(value)
        if match is None:
            raise ValueError(f"not an amount: {value!r}; write for example '0.1 {symbol}'")
        if match[2] and match[2].upper() != symbol.upper():
            raise ValueError(f"an amount of {symbol} is needed, not of {match[2]}")
        return cls._checked(Decimal(match[1]), decimals, symbol, decimals, value)

    @classmethod
    def _checked(cls, number: Decimal, shift: int, symbol: str, decimals: int, text: str) -> Self:
        if not number.is_finite() or number < 0:
            raise ValueError(f"an amount is finite and not negative: {text[:_MAX_DIGITS]}")
        if not number:
            return cls(0, symbol, decimals)
        if number.adjusted() >= _MAX_DIGITS:
            raise ValueError(f"no chain holds that much: {text[:_MAX_DIGITS]}…")
        _, digits, exponent = number.as_tuple()
        assert isinstance(exponent, int)  # a finite number has one
        places = -(exponent + shift)
        if places > len(digits):  # less than an atom; 10**places could be astronomical
            raise _too_fine(text, symbol, decimals)
        coefficient = int("".join(map(str, digits)))
        if places <= 0:
            return cls(coefficient * 10**-places, symbol, decimals)
        atoms, rest = divmod(coefficient, 10**places)
        if rest:
            raise _too_fine(text, symbol, decimals)
        return cls(atoms, symbol, decimals)

    @property
    def tokens(self) -> Decimal:
        """The amount in whole tokens, exact."""
        return Decimal(f"{self.atoms}E-{self.decimals}")  # scaleb would round to 28 digits

    def _same(self, other: Amount) -> None:
        if (self.symbol, self.decimals) != (other.symbol, other.decimals):
            raise ValueError(f"{self.symbol} and {other.symbol} do not mix")

    def __add__(self, other: Amount) -> Amount:
        self._same(other)
        return Amount(self.atoms + other.atoms, self.symbol, self.decimals)

    def __sub__(self, other: Amount) -> Amount:
        self._same(other)
        return Amount(self.atoms - other.atoms, self.symbol, self.decimals)

    def __lt__(self, other: Amount) -> bool:
        self._same(other)
        return self.atoms < other.atoms

    def __le__(self, other: Amount) -> bool:
        self._same(other)
        return self.atoms <= other.atoms

    def __gt__(self, other: Amount) -> bool:
        return other < self

    def __ge__(self, other: Amount) -> bool:
        return other <= self

    def __bool__(self) -> bool:
        return self.atoms != 0

    def __repr__(self) -> str:
        return f"Amount('{self}')"

    def __str__(self) -> str:
        whole, rest = divmod(abs(self.atoms), 10**self.decimals)
        fraction = f"{rest:0{self.decimals}d}".rstrip("0") if self.decimals else ""
        sign = "-" if self.atoms < 0 else ""
        return f"{sign}{whole}{'.' + fraction if fraction else ''} {self.symbol}"


def _says_money(value: object) -> bool:
    return isinstance(value, str | int | Decimal) and not isinstance(value, bool)


def _too_fine(text: str, symbol: str, decimals: int) -> ValueError:
    return ValueError(
        f"{text[:_MAX_DIGITS]} is finer than an atom ({symbol} has {decimals} decimals)"
    )
