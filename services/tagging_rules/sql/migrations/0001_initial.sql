-- What is known of each record, what each contact is, and the rules. Everything hangs on the source record; only
-- `membership` knows contacts, so that merge and unmerge move nothing.

CREATE TABLE membership (
    record_id  uuid   PRIMARY KEY,
    contact_id uuid   NOT NULL,
    number     bigint NOT NULL
) WITH (fillfactor = 90);

CREATE INDEX membership_contact ON membership (contact_id);

COMMENT ON TABLE membership IS 'Which contact a record belongs to, by the largest number that was heard of it. Its row is the lock of a record.';

CREATE TABLE seen_event (
    event_id uuid NOT NULL,
    PRIMARY KEY (event_id)
) PARTITION BY RANGE (event_id);

COMMENT ON TABLE seen_event IS 'Where a repeated delivery ends, so that facts count each event once; by month of the id.';

CREATE TABLE seen_event_default PARTITION OF seen_event DEFAULT;

DO $$ BEGIN PERFORM ensure_months('seen_event'); END $$;

CREATE TABLE fact (
    record_id  uuid        NOT NULL,
    event_name text        NOT NULL,
    -- Empty for events without an amount.
    currency   text        NOT NULL,
    count      bigint      NOT NULL,
    sum_minor  bigint      NOT NULL,
    first_time timestamptz NOT NULL,
    last_time  timestamptz NOT NULL,
    PRIMARY KEY (record_id, event_name, currency)
) WITH (fillfactor = 70);

COMMENT ON TABLE fact IS 'What the events of each record add up to; they merge.';

CREATE TABLE record_tag (
    record_id          uuid NOT NULL,
    tag                text NOT NULL,
    -- The first event that added the tag. Without a rule, the event named the tag itself.
    first_time         timestamptz,
    first_event        uuid,
    first_rule         uuid,
    first_rule_version integer,
    -- The last event that added it.
    last_time          timestamptz,
    last_event         uuid,
    last_rule          uuid,
    last_rule_version  integer,
    -- The last event that removed it.
    removed_time       timestamptz,
    removed_event      uuid,
    PRIMARY KEY (record_id, tag),
    CHECK (length(tag) BETWEEN 1 AND 80),
    CHECK (coalesce(last_time, removed_time) IS NOT NULL),
    CHECK ((first_time IS NULL) = (last_time IS NULL))
) WITH (fillfactor = 80);

COMMENT ON TABLE record_tag IS 'What events said about tags, kept per record: whether a tag is there is up to the last word.';

CREATE TABLE hand_tag (
    -- The id of the contact that the person saw, which is the id of its first record.
    record_id  uuid        NOT NULL,
    tag        text        NOT NULL,
    -- NULL when the person withdrew what was said by hand.
    present    boolean,
    "time"     timestamptz NOT NULL,
    command_id uuid        NOT NULL,
    author     text        NOT NULL,
    reason     text,
    PRIMARY KEY (record_id, tag),
    CHECK (length(tag) BETWEEN 1 AND 80)
);

COMMENT ON TABLE hand_tag IS 'What people last said about tags.';

CREATE TABLE contact_seen (
    contact_id uuid    PRIMARY KEY,
    version    bigint  NOT NULL,
    -- False for an absorbed or erased contact, of which nothing is said.
    live       boolean NOT NULL,
    -- The surviving values of the golden record, as text by name.
    fields     jsonb   NOT NULL
);

COMMENT ON TABLE contact_seen IS 'The contacts whose state dedupe has published; others are anonymous visitors.';

CREATE TABLE contact_tags (
    contact_id uuid        PRIMARY KEY,
    -- 0 as long as nothing was published of the contact.
    version    bigint      NOT NULL DEFAULT 0,
    -- Tags and phase, as text, so that a change is seen without reading it; NULL when there never were any.
    state      json,
    changed_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);

COMMENT ON TABLE contact_tags IS 'What was published of each contact. Its row is the lock of a contact.';

CREATE TABLE rule_version (
    rule_id    uuid        NOT NULL,
    version    integer     NOT NULL,
    definition json        NOT NULL,
    author     text        NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (rule_id, version)
);

COMMENT ON TABLE rule_version IS 'Every version of every rule; the newest one counts. A rule is switched off, never deleted.';

CREATE TABLE rule_book (
    one   boolean PRIMARY KEY DEFAULT true CHECK (one),
    stamp bigint  NOT NULL
);

COMMENT ON TABLE rule_book IS 'One row that grows with each change of a rule. A batch locks it FOR SHARE, a change of a rule FOR UPDATE, so that each batch is handled by one set of rules.';

CREATE TABLE recompute (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    stamp      bigint  NOT NULL,
    -- The last contact that was asked for; NULL at the start.
    after      uuid
);

COMMENT ON TABLE recompute IS 'How far a change of while-rules has come among the contacts; empty when there is nothing to do.';
