"""Events as hypothesis draws them: few people, so that they meet in every way."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

from hypothesis import strategies as st

from services.dedupe import messages
from tests.unit.dedupe.world import Event, claim, event, ref

T = TypeVar("T")

NAMES = ("Maija Meikäläinen", "Matti Virtanen", "M. Virtanen", "Maija Virtanen", "Wirtanen Matti", "")
EMAILS = ("maija@example.fi", "matti@example.fi", "info@example.fi")
PHONES = ("+358401111111", "+358402222222")

externals = st.builds(ref, st.just("external_id"), st.sampled_from("123"), st.sampled_from(("shop", "site")))
visitors = st.builds(ref, st.just("anonymous_id"), st.sampled_from("ab"), st.just("site"))


@st.composite
def addresses(draw: st.DrawFn) -> messages.SourceRecord:
    """A record that is keyed by its address, now and then claimed by somebody."""
    found = ref("email", draw(st.sampled_from(EMAILS)))
    claimed = draw(st.booleans())
    return messages.SourceRecord(id=found.id, source=found.source, kind="email", key=found.key, claimed=claimed)


consents = st.builds(
    messages.Consent,
    purpose=st.just("marketing"),
    channel=st.sampled_from(("email", "sms")),
    granted=st.booleans(),
    text_version=st.sampled_from((None, "1", "2")),
)


@st.composite
def events(draw: st.DrawFn) -> Event:
    name, email, phone = draw(st.sampled_from(NAMES)), draw(st.sampled_from(EMAILS)), draw(st.sampled_from(PHONES))
    claims = st.just(claim(email, name, draw(st.sampled_from(("form", "news")))))
    record = draw(st.one_of(externals, externals, claims, visitors, addresses()))
    is_claim = record.kind == "claim"
    fields = {
        **({"full_name": name} if name and (is_claim or draw(st.booleans())) else {}),
        **({"email": email} if is_claim or draw(st.integers(0, 3)) else {}),
        **({"phone": phone} if draw(st.booleans()) else {}),
        **({"city": draw(st.sampled_from(("Helsinki", "Oulu")))} if draw(st.booleans()) else {}),
    }
    if record.kind == "anonymous_id" and draw(st.integers(0, 4)):
        fields = {}
    links = st.one_of(visitors, visitors, externals, addresses(), claims)
    return event(
        record,
        fields,
        at=draw(st.integers(0, 5)),
        links=draw(st.lists(links, max_size=2)) if draw(st.booleans()) else (),
        verified=[field for field in fields if draw(st.integers(0, 4)) == 0],
        consents=draw(st.lists(consents, max_size=2)),
        id=str(draw(st.integers(0, 10_000))),
    )


histories = st.lists(events(), min_size=1, max_size=14, unique_by=lambda event: event.id)


@st.composite
def orders(draw: st.DrawFn, history: Sequence[Event]) -> list[Event]:
    """The same events in another order, some of them twice."""
    repeats = draw(st.lists(st.sampled_from(history), max_size=3))
    return draw(st.permutations([*history, *repeats]))


@st.composite
def batches(draw: st.DrawFn, items: Sequence[T]) -> list[list[T]]:
    """The items in their order, cut into batches."""
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(items) - 1)), max_size=5)))
    edges = [0, *(cut for cut in cuts if cut < len(items)), len(items)]
    return [list(items[low:high]) for low, high in pairwise(edges)]
