-- The history of every customer. Everything hangs on the source record; only `membership` knows contacts, so that merge
-- and unmerge move nothing.

CREATE TABLE event (
    event_id     uuid        NOT NULL,
    record_id    uuid        NOT NULL,
    "time"       timestamptz NOT NULL,
    name         text        NOT NULL,
    source       text        NOT NULL,
    amount_minor bigint,
    currency     text,
    -- The CloudEvent as it came, byte for byte: an event of a source, or the command of a person.
    body         bytea       NOT NULL,
    PRIMARY KEY (event_id),
    CHECK ((amount_minor IS NULL) = (currency IS NULL))
) PARTITION BY RANGE (event_id);

COMMENT ON TABLE event IS 'What happened, whole, by month of the id; also where a repeated delivery ends.';

CREATE TABLE event_default PARTITION OF event DEFAULT;

-- In a block, so that a migration prints nothing.
DO $$ BEGIN PERFORM ensure_months('event'); END $$;

-- One lane per record and name: a page of a timeline is the merge of the tops of its lanes.
CREATE INDEX event_lane ON event (record_id, name, "time", event_id);

CREATE TABLE record_activity (
    record_id  uuid        NOT NULL,
    name       text        NOT NULL,
    -- Empty for events without an amount.
    currency   text        NOT NULL,
    count      bigint      NOT NULL,
    sum_minor  bigint      NOT NULL,
    first_time timestamptz NOT NULL,
    last_time  timestamptz NOT NULL,
    PRIMARY KEY (record_id, name, currency)
) WITH (fillfactor = 70);

COMMENT ON TABLE record_activity IS 'What the events of each record add up to; they merge.';

CREATE TABLE membership (
    record_id  uuid   PRIMARY KEY,
    contact_id uuid   NOT NULL,
    number     bigint NOT NULL
) WITH (fillfactor = 90);

CREATE INDEX membership_contact ON membership (contact_id);

COMMENT ON TABLE membership IS 'Which contact a record belongs to, by the largest number that was heard of it.';

CREATE TABLE contact (
    contact_id  uuid   PRIMARY KEY,
    version     bigint NOT NULL,
    merged_into uuid
);

COMMENT ON TABLE contact IS 'The contacts whose state dedupe has published; others are anonymous visitors.';

CREATE TABLE contact_activity (
    contact_id uuid        PRIMARY KEY,
    -- 0 as long as nothing was published of the contact.
    version    bigint      NOT NULL DEFAULT 0,
    state      json,
    changed_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);

COMMENT ON TABLE contact_activity IS 'What was published of each contact. A row for every contact that has a record, which workers lock before they compute its state.';
