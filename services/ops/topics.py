"""The topics of an installation: their keys, what is kept of them, who writes and who reads. Created here, never at run
time by a service."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from services.kit.settings import Platform

_MAX_MESSAGE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of the contract. `kept` is None for a compacted one, whose last state of each key stays."""

    name: str
    key: str
    kept: timedelta | None
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    summary: str
    public: bool = False
    one_partition: bool = False
    flushed: bool = False
    """With one broker, written to disk at every append: the way in must survive the loss of power."""


_EVERYONE = ("dedupe", "tagging-rules", "activity", "directory", "subscriptions")
_TWO_WEEKS = timedelta(days=14)

TOPICS = (
    Topic(
        "events", "record id", _TWO_WEEKS, ("intake",), ("dedupe",), "What happened, as sources told it.", flushed=True
    ),
    Topic(
        "resolved-events",
        "contact id",
        _TWO_WEEKS,
        ("dedupe",),
        ("tagging-rules", "activity"),
        "The same events, with the contact that each belongs to.",
    ),
    Topic(
        "contacts",
        "contact id",
        None,
        ("dedupe",),
        ("tagging-rules", "activity", "directory"),
        "The golden record of each contact, its members, and for an absorbed one where it went.",
    ),
    Topic("contact-tags", "contact id", None, ("tagging-rules",), ("directory",), "Tags and phase, with why."),
    Topic("contact-activity", "contact id", None, ("activity",), ("directory",), "The summary of a contact's history."),
    Topic(
        "customers",
        "contact id",
        None,
        ("directory",),
        ("subscriptions",),
        "The public view of each customer.",
        public=True,
    ),
    Topic(
        "contact-commands",
        "contact id",
        _TWO_WEEKS,
        ("dedupe",),
        ("dedupe",),
        "Merge and unmerge, in the order given.",
        one_partition=True,
        flushed=True,
    ),
    Topic(
        "tag-commands", "contact id", _TWO_WEEKS, ("tagging-rules",), ("tagging-rules",), "Tags by hand.", flushed=True
    ),
    Topic(
        "activity-commands", "contact id", _TWO_WEEKS, ("activity",), ("activity",), "History by hand.", flushed=True
    ),
    Topic(
        "command-outcomes",
        "command id",
        _TWO_WEEKS,
        ("dedupe", "tagging-rules", "activity"),
        (),
        "What became of each command.",
    ),
    Topic(
        "dead-letters",
        "as it was",
        timedelta(days=30),
        _EVERYONE,
        ("intake",),
        "Records that no retry can mend, whole, with the reason.",
    ),
)


def _settings(topic: Topic, brokers: int) -> dict[str, str]:
    settings = {"max.message.bytes": str(_MAX_MESSAGE_BYTES)}
    if topic.kept is None:
        settings["cleanup.policy"] = "compact"
        settings["max.compaction.lag.ms"] = str(int(timedelta(days=7).total_seconds() * 1000))
    else:
        settings["cleanup.policy"] = "delete"
        settings["retention.ms"] = str(int(topic.kept.total_seconds() * 1000))
    if brokers >= 3:
        settings["min.insync.replicas"] = "2"
    elif topic.flushed:
        settings["flush.messages"] = "1"
    return settings


async def create(platform: Platform, *, partitions: int) -> list[str]:
    """Create the topics that are missing; returns their names. Replicated thrice where there are three brokers."""
    admin = AIOKafkaAdminClient(bootstrap_servers=platform.kafka, client_id="tuttu-topics")
    await admin.start()
    try:
        brokers = len((await admin.describe_cluster())["brokers"])
        there = set(await admin.list_topics())
        missing = [topic for topic in TOPICS if platform.topic_prefix + topic.name not in there]
        if not missing:
            return []
        answer = await admin.create_topics(
            [
                NewTopic(
                    platform.topic_prefix + topic.name,
                    num_partitions=1 if topic.one_partition else partitions,
                    replication_factor=3 if brokers >= 3 else 1,
                    topic_configs=_settings(topic, brokers),
                )
                for topic in missing
            ]
        )
        for name, code, *_ in answer.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise error(name)
        return [topic.name for topic in missing]
    finally:
        await admin.close()
