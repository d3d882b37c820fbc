"""Whether it adds up: what was sent against what the public APIs and the stream of updates say."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from services.ops.demo.doors import FORMS, MAIL, SHOP, SITE, Refused
from services.ops.demo.register import Register, together
from services.ops.demo.tracker import Expected, Tracker, differences
from services.ops.demo.watcher import Watcher

_MOST_SHOWN = 20


@dataclass(frozen=True)
class Before:
    """What the register held before the day began."""

    contacts: int
    at: datetime


@dataclass
class Result:
    """What was found, and where it differs from what must be."""

    contacts: int = 0
    events: int = 0
    purchases: int = 0
    minor: int = 0
    tags: Counter[str] = field(default_factory=Counter)
    rejections: int = 0
    wrong: list[str] = field(default_factory=list)


def owner(customer: Mapping[str, Any], by_email: Mapping[str, int]) -> set[int]:
    """Whose this contact is, by the e-mail addresses that it holds; nobody's, one person's, or wrongly several."""
    return {
        by_email[each["value"]]
        for each in customer["identifiers"]
        if each["kind"] == "email" and each["value"] in by_email
    }


def standing(watcher: Watcher, by_email: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """The contacts of this run's people as the stream last told of them, without those that were merged away."""
    return {
        customer_id: customer
        for customer_id, customer in watcher.latest.items()
        if customer["merged_into"] is None and owner(customer, by_email)
    }


def by_stream(watcher: Watcher, expected: Expected, by_email: Mapping[str, int]) -> list[str]:
    """What the stream of updates told, against what must be known."""
    wrong: list[str] = []
    seen: Counter[int] = Counter()
    for customer_id, customer in standing(watcher, by_email).items():
        people = owner(customer, by_email)
        seen.update(people)
        if len(people) > 1:
            wrong.append(f"contact {customer_id} is of several people: {sorted(people)}")
            continue
        life = expected.lives.get(next(iter(people)))
        if life is None:
            wrong.append(f"contact {customer_id} is of somebody who sent nothing")
        else:
            wrong += [f"contact {customer_id}: {each}" for each in differences(customer, life)]
    for person in expected.lives:
        if seen[person] != 1:
            wrong.append(f"person {person} has {seen[person]} contacts")
    return wrong


async def by_api(
    register: Register, watcher: Watcher, tracker: Tracker, by_email: Mapping[str, int], before: Before
) -> Result:
    """Everything once more, asked of every service."""
    expected = tracker.expected()
    contacts = standing(watcher, by_email)
    result = Result(contacts=len(contacts), wrong=[*tracker.surprises, *watcher.errors])
    result.wrong += by_stream(watcher, expected, by_email)
    result.wrong += [f"contact {each} is new and nobody's" for each in _nobodys(watcher, by_email, before)]

    customers, summaries, tags, timelines = await asyncio.gather(
        together({each: register.get(f"/directory/contacts/{each}") for each in contacts}),
        together({each: register.get(f"/activity/contacts/{each}/summary") for each in contacts}),
        together({each: register.get(f"/tagging-rules/contacts/{each}/tags") for each in contacts}),
        together({each: _timeline(register, each) for each in contacts}),
    )
    found: Counter[UUID] = Counter()
    for each, streamed in contacts.items():
        result.wrong += [f"contact {each}: {one}" for one in _disagreements(streamed, customers[each])]
        summary, held = summaries[each], [tag["tag"] for tag in tags[each]["tags"]]
        if summary["counts"] != (streamed["activity"] or {"counts": {}})["counts"]:
            result.wrong.append(f"contact {each}: activity counts {summary['counts']}")
        if len(timelines[each]) != sum(summary["counts"].values()):
            result.wrong.append(f"contact {each}: {len(timelines[each])} events in the timeline, {summary['counts']}")
        if sorted(held) != streamed["tags"]:
            result.wrong.append(f"contact {each}: tagging-rules says {sorted(held)}")
        found.update(timelines[each])
        result.events += sum(summary["counts"].values())
        result.purchases += summary["counts"].get("purchase", 0)
        result.minor += sum(sale["amount_minor"] for sale in summary["sales"])
        result.tags.update(held)

    visits = await together({str(each): register.get(f"/activity/events/{each}") for each in expected.visits})
    result.events += len(visits)
    found.update(UUID(each) for each in visits)
    result.wrong += _events_amiss(found, tracker)
    if result.minor != expected.minor:
        result.wrong.append(f"sales are {result.minor} cents, {expected.minor} were sent")
    count = (await register.get("/directory/contacts/count"))["count"]
    if count - before.contacts != len(expected.lives):
        result.wrong.append(f"{count - before.contacts} contacts are new, {len(expected.lives)} people came")
    await _check_rejections(register, tracker, before, result)
    result.wrong = list(dict.fromkeys(result.wrong))
    return result


def _nobodys(watcher: Watcher, by_email: Mapping[str, int], before: Before) -> list[str]:
    return [
        customer_id
        for customer_id, customer in watcher.latest.items()
        if customer["merged_into"] is None
        and not owner(customer, by_email)
        and datetime.fromisoformat((customer["activity"] or {}).get("first_time") or "9999-01-01T00:00Z") >= before.at
    ]


async def _timeline(register: Register, contact_id: str) -> list[UUID]:
    path = f"/activity/contacts/{contact_id}/timeline"
    return [UUID(event["id"]) async for event in register.pages(path, "events")]


def _disagreements(streamed: Mapping[str, Any], read: Mapping[str, Any]) -> list[str]:
    """Where the last update and the directory's answer differ."""
    return [f"{name} is {read.get(name)!r} in the directory" for name in streamed if read.get(name) != streamed[name]]


def _events_amiss(found: Counter[UUID], tracker: Tracker) -> list[str]:
    names = {tracker.ids[key]: told for key, told in tracker.told.items() if key in tracker.ids}
    lost = [told for event, told in names.items() if not found[event]]
    twice = [event for event, count in found.items() if count > 1]
    strange = found.total() - len(tracker.told) - tracker.by_hand
    return [
        *(f"{told.name} {told.key} of {told.source} is in no timeline" for told in lost[:_MOST_SHOWN]),
        *(f"event {event} is in {found[event]} timelines" for event in twice[:_MOST_SHOWN]),
        *([f"{abs(strange)} events too {'many' if strange > 0 else 'few'} in the timelines"] if strange else []),
    ]


async def _check_rejections(register: Register, tracker: Tracker, before: Before, result: Result) -> None:
    kept: Counter[Refused] = Counter()
    async for each in register.pages("/intake/rejections", "rejections"):
        if datetime.fromisoformat(each["received_at"]) < before.at:
            break
        if each["source"] in (SHOP, SITE, MAIL, FORMS):
            kept[Refused(each["source"], each["reason"])] += each["times"]
    result.rejections = kept.total()
    for refused in kept.keys() | tracker.refused.keys():
        if kept[refused] != tracker.refused[refused]:
            what = f"rejections of {refused.source} as {refused.reason}"
            result.wrong.append(f"{kept[refused]} {what}, expected {tracker.refused[refused]}")
