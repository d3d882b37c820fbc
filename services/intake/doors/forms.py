"""HTML forms: any page may post to a form's own address, urlencoded, as multipart, or as JSON.

What a form says is a claim. Files are refused, not dropped in silence: nobody shall believe that an attachment arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from services.intake import normalise
from services.intake.domain import LONGEST_KEY, Draft, Form, FormField, Refusal, Source, claim
from services.intake.doors import reading
from services.intake.doors.reading import Reading
from services.intake.fields import canonical_name, check_requirements, missing, read_fields, unreadable_value
from services.intake.messages import Consent
from services.intake.plain import storable

MOST_INPUTS = 200
OWN_ID = "_id"
"""The hidden input that may hold an id of this very submission, so that sending it twice is one event."""

Values = dict[str, Any]
_objects = msgspec.json.Decoder(dict[str, Any])
_NO = ("", "0", "false", "no", "off", "ei", "nej")


@dataclass(frozen=True, slots=True)
class Terms:
    form: Form
    source: Source
    region: str


@dataclass(frozen=True, slots=True)
class Post:
    """One submission: its inputs, and the id that it has of itself, if any."""

    values: Values
    own_id: str | None


def parse(body: bytes, content_type: str | None, *, idempotency_key: str | None = None) -> Post:
    """The inputs of a form; several values of one name are a list. The header outranks the hidden input."""
    kind, options = parse_options_header(content_type)
    match kind:
        case b"application/json":
            values = storable(reading.decode(_objects, body), body)
        case b"multipart/form-data":
            values = _multipart(body, options.get(b"boundary"))
        case b"application/x-www-form-urlencoded" | b"":
            values = _urlencoded(body, options.get(b"charset", b"utf-8"))
        case _:
            raise Refusal(
                "unreadable",
                "a form is application/x-www-form-urlencoded, multipart/form-data or application/json, "
                f"not {kind.decode('latin-1')}",
                field="Content-Type",
            )
    if len(values) > MOST_INPUTS:
        raise Refusal("too_large", f"the form has more than {MOST_INPUTS} inputs")
    hidden = normalise.identifier(values.pop(OWN_ID, None))
    own_id = normalise.identifier(idempotency_key) or hidden
    if own_id and len(own_id) > LONGEST_KEY:
        raise Refusal("invalid", f"{OWN_ID} is longer than {LONGEST_KEY} characters", field=OWN_ID)
    return Post(values, own_id)


def read(post: Post, terms: Terms, *, new_id: Callable[[], str]) -> Reading:
    """The event of a submission. `new_id` makes the id of one that has none of its own."""
    form, values = terms.form, post.values
    source_event_id = post.own_id or new_id()
    if form.honeypot and normalise.text(values.get(form.honeypot)):
        raise Refusal("honeypot", f"{form.honeypot} was filled, which people do not see", field=form.honeypot)
    listed = {each.name: each for each in form.fields}
    for each in form.fields:
        _check(each, values.get(each.name), terms.region)
    meant = {name: _meaning(name, listed.get(name)) for name in values}
    known, unread = read_fields(
        ((canonical, values[name]) for name, canonical in meant.items() if canonical), terms.region
    )
    check_requirements(terms.source, known, {canonical: name for name, canonical in meant.items() if canonical})

    aside = {form.honeypot, form.consent.field if form.consent else None}
    properties: Values = {
        name: value
        for name, value in values.items()
        if name not in aside and meant[name] is None and value not in ("", None, [])
    }
    properties["form"] = form.name
    if unread:
        properties["unread"] = unread
    consents = _consents(form, values)
    if consents and form.consent:
        properties["consent_text"] = form.consent.text
    return Reading(
        [
            Draft(
                name=form.event,
                record=claim(known, otherwise=f"event:{source_event_id}"),
                source_event_id=source_event_id,
                original=None,
                made_id=post.own_id is None,
                fields=known,
                consents=consents,
                tags_add=form.tags_add,
                tags_remove=form.tags_remove,
                properties=properties,
            )
        ]
    )


def _check(field: FormField, value: Any, region: str) -> None:
    """Refuse an input that is missing or is not what it must be, by the name on the page."""
    given = value[0] if isinstance(value, list) and value else value
    expected = _meaning(field.name, field) or "value"
    if given is None or given == [] or (isinstance(given, str) and not given.strip()):
        if field.required:
            if field.choices:
                raise Refusal(
                    "missing",
                    f"{field.label or field.name} is missing: expected one of {', '.join(field.choices)}",
                    field=field.name,
                )
            raise missing(expected, at=field.name, label=field.label)
        return
    text = normalise.text(given)
    match field.kind:
        case "email" if normalise.email(text or "") is None:
            raise unreadable_value("email", at=field.name, label=field.label)
        case "phone" if normalise.phone(text or "", region) is None:
            raise unreadable_value("phone", at=field.name, label=field.label)
        case "choice":
            chosen = value if isinstance(value, list) else [value]
            if not all(each in field.choices for each in chosen):
                raise Refusal(
                    "invalid",
                    f"{field.label or field.name} is none of its choices: expected one of {', '.join(field.choices)}",
                    field=field.name,
                )
        case _:
            pass


def _meaning(name: str, field: FormField | None) -> str | None:
    """The canonical field that an input fills."""
    if field is None:
        return canonical_name(name)
    if field.to:
        return field.to
    if field.kind in ("email", "phone"):
        return field.kind
    return None if field.kind == "choice" else canonical_name(name)


def _consents(form: Form, values: Mapping[str, Any]) -> tuple[Consent, ...]:
    """An empty checkbox is no consent, and takes none back."""
    asked = form.consent
    if asked is None:
        return ()
    if asked.field is not None:
        value = values.get(asked.field)
        said = value[-1] if isinstance(value, list) and value else value
        if said in (None, False) or (normalise.text(said) or ("" if isinstance(said, str) else "yes")).lower() in _NO:
            return ()
    return (Consent(purpose=asked.purpose, channel=asked.channel, granted=True, text_version=asked.text_version),)


def _collected(pairs: Iterable[tuple[str, str]]) -> Values:
    values: Values = {}
    for name, value in pairs:
        name, value = name.replace("\x00", "").strip(), value.replace("\x00", "")
        if name not in values:
            values[name] = value
        elif isinstance(values[name], list):
            values[name].append(value)
        else:
            values[name] = [values[name], value]
    return values


def _urlencoded(body: bytes, charset: bytes) -> Values:
    try:
        encoding = charset.decode("ascii")
        pairs = parse_qsl(
            body.decode(encoding, "replace"),
            keep_blank_values=True,
            encoding=encoding,
            errors="replace",
            max_num_fields=MOST_INPUTS,
        )
    except LookupError:
        raise Refusal(
            "unreadable", f"the charset {charset.decode('latin-1')} is unknown", field="Content-Type"
        ) from None
    except ValueError:
        raise Refusal("too_large", f"the form has more than {MOST_INPUTS} inputs") from None
    return _collected(pairs)


def _multipart(body: bytes, boundary: bytes | None) -> Values:
    if not boundary:
        raise Refusal("unreadable", "multipart/form-data names no boundary", field="Content-Type")
    parts: list[tuple[dict[bytes, bytes], bytearray]] = []
    header_name, header_value = bytearray(), bytearray()

    def part_begins() -> None:
        if len(parts) >= MOST_INPUTS:
            raise Refusal("too_large", f"the form has more than {MOST_INPUTS} inputs")
        parts.append(({}, bytearray()))

    def header_ends() -> None:
        parts[-1][0][bytes(header_name).lower()] = bytes(header_value)
        header_name.clear()
        header_value.clear()

    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": part_begins,
            "on_header_field": lambda data, start, end: header_name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: header_value.extend(data[start:end]),
            "on_header_end": header_ends,
            "on_part_data": lambda data, start, end: parts[-1][1].extend(data[start:end]),
        },
    )
    try:
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise Refusal("unreadable", f"the body is not multipart/form-data: {error}") from None
    return _collected(_part(headers, bytes(content)) for headers, content in parts if _wanted(headers, content))


def _wanted(headers: Mapping[bytes, bytes], content: bytearray) -> bool:
    """Browsers send an input for files even when none was chosen."""
    _, options = parse_options_header(headers.get(b"content-disposition"))
    if b"filename" not in options:
        return True
    if options[b"filename"] or content:
        name = options.get(b"name", b"").decode("utf-8", "replace")
        raise Refusal("invalid", f"{name} is a file: forms take none; send it by e-mail", field=name)
    return False


def _part(headers: Mapping[bytes, bytes], content: bytes) -> tuple[str, str]:
    _, options = parse_options_header(headers.get(b"content-disposition"))
    if b"name" not in options:
        raise Refusal("unreadable", "a part of the form has no name", field="Content-Disposition")
    return options[b"name"].decode("utf-8", "replace"), content.decode("utf-8", "replace")
