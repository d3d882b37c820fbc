"""Every example is read by its producer's and every consumer's types, and stands for what the producer writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from services.kit import envelope
from services.ops import process, schemas, topics

EXAMPLES = [(topic, path) for topic in topics.TOPICS for path in schemas.examples(topic.name)]
IDS = [f"{topic.name}/{path.stem}" for topic, path in EXAMPLES]
each_example = pytest.mark.parametrize(("topic", "path"), EXAMPLES, ids=IDS)


def test_every_topic_has_an_example_of_every_type() -> None:
    shown = {(topic.name, json.loads(path.read_text())["type"]) for topic, path in EXAMPLES}
    written = {(topic.name, type) for topic in topics.TOPICS for type in schemas.types_of(topic)}
    assert written - shown == {("customers", f"tuttu.customer.{kind}") for kind in ("created", "split", "erased")}, (
        "kinds of one struct need one example; every other type needs its own"
    )


@each_example
def test_producers_write_an_example_just_so(topic: topics.Topic, path: Path) -> None:
    example = json.loads(path.read_text())
    struct = schemas.types_of(topic)[example["type"]]
    event = msgspec.json.decode(path.read_bytes(), type=_event_of(struct))
    assert _times_alike(json.loads(envelope.encode(event))) == _times_alike(example)


@each_example
def test_every_consumer_reads_an_example(topic: topics.Topic, path: Path) -> None:
    for service in topic.consumers:
        types = schemas.read(service)[topic.name]
        event = envelope.decoder_by_type(types)(path.read_bytes())
        assert event.data is not None


@each_example
def test_an_example_fits_its_json_schema(topic: topics.Topic, path: Path) -> None:
    schema = json.loads((schemas.FOLDER / "json" / f"{topic.name}.schema.json").read_text())
    checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    assert [error.message for error in checker.iter_errors(json.loads(path.read_text()))] == []


def test_what_services_read_and_write_is_what_the_topics_say() -> None:
    for topic in topics.TOPICS:
        for service in topic.producers:
            assert topic.name in schemas.written(service), f"{service} does not write {topic.name}"
        readers = {service for service in process.NAMES if topic.name in schemas.read(service)}
        assert readers == set(topic.consumers)


def test_generated_files_follow_from_the_code() -> None:
    assert schemas.differences() == []


def _event_of(struct: Any) -> Any:
    return envelope.CloudEvent.__class_getitem__(struct)  # type: ignore[attr-defined]


def _times_alike(value: Any) -> Any:
    """Times without trailing zeros in their fraction: `08:15:00.000Z` and `08:15:00Z` are one moment."""
    if isinstance(value, dict):
        return {key: _times_alike(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_times_alike(inner) for inner in value]
    if isinstance(value, str) and value.endswith("Z") and "." in value:
        head, _, fraction = value[:-1].rpartition(".")
        fraction = fraction.rstrip("0")
        return f"{head}.{fraction}Z" if fraction else f"{head}Z"
    return value
