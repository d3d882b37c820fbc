"""Merge and unmerge: what people decide is appended, and who is who is worked out anew."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.dedupe import messages, store
from services.dedupe.domain.decisions import Pairs
from services.dedupe.domain.decisions import decide as pairs_of
from services.dedupe.domain.evidence import BOUND, Assertion
from services.dedupe.matching import Matching
from services.kit import commands
from services.kit.database import Connection
from services.kit.envelope import Received

MOST_PAIRS = 100_000
"""Pairs of records that one command may be about."""

Command = Received[messages.Decision]


async def decide(
    connection: Connection, received: Sequence[Command], *, ranks: Mapping[str, int], bound: int = BOUND
) -> Iterable[UUID]:
    """Carry out commands in the order given; those that concern the same contacts one after the other."""
    await store.lock_matching(connection)
    waiting = await commands.new_only(connection, received)
    changed: set[UUID] = set()
    while waiting:
        named = {id for one in waiting for id in (*one.data.left, *one.data.right)}
        contact_of = {id: place.contact_id for id, place in (await store.memberships(connection, named)).items()}
        count = _independent(waiting, contact_of)
        changed |= await _decide_together(connection, waiting[:count], contact_of, ranks, bound)
        waiting = waiting[count:]
    return changed


def _independent(waiting: Sequence[Command], contact_of: Mapping[UUID, UUID]) -> int:
    """How many of the commands, from the first on, concern no contact twice."""
    concerned: set[UUID] = set()
    for count, one in enumerate(waiting):
        records = (*one.data.left, *one.data.right)
        contacts = {contact_of.get(id, id) for id in records} | one.data.versions.keys()
        if not contacts.isdisjoint(concerned):
            return count
        concerned |= contacts
    return len(waiting)


@dataclass(frozen=True, slots=True)
class _Accepted:
    command_id: UUID
    decision: messages.Decision
    pairs: Pairs


async def _decide_together(
    connection: Connection,
    together: Sequence[Command],
    contact_of: Mapping[UUID, UUID],
    ranks: Mapping[str, int],
    bound: int,
) -> set[UUID]:
    seen = await store.versions(connection, {id for one in together for id in one.data.versions})
    outcomes: dict[UUID, commands.Outcome] = {}
    accepted: list[Command] = []
    for one in together:
        command_id = UUID(one.event.id)
        if (reason := refusal(one.data, contact_of.keys(), seen)) is not None:
            outcomes[command_id] = commands.Outcome(command_id=command_id, status="refused", detail=reason)
        else:
            accepted.append(one)
    changed = await _carry_out(connection, accepted, ranks, bound)
    outcomes |= {one.command_id: one for one in await _done(connection, accepted)}
    await commands.save(connection, [outcomes[UUID(one.event.id)] for one in together])
    return changed


def refusal(decision: messages.Decision, known: Collection[UUID], versions: Mapping[UUID, int]) -> str | None:
    """Why a decision cannot be carried out; None when it can. `versions` are those of contacts as they are."""
    for id in (*decision.left, *decision.right):
        if id not in known:
            return f"There is no record {id}."
    if not set(decision.left).isdisjoint(decision.right):
        return "A record is on both sides."
    if len(decision.left) * len(decision.right) > MOST_PAIRS:
        return f"These are more than {MOST_PAIRS} pairs of records; decide over fewer at a time."
    for id, version in decision.versions.items():
        now = versions.get(id)
        if now is None:
            return f"There is no contact {id}."
        if now != version:
            return f"The contact has changed since you looked (version {version}, now {now}). Look again and repeat."
    return None


async def _carry_out(
    connection: Connection, accepted: Sequence[Command], ranks: Mapping[str, int], bound: int
) -> set[UUID]:
    if not accepted:
        return set()
    numbers = await store.add_decisions(
        connection,
        [
            store.Decision(
                number=0,
                command_id=UUID(one.event.id),
                verdict="must" if _is_merge(one) else "cannot",
                left=one.data.left,
                right=one.data.right,
                author=one.data.author,
                reason=one.data.reason,
                at=one.event.time,
            )
            for one in accepted
        ],
    )
    held: list[Assertion] = []
    lifted: list[Assertion] = []
    for one in accepted:
        number = numbers[UUID(one.event.id)]
        pairs = pairs_of(must=_is_merge(one), left=one.data.left, right=one.data.right)
        held += [Assertion(a, b, pairs.must, number) for a, b in pairs.held]
        lifted += [Assertion(a, b, pairs.must, number) for a, b in pairs.lifted]
    await store.save_assertions(connection, held, lifted)
    matching = Matching(connection, bound=bound, ranks=ranks)
    matching.decide_anew(id for one in accepted for id in (*one.data.left, *one.data.right))
    return await matching.settle()


async def _done(connection: Connection, accepted: Sequence[Command]) -> list[commands.Outcome]:
    firsts = {id for one in accepted for id in (one.data.left[0], one.data.right[0])}
    places = await store.memberships(connection, firsts)
    versions = await store.versions(connection, {place.contact_id for place in places.values()})
    return [
        commands.Outcome(
            command_id=UUID(one.event.id),
            status="done",
            result=messages.Decided(
                contact_id=(left := places[one.data.left[0]].contact_id),
                version=versions.get(left, 0),
                parted=None if _is_merge(one) else places[one.data.right[0]].contact_id,
            ),
        )
        for one in accepted
    ]


def _is_merge(one: Command) -> bool:
    return isinstance(one.data, messages.MergeContacts)
