"""Events of a small world, and the register that they make, worked out from the domain alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from services.dedupe import handlers, messages
from services.dedupe.domain import golden
from services.dedupe.domain.changes import LinkKey, changes
from services.dedupe.domain.decisions import Pairs, decide
from services.dedupe.domain.evidence import BOUND, Assertion, Holders, Link, Neighbourhood
from services.dedupe.domain.partition import partition
from services.dedupe.domain.records import Kind, Record, Standing
from services.kit import envelope, ids

SECRET = b"a test's secret"
START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def ref(kind: Kind, key: str, source: str = "shop") -> messages.SourceRecord:
    """A source record; those of kind claim are claimed, and visitors too when their source is the public site."""
    return messages.SourceRecord(
        id=ids.record_id(SECRET, source, kind, key), source=source, kind=kind, key=key, claimed=kind == "claim"
    )


def claim(email: str, name: str = "", source: str = "form") -> messages.SourceRecord:
    return ref("claim", f"{email}|{name.lower()}", source)


Event = envelope.CloudEvent[messages.Event]


def event(
    record: messages.SourceRecord,
    said: Mapping[str, str] | None = None,
    *,
    at: float = 0,
    links: Sequence[messages.SourceRecord] = (),
    verified: Sequence[str] = (),
    consents: Sequence[messages.Consent] = (),
    id: str | None = None,
    **fields: str,
) -> Event:
    """An event of `record` that says these fields, `at` days after the start."""
    time = START + timedelta(days=at)
    data = messages.Event(
        record=record,
        links=list(links),
        fields={**(said or {}), **fields},
        verified=list(verified),
        consents=list(consents),
    )
    event_id = ids.event_id(time, record.source, id or repr(msgspec.to_builtins(data)))
    return envelope.CloudEvent(
        id=str(event_id), source=f"/intake/{record.source}", type=messages.EVENT, time=time, data=data
    )


def received(events: Iterable[envelope.CloudEvent[Any]], topic: str = "events") -> list[envelope.Received[Any]]:
    """Events as the runtime hands them to a handler."""
    return [
        envelope.Received(envelope.Record(topic, 0, offset, None, envelope.encode(event)), event)
        for offset, event in enumerate(events)
    ]


Contacts = dict[UUID, golden.Golden]


def without_numbers(state: golden.Golden) -> golden.Golden:
    """A state without what depends on the way to it."""
    members = [msgspec.structs.replace(member, membership=0) for member in state.members]
    return msgspec.structs.replace(state, members=members)


@dataclass
class World:
    """A register in memory: everything is worked out anew from all that was ever said."""

    bound: int = BOUND
    records: dict[UUID, Record] = field(default_factory=dict)
    links: dict[LinkKey, Link] = field(default_factory=dict)
    decisions: list[messages.Decision] = field(default_factory=list)
    known: set[str] = field(default_factory=set)

    def hear(self, events: Iterable[Event]) -> World:
        fresh = {event.id: event for event in events if event.id not in self.known}
        self.known |= fresh.keys()
        said = [handlers.said(event) for event in fresh.values()]
        change = changes(said, self.records, self.links, bound=self.bound)
        self.records |= change.records
        self.links |= {(link.child, link.parent): link for link in change.links}
        return self

    def decide(self, decision: messages.Decision) -> World:
        self.decisions.append(decision)
        return self

    def assertions(self) -> list[Assertion]:
        held: dict[tuple[UUID, UUID], Assertion] = {}
        for number, decision in enumerate(self.decisions, 1):
            pairs: Pairs = decide(
                must=isinstance(decision, messages.MergeContacts), left=decision.left, right=decision.right
            )
            for a, b in pairs.lifted:
                if (a, b) in held and held[a, b].must is not pairs.must:
                    del held[a, b]
            held |= {(a, b): Assertion(a, b, pairs.must, number) for a, b in pairs.held}
        return list(held.values())

    def contact_of(self) -> dict[UUID, UUID]:
        """The contact of each record."""
        holders: dict[int, Holders] = {}
        for record in self.records.values():
            for key in record.keys:
                of_key = holders.setdefault(key, Holders([], []))
                chosen = of_key.claims if record.standing is Standing.CLAIM else of_key.verified
                assert isinstance(chosen, list)
                chosen.append(record.id)
        near = Neighbourhood(
            self.records,
            self.records.keys(),
            holders,
            self.links.values(),
            self.assertions(),
            bound=self.bound,
        )
        return partition(near)

    def contacts(self, ranks: Mapping[str, int] | None = None) -> Contacts:
        """The golden records of all contacts of which anything is known."""
        members: dict[UUID, list[Record]] = {}
        for id, contact_id in self.contact_of().items():
            members.setdefault(contact_id, []).append(self.records[id])
        return {id: golden.golden(those, ranks) for id, those in members.items() if golden.is_known(those)}
