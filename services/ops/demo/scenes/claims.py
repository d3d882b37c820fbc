"""Scenes at doors that are open to anybody: forms and mail. What they say is a claim."""

from __future__ import annotations

from collections.abc import Iterator

from services.ops.demo import doors, people, story
from services.ops.demo.cast import Cast
from services.ops.demo.doors import FORMS, MAIL, NEWSLETTER, QUOTE, Delivery, Told
from services.ops.demo.people import Person
from services.ops.demo.scenes import shop


def signup(cast: Cast, person: Person, name: str, email: str) -> Delivery:
    """A post of the newsletter's form, as it was typed; sent again it is the same."""
    at = cast.now()
    own_id = f"{person.number}-{int(at.timestamp() * 1000)}"
    values = {"nimi": name, "sahkoposti": email, "lupa": "on", "kotisivu": "", "_id": own_id}
    told = Told(FORMS, own_id, "signup", person.number, tags=("uutiskirjeen tilaaja",))
    return doors.form(NEWSLETTER, values, told=(told,))


def newsletter(cast: Cast) -> Iterator[Delivery]:
    """Somebody subscribes, and orders later."""
    person = cast.newcomer()
    posted = signup(cast, person, person.name, person.email)
    yield posted
    if cast.rng.random() < 0.5:
        yield posted  # a double click
    if cast.rng.random() < 0.6:
        yield shop.order(cast, person)
        cast.customers.append(person)


def customer_subscribes(cast: Cast) -> Iterator[Delivery]:
    """A customer subscribes; Mäkinen is Maekinen on that keyboard."""
    person = cast.customer()
    if person is not None:
        yield signup(cast, person, people.written_out(person.name), person.email.upper())


def _quote(cast: Cast, person: Person, name: str, phone: str, email: str) -> Delivery:
    company, need = cast.rng.choice(story.QUOTES)
    own_id = f"{person.number}-q-{int(cast.now().timestamp() * 1000)}"
    values = {"nimi": name, "yritys": company, "puhelin": phone, "sahkoposti": email, "tarve": need, "_id": own_id}
    told = Told(FORMS, own_id, "quote_request", person.number, tags=("tarjouspyyntö",))
    return doors.form(QUOTE, values, told=(told,))


def quote(cast: Cast) -> Iterator[Delivery]:
    """Somebody new asks for a quote."""
    person = cast.newcomer()
    yield _quote(cast, person, person.name, person.phone_at_home, person.email)


def customer_asks_quote(cast: Cast) -> Iterator[Delivery]:
    """A customer asks for a quote and leaves the phone number alone."""
    person = cast.customer()
    if person is not None:
        yield _quote(cast, person, people.without_dots(person.name), person.phone, "")


def mail(cast: Cast, person: Person) -> Delivery:
    """A mail to the shop, one of the usual ones."""
    subject, text = cast.rng.choice(story.MAILS)
    at = cast.now().replace(microsecond=0)
    number = f"{person.number:08x}-0000-4000-8000-{int(cast.now().timestamp() * 1000):012x}"
    return doors.postmark(
        key=cast.credentials.mail_key,
        message_id=number,
        sender=(person.name, person.email),
        subject=subject,
        text=f"{text}\n\n{person.name}",
        at=at,
        told=(Told(MAIL, number, "email_received", person.number),),
    )


def stranger_writes(cast: Cast) -> Iterator[Delivery]:
    """A mail from somebody new; Postmark sends it twice."""
    sent = mail(cast, cast.newcomer())
    yield sent
    yield sent


def customer_writes(cast: Cast) -> Iterator[Delivery]:
    person = cast.customer()
    if person is not None:
        yield mail(cast, person)
