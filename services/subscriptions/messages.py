"""What subscriptions reads on `customers`; what it passes on is the customer as it came."""

from __future__ import annotations

from uuid import UUID

import msgspec

from services.kit import envelope

CUSTOMERS = "customers"
KINDS = ("created", "changed", "merged", "split", "erased")
_PREFIX = "tuttu.customer."


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    """`customers`: the public view of a customer, whole in every version."""

    customer_id: UUID
    version: int
    tags: tuple[str, ...]


class _Whole(msgspec.Struct):
    data: msgspec.Raw


_decode_whole = msgspec.json.Decoder(_Whole).decode


def kind_of(type: str) -> str:
    """What happened to the customer, from the type of the record."""
    return type.removeprefix(_PREFIX)


def body_of(value: bytes) -> str:
    """The customer inside a record, with all its fields, on one line."""
    body = bytes(_decode_whole(value).data)
    # Inside JSON's strings line ends are escaped: these only make it pretty.
    return (msgspec.json.format(body, indent=-1) if b"\n" in body or b"\r" in body else body).decode()


# What subscriptions reads: topic, type, struct of `data`.
READS = {CUSTOMERS: {_PREFIX + kind: Customer for kind in KINDS}}
WRITES: dict[str, dict[str, type[msgspec.Struct]]] = {}

decode_customer = envelope.decoder_by_type(READS[CUSTOMERS])
