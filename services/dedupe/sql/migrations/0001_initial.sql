-- The tables of dedupe, beside those that kit keeps in every service's database.

CREATE TABLE event_inbox (
    event_id    uuid PRIMARY KEY,
    record_id   uuid NOT NULL
) PARTITION BY RANGE (event_id);

CREATE TABLE event_inbox_default PARTITION OF event_inbox DEFAULT;

DO $$ BEGIN PERFORM ensure_months('event_inbox'); END $$;

COMMENT ON TABLE event_inbox IS 'Where a repeated delivery ends: the events that have been applied, by the time in their ids.';

CREATE TABLE record (
    id          uuid PRIMARY KEY,
    source      text NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('external_id', 'email', 'phone', 'anonymous_id', 'claim')),
    key         text NOT NULL,
    -- Whether nobody vouches for whoever said it.
    claimed     boolean NOT NULL,
    -- Whether it has events of its own, or was only named by others.
    seen        boolean NOT NULL,
    first_time  timestamptz NOT NULL,
    last_time   timestamptz NOT NULL,
    -- field → {value, time, claimed?, verified?, verified_time?}: the latest by event time.
    attributes  jsonb NOT NULL,
    -- [{purpose, channel, granted, time, text_version?, claimed?}]: the latest by event time.
    consents    jsonb NOT NULL,
    -- By how many records it is named in links, and how many other than visitors it names.
    named_by    integer NOT NULL,
    naming      integer NOT NULL,
    contact_id  uuid NOT NULL,
    -- Grows whenever the contact changes.
    membership  bigint NOT NULL
) WITH (fillfactor = 80);

CREATE INDEX record_contact ON record (contact_id);

COMMENT ON TABLE record IS 'What one source says of one customer, and the contact that it is part of.';

CREATE TABLE blocking_key (
    key         bigint NOT NULL,
    claimed     boolean NOT NULL,
    record_id   uuid NOT NULL,
    PRIMARY KEY (key, claimed, record_id)
);

COMMENT ON TABLE blocking_key IS 'Hashes of what records may be matched by, as they are now: addresses, keys of claims.';

CREATE TABLE link (
    child       uuid NOT NULL,
    parent      uuid NOT NULL,
    first_time  timestamptz NOT NULL,
    -- Whether all events that said so are claims.
    claimed     boolean NOT NULL,
    -- Whether the child is a visitor.
    anonymous   boolean NOT NULL,
    PRIMARY KEY (child, parent)
);

CREATE INDEX link_parent ON link (parent);

COMMENT ON TABLE link IS 'Two records that an event named as one customer: it belongs to parent and names child.';

CREATE TABLE assertion (
    number      bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    command_id  uuid NOT NULL UNIQUE,
    verdict     text NOT NULL CHECK (verdict IN ('must', 'cannot')),
    left_ids    uuid[] NOT NULL,
    right_ids   uuid[] NOT NULL,
    author      text NOT NULL,
    reason      text,
    at          timestamptz NOT NULL
);

CREATE INDEX assertion_records ON assertion USING gin ((left_ids || right_ids));

COMMENT ON TABLE assertion IS 'What people decided, in order: the records of left and right are, or are not, one customer.';

CREATE TABLE assertion_pair (
    a           uuid NOT NULL,
    b           uuid NOT NULL,
    must        boolean NOT NULL,
    number      bigint NOT NULL REFERENCES assertion (number),
    PRIMARY KEY (a, b),
    CHECK (a < b)
);

CREATE INDEX assertion_pair_b ON assertion_pair (b);

COMMENT ON TABLE assertion_pair IS 'What holds of two records by the latest assertion on them.';

CREATE TABLE contact (
    contact_id  uuid PRIMARY KEY,
    version     bigint NOT NULL,
    changed_at  timestamptz NOT NULL,
    -- As published, without id and version; json keeps the text, so that equal states are equal texts.
    state       json NOT NULL
) WITH (fillfactor = 80);

COMMENT ON TABLE contact IS 'The golden record of each contact that has been published; an absorbed one keeps its row.';
