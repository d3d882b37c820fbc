"""HTTP in, customer updates out: the whole way on real Kafka and PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import segment.analytics

from services.ops.demo import doors, people
from services.ops.demo.doors import NEWSLETTER, SITE
from services.ops.demo.register import Register
from services.ops.demo.scenes import claims, shop
from services.ops.demo.watcher import Watcher
from tests.e2e import steps
from tests.e2e.system import Tuttu


async def test_an_order_becomes_a_customer_update_with_the_tag_asiakas(
    tuttu: Tuttu, register: Register, updates: Watcher
) -> None:
    person = tuttu.cast.newcomer()
    order = shop.order(tuttu.cast, person)
    await steps.send(register, order)

    customer = await steps.update_of(updates, person, steps.bought(1))
    assert customer["name"] == person.name
    assert customer["tags"] == ["asiakas"]
    assert customer["phase"] == "customer"
    sales = customer["activity"]["sales"]
    assert [(sale["currency"], sale["amount_minor"]) for sale in sales] == [("EUR", order.told[0].minor)]
    assert await steps.contact_of(register, person) == [customer]


async def test_a_signup_with_the_same_address_joins_that_contact_as_a_claim(
    tuttu: Tuttu, register: Register, updates: Watcher
) -> None:
    person = tuttu.cast.newcomer()
    await steps.send(register, shop.order(tuttu.cast, person))
    before = await steps.update_of(updates, person, steps.bought(1))
    await steps.send(register, claims.signup(tuttu.cast, person, people.written_out(person.name), person.email.upper()))

    after = await steps.update_of(updates, person, lambda customer: "uutiskirjeen tilaaja" in customer["tags"])
    after = await steps.update_of(updates, person, lambda customer: "signup" in steps.counts(customer))
    assert after["customer_id"] == before["customer_id"]
    assert after["name"] == person.name, "a claim outranks nothing"
    assert not any(each["granted"] for each in after["consents"]), "nor grants consent in another's name"
    assert len(await steps.contact_of(register, person)) == 1
    contact = await register.get(f"/dedupe/contacts/{after['customer_id']}")
    assert sorted(member["claimed"] for member in contact["members"]) == [False, True]


async def test_what_the_stock_segment_library_sends_arrives(tuttu: Tuttu, updates: Watcher) -> None:
    person = tuttu.cast.newcomer()

    def use_the_library() -> None:
        failures: list[object] = []
        client = segment.analytics.Client(
            tuttu.cast.credentials.site_key,
            host=f"{tuttu.url}/intake",
            on_error=lambda error, items: failures.append(error),
        )
        client.page(anonymous_id=person.browser_id, name="Kahvit")
        client.identify(person.user_id, {"name": person.name, "email": person.email}, anonymous_id=person.browser_id)
        client.track(person.user_id, "Order Completed", {"order_id": "7", "total": 17.9, "currency": "EUR"})
        client.shutdown()
        assert not failures

    await asyncio.to_thread(use_the_library)
    customer = await steps.update_of(updates, person, lambda customer: len(steps.counts(customer)) == 3)
    assert steps.counts(customer) == {"identify": 1, "page_view": 1, "purchase": 1}
    assert customer["activity"]["sales"][0]["amount_minor"] == 1790
    await steps.update_of(updates, person, steps.bought(1))


async def test_with_a_wrong_key_nothing_flows(tuttu: Tuttu, register: Register, updates: Watcher) -> None:
    person = tuttu.cast.newcomer()
    call = {"type": "identify", "userId": person.user_id, "traits": {"email": person.email}}
    for key in ("tuttu_0000000000_vaara", "", tuttu.cast.credentials.mail_key + "x"):
        batch = doors.segment([call], key=key, sent=tuttu.cast.now(), status=401)
        await steps.send(register, batch)
    # Another's follows the same way: what was refused would have come by now.
    await steps.send(register, shop.order(tuttu.cast, other := tuttu.cast.newcomer()))
    await steps.update_of(updates, other, steps.bought(1))
    assert await steps.contact_of(register, person) == []


async def test_an_order_with_a_wrong_signature_is_kept_without_an_event(
    tuttu: Tuttu, register: Register, updates: Watcher
) -> None:
    person = tuttu.cast.newcomer()
    order = shop.order(tuttu.cast, person)
    headers = {**order.headers, "X-Shopify-Hmac-SHA256": "bm90IHNpZ25lZA=="}
    await steps.send(register, replace(order, headers=headers, status=401))
    kept = await register.get("/intake/rejections", source=doors.SHOP, reason="unsigned", limit=1)
    whole = await register.get(f"/intake/rejections/{kept['rejections'][0]['id']}")
    assert whole["body"].encode() == order.content
    assert "bm90IHNpZ25lZA==" not in str(whole), "without its secrets"
    await steps.quiet(updates)
    assert await steps.contact_of(register, person) == []


async def test_bad_input_is_kept_and_flows_once_it_is_corrected(
    tuttu: Tuttu, register: Register, updates: Watcher
) -> None:
    person = tuttu.cast.newcomer()
    bad = doors.form(NEWSLETTER, {"nimi": person.name, "sahkoposti": "ei ole", "lupa": "on"}, status=422)
    [answer] = await steps.send(register, bad)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["field"] == "sahkoposti"

    listed = await register.get("/intake/rejections", status="open", limit=50)
    kept = next(each for each in listed["rejections"] if each["id"] in answer.json()["detail"])
    assert (kept["reason"], kept["field"]) == ("invalid", "sahkoposti")
    whole = await register.get(f"/intake/rejections/{kept['id']}")
    corrected = whole["body"].replace("ei+ole", person.email.replace("@", "%40"))
    replayed = await register.post(f"/intake/rejections/{kept['id']}/replay", {"body": corrected})
    assert len(replayed["event_ids"]) == 1

    customer = await steps.update_of(updates, person, lambda customer: steps.counts(customer) == {"signup": 1})
    assert "uutiskirjeen tilaaja" in (await steps.update_of(updates, person, lambda each: each["tags"]))["tags"]
    event = await register.get(f"/activity/events/{replayed['event_ids'][0]}")
    assert event["contact_id"] == customer["customer_id"]
    settled = await register.get(f"/intake/rejections/{kept['id']}")
    assert settled["status"] == "replayed"


async def test_a_repeated_delivery_changes_nothing(tuttu: Tuttu, register: Register, updates: Watcher) -> None:
    cast = tuttu.cast
    buyer, reader, writer, visitor = (cast.newcomer() for _ in range(4))
    call = {
        "type": "identify",
        "messageId": f"login-{visitor.number}",
        "userId": visitor.user_id,
        "timestamp": doors.stamp(cast.now()),
        "traits": {"email": visitor.email},
    }
    deliveries = [
        shop.order(cast, buyer),
        claims.signup(cast, reader, reader.name, reader.email),
        claims.mail(cast, writer),
        doors.segment([call], key=cast.credentials.site_key, sent=cast.now()),
    ]
    first = await steps.send(register, *deliveries)
    for person in (buyer, reader, writer, visitor):
        await steps.update_of(updates, person, steps.counts)
    await steps.update_of(updates, buyer, steps.bought(1))
    await steps.update_of(updates, reader, lambda customer: customer["phase"] == "prospect")
    await steps.update_of(updates, writer, lambda customer: customer["phase"] == "lead")
    await steps.quiet(updates)
    before = {person: (await steps.contact_of(register, person))[0] for person in (buyer, reader, writer, visitor)}

    second = await steps.send(register, *deliveries)
    assert [each.json() for each in second] == [each.json() for each in first]
    await steps.quiet(updates)
    for person, customer in before.items():
        assert await steps.contact_of(register, person) == [customer]


async def test_a_visit_before_the_login_belongs_to_the_person_afterwards(
    tuttu: Tuttu, register: Register, updates: Watcher
) -> None:
    cast = tuttu.cast
    person = cast.newcomer()
    page = {"type": "page", "anonymousId": person.browser_id, "name": "Teet", "timestamp": doors.stamp(cast.now())}
    await steps.quiet(updates)
    before = updates.total
    await steps.send(register, doors.segment([page], key=cast.credentials.site_key, sent=cast.now()))
    await steps.quiet(updates)
    assert updates.total == before, "a visit makes no contact"
    login = {
        "type": "identify",
        "anonymousId": person.browser_id,
        "userId": person.user_id,
        "timestamp": doors.stamp(cast.now()),
        "traits": {"email": person.email},
    }
    await steps.send(register, doors.segment([login], key=cast.credentials.site_key, sent=cast.now()))
    customer = await steps.update_of(updates, person, lambda customer: len(steps.counts(customer)) == 2)
    timeline = await register.get(f"/activity/contacts/{customer['customer_id']}/timeline")
    assert [event["name"] for event in timeline["events"]] == ["identify", "page_view"]
    assert {event["source"] for event in timeline["events"]} == {SITE}
