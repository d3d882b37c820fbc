"""One coroutine per topic: load, decide, save, say which contacts are affected; `settle` then works those out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

import msgspec

from services.kit import commands, envelope, errors
from services.kit.commands import Outcome
from services.kit.database import Connection
from services.kit.envelope import Message, Received
from services.tagging_rules import messages, store
from services.tagging_rules.domain import evidence, standing, tags
from services.tagging_rules.domain.evidence import Assertion, HandTag, MarkKey, Marks, Membership
from services.tagging_rules.domain.rules import RuleBook
from services.tagging_rules.domain.standing import Standing

_encoder = msgspec.json.Encoder()
_NOTHING = _encoder.encode(Standing())


class Rules:
    """The rules in force, compiled once for each change."""

    def __init__(self) -> None:
        self._book = RuleBook.EMPTY

    async def in_force(self, connection: Connection) -> RuleBook:
        """The rules, which stay as they are until this transaction ends. The first lock that a batch takes."""
        stamp = await store.share_book(connection)
        if stamp != self._book.stamp:
            self._book = await store.load_book(connection, stamp)
        return self._book


class Handlers:
    """The handlers of one worker; `rules` is what they share between batches."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    async def contacts(
        self, connection: Connection, received: Sequence[Received[messages.ContactState]]
    ) -> Iterable[UUID]:
        """Take in who is whom, and the golden record."""
        await self._rules.in_force(connection)
        newest: dict[UUID, messages.ContactState] = {}
        said: dict[UUID, Membership] = {}
        for one in received:
            state = one.data
            if (other := newest.get(state.contact_id)) is None or other.version < state.version:
                newest[state.contact_id] = state
            for member in state.members:
                _say(said, member.record_id, Membership(state.contact_id, member.membership))
        placement = await store.place(connection, said)
        news = await store.save_seen(connection, newest.values())
        return news.union(placement.moved)

    async def resolved_events(
        self, connection: Connection, received: Sequence[Received[messages.EventResolved]]
    ) -> Iterable[UUID]:
        """Add up new events, and keep what they say about tags, under their records."""
        rules = await self._rules.in_force(connection)
        said: dict[UUID, Membership] = {}
        for one in received:
            data = one.data
            _say(said, data.event.data.record.id, Membership(data.contact_id, data.membership))
        placement = await store.place(connection, said)
        by_id = {one.data.event.id: one.data.event for one in reversed(received)}
        unseen = await store.new_events(connection, by_id)
        events = [event for event_id, event in by_id.items() if event_id in unseen]
        affected = set(placement.moved)
        if not events:
            return affected

        facts = evidence.facts_of(events)
        await store.add_facts(connection, facts)
        affected.update(placement.contact_of[record_id] for record_id, name, _ in facts if name in rules.facts)

        words: dict[MarkKey, Marks] = {}
        for event in events:
            for key, marks in rules.said_by(event).items():
                words[key] = words[key] | marks if key in words else marks
        if words:
            kept = await store.marks_of_records(connection, words)
            if changed := evidence.merged(kept, words):
                await store.save_marks(connection, changed)
                affected.update(placement.contact_of[record_id] for record_id, _ in changed)
        return affected

    async def tag_commands(
        self, connection: Connection, received: Sequence[Received[messages.ChangeTags | messages.RecomputeTags]]
    ) -> Iterable[UUID]:
        """Keep what people say about tags; work out contacts that are named."""
        await self._rules.in_force(connection)
        new = await commands.new_only(connection, received)
        outcomes: list[Outcome] = []
        affected: set[UUID] = set()
        changes: list[tuple[UUID, Received[messages.ChangeTags]]] = []
        said: dict[MarkKey, tuple[HandTag, str | None]] = {}
        for one in new:
            command_id, data = UUID(one.event.id), one.data
            if isinstance(data, messages.RecomputeTags):
                affected.update(data.contact_ids)
                result = {"contacts": len(data.contact_ids)}
                outcomes.append(Outcome(command_id=command_id, status="done", result=result))
                continue
            try:
                for tag, hand in _spoken(one).items():
                    key = data.contact_id, tag
                    if key not in said or evidence.latest(said[key][0], hand) is hand:
                        said[key] = hand, data.reason
            except errors.InvalidInput as error:
                outcomes.append(Outcome(command_id=command_id, status="refused", detail=error.detail))
            else:
                changes.append((command_id, one))
        if said:
            # A contact's id is that of its first record: there hand-made things stay, wherever the record goes. The
            # number 0 yields to whatever dedupe says.
            first_records = {record_id: Membership(record_id, 0) for record_id, _ in said}
            placement = await store.place(connection, first_records)
            await store.save_hand_tags(connection, said)
            affected.update(placement.contact_of.values(), placement.moved)
            for command_id, change in changes:
                contact_id = placement.contact_of[change.data.contact_id]
                outcomes.append(Outcome(command_id=command_id, status="done", result={"contact_id": contact_id}))
        await commands.save(connection, outcomes)
        return affected

    async def settle(self, connection: Connection, affected: Collection[UUID]) -> Collection[UUID]:
        """Work out what the affected contacts are now; those that changed get a new version."""
        rules = await self._rules.in_force(connection)
        before = await store.lock_contacts(connection, affected)
        if not before:
            return ()
        known = await store.evidence_of(connection, before, rules)
        changed: dict[UUID, bytes] = {}
        for contact_id, state in before.items():
            found = known.get(contact_id)
            now = _encoder.encode(standing.standing_of(found, rules)) if found is not None else _NOTHING
            # Of a contact that never was anything there is nothing to say.
            if now != (state or _NOTHING):
                changed[contact_id] = now
        if changed:
            await store.save_standings(connection, changed)
        return changed.keys()


def _say(said: dict[UUID, Membership], record_id: UUID, membership: Membership) -> None:
    other = said.get(record_id)
    if other is None or other.number < membership.number:
        said[record_id] = membership


def _spoken(received: Received[messages.ChangeTags]) -> dict[str, HandTag]:
    """What a command says about each tag. Raises `errors.InvalidInput`."""
    data = received.data
    by_hand = Assertion(received.event.time, UUID(received.event.id), data.contact_id, author=data.author)
    return {tag: HandTag(present, by_hand) for tag, present in tags.by_hand(data.add, data.remove, data.clear).items()}


async def contact_tags(connection: Connection, contact_ids: Sequence[UUID]) -> Sequence[Message]:
    """The present state of contacts, as `contact-tags` carries it."""
    return [
        envelope.message(
            "contact-tags",
            str(published.state.contact_id),
            envelope.CloudEvent(
                id=f"t-{published.state.contact_id}-{published.state.version}",
                source="/tagging-rules",
                type="tuttu.contact-tags",
                subject=str(published.state.contact_id),
                time=published.changed_at,
                data=published.state,
            ),
            version=published.state.version,
        )
        for published in await store.standings(connection, contact_ids)
    ]
