"""What people do through the APIs: merge, unmerge, tags, notes."""

from __future__ import annotations

from services.ops.demo.people import Person
from services.ops.demo.register import Register
from services.ops.demo.scenes import shop
from services.ops.demo.watcher import Watcher
from tests.e2e import steps
from tests.e2e.steps import Customer
from tests.e2e.system import Tuttu


async def _buyer(tuttu: Tuttu, register: Register, updates: Watcher) -> tuple[Person, Customer]:
    person = tuttu.cast.newcomer()
    await steps.send(register, shop.order(tuttu.cast, person))
    return person, await steps.update_of(updates, person, steps.bought(1))


async def test_a_tag_by_hand_shows_who_gave_it(tuttu: Tuttu, register: Register, updates: Watcher) -> None:
    person, customer = await _buyer(tuttu, register, updates)
    path = f"/tagging-rules/contacts/{customer['customer_id']}/tags"
    outcome = await register.post(path, {"add": ["vip"]}, command=True)
    assert outcome["status"] == "done"
    await steps.update_of(updates, person, lambda customer: customer["tags"] == ["asiakas", "vip"])
    held = {tag["tag"]: tag["by"] for tag in (await register.get(path))["tags"]}
    assert (held["vip"]["kind"], held["vip"]["author"]) == ("hand", "key:admin")
    assert (held["asiakas"]["kind"], held["asiakas"]["rule_name"]) == ("rule", "Osto tekee asiakkaan")


async def test_a_call_that_is_written_down_joins_the_history(
    tuttu: Tuttu, register: Register, updates: Watcher
) -> None:
    person, customer = await _buyer(tuttu, register, updates)
    path = f"/activity/contacts/{customer['customer_id']}"
    await register.post(f"{path}/activities", {"name": "call", "text": "Kysyi toimituksesta"}, command=True)
    await steps.update_of(updates, person, lambda customer: steps.counts(customer) == {"call": 1, "purchase": 1})
    timeline = await register.get(f"{path}/timeline", name="call")
    assert [(event["text"], event["author"]) for event in timeline["events"]] == [("Kysyi toimituksesta", "key:admin")]


async def test_merge_and_unmerge_move_history_and_tags_and_restore_them(
    tuttu: Tuttu, register: Register, updates: Watcher
) -> None:
    one, left = await _buyer(tuttu, register, updates)
    other, right = await _buyer(tuttu, register, updates)
    tags = f"/tagging-rules/contacts/{right['customer_id']}/tags"
    await register.post(tags, {"add": ["vip"]}, command=True)
    right = await steps.update_of(updates, other, lambda customer: "vip" in customer["tags"])
    cents = sum(each["activity"]["sales"][0]["amount_minor"] for each in (left, right))

    parted = await steps.records_of(register, right["customer_id"])
    merged = await steps.merge(register, left["customer_id"], right["customer_id"])
    both = await steps.update_of(
        updates,
        one,
        lambda each: steps.is_of(each, other) and each["tags"] == ["asiakas", "vip"] and steps.bought(2)(each),
    )
    assert both["customer_id"] == merged["contact_id"]
    assert both["activity"]["sales"][0]["amount_minor"] == cents
    absorbed = ({left["customer_id"], right["customer_id"]} - {both["customer_id"]}).pop()
    gone = await steps.gone(updates, absorbed)
    assert (gone["merged_into"], gone["name"], gone["tags"]) == (both["customer_id"], None, [])
    read = await register.get(f"/directory/contacts/{absorbed}")
    assert (read["customer_id"], read["redirected_from"]) == (both["customer_id"], absorbed)
    timeline = await register.get(f"/activity/contacts/{absorbed}/timeline")
    assert timeline["contact_id"] == both["customer_id"]
    assert [event["name"] for event in timeline["events"]] == ["purchase", "purchase"]

    await register.post(f"/dedupe/contacts/{both['customer_id']}/unmerge", {"records": parted}, command=True)
    for person, before in ((one, left), (other, right)):
        after = await steps.update_of(
            updates,
            person,
            lambda each, before=before: _same(each) == _same(before),  # type: ignore[misc]
        )
        assert after["version"] > before["version"]
        assert _same(await register.get(f"/directory/contacts/{before['customer_id']}")) == _same(before)
        timeline = await register.get(f"/activity/contacts/{before['customer_id']}/timeline")
        assert [event["name"] for event in timeline["events"]] == ["purchase"]


async def test_a_merge_of_what_has_changed_meanwhile_is_refused(
    tuttu: Tuttu, register: Register, updates: Watcher
) -> None:
    _, left = await _buyer(tuttu, register, updates)
    _, right = await _buyer(tuttu, register, updates)
    path = f"/dedupe/contacts/{left['customer_id']}"
    seen = (await register.get(path))["version"]
    body = {"with": right["customer_id"], "versions": {left["customer_id"]: seen + 1}}
    headers = {"Idempotency-Key": "a merge of what was seen otherwise"}
    answer = await register.call("POST", f"{path}/merge", json=body, headers=headers, fine=[409])
    assert answer["status_code"] == 409
    await steps.quiet(updates)
    for each in (left, right):
        assert (await register.get(f"/directory/contacts/{each['customer_id']}"))["redirected_from"] is None


def _same(customer: Customer) -> Customer:
    """A customer without what tells how often it changed."""
    return {
        name: customer[name]
        for name in customer
        if name not in ("version", "changed", "redirected_from", "status_code")
    }
