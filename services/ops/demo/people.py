"""The people of the demo: an endless row of imaginary Finns, each the same whenever the row is walked again.

A person's number decides everything that tells the person from others, so that each run takes the next numbers and
meets nobody from an earlier one.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import cache

from services.ops.demo import names

_ASCII = str.maketrans("äöåÄÖÅ", "aoaAOA")
_WRITTEN_OUT = str.maketrans({"ä": "ae", "ö": "oe", "å": "aa", "Ä": "Ae", "Ö": "Oe", "Å": "Aa"})
_PHONES = 1_000_000
# Without a common factor with the number of phones: neighbours get numbers far apart, and no two the same.
_STRIDE = 618_033


@dataclass(frozen=True)
class Person:
    """An imaginary customer."""

    number: int
    given: str
    family: str
    email: str
    phone: str
    """The subscriber's digits, from 0400000000 on."""
    street: str
    postcode: str
    city: str

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}"

    @property
    def shop_id(self) -> int:
        """The customer's number in the web shop."""
        return 7_100_000_000 + self.number

    @property
    def user_id(self) -> str:
        """The login on the site."""
        return f"user-{10_000 + self.number}"

    @property
    def browser_id(self) -> str:
        """The visitor's cookie on the site."""
        return f"selain-{self.number:06x}"

    @property
    def phone_abroad(self) -> str:
        return f"+358 {self.phone[1:3]} {self.phone[3:6]} {self.phone[6:]}"

    @property
    def phone_at_home(self) -> str:
        return f"{self.phone[:3]}-{self.phone[3:6]} {self.phone[6:]}"


def without_dots(name: str) -> str:
    """As people type who lack the letters: Mäkinen → Makinen."""
    return name.translate(_ASCII)


def written_out(name: str) -> str:
    """As passports and airlines have it: Mäkinen → Maekinen."""
    return name.translate(_WRITTEN_OUT)


def person(number: int) -> Person:
    """The person of this number in the row."""
    pairs = _pairs()
    round_, place = divmod(number, len(pairs))
    given, family = pairs[place]
    rng = random.Random(f"person/{number}")
    postcode, city = rng.choice(names.TOWNS)
    # In the second round names come again; they add a number to their address, as people do.
    mailbox = without_dots(f"{given}.{family}".lower()) + (str(round_ + 1) if round_ else "")
    return Person(
        number=number,
        given=given,
        family=family,
        email=f"{mailbox}@example.fi",
        phone=f"0400{(number + 1) * _STRIDE % _PHONES:06}",
        street=f"{rng.choice(names.STREETS)} {rng.randint(1, 60)} {rng.choice('ABCD')} {rng.randint(1, 40)}",
        postcode=postcode,
        city=city,
    )


def housemate(of: Person, other: Person) -> Person:
    """`other` as one who lives with `of`: the same family name, address and phone, an e-mail address of their own."""
    mailbox = without_dots(f"{other.given}.{of.family}".lower())
    return replace(
        other,
        family=of.family,
        email=f"{mailbox}.{other.number}@example.fi",
        phone=of.phone,
        street=of.street,
        postcode=of.postcode,
        city=of.city,
    )


@cache
def _pairs() -> list[tuple[str, str]]:
    pairs = [(given, family) for given in names.GIVEN for family in names.FAMILY]
    random.Random("people").shuffle(pairs)
    return pairs
