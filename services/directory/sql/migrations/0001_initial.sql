-- The public customer, made of what three topics say of a contact, and the tables that find it.

CREATE TABLE part (
    contact_id uuid        NOT NULL,
    topic      text        NOT NULL,
    version    bigint      NOT NULL,
    at         timestamptz NOT NULL,
    body       json        NOT NULL,
    PRIMARY KEY (contact_id, topic)
) WITH (fillfactor = 80);

COMMENT ON TABLE part IS 'What each state topic last said of each contact.';

CREATE TABLE customer (
    contact_id  uuid   PRIMARY KEY,
    -- 0 as long as nothing was published.
    version     bigint NOT NULL DEFAULT 0,
    kind        text   CHECK (kind IN ('created', 'changed', 'merged', 'split', 'erased')),
    at          timestamptz,
    merged_into uuid,
    -- The customer as published; its version is the column's, which a repair may raise.
    state       json
) WITH (fillfactor = 80);

COMMENT ON TABLE customer IS 'What was last published of each customer. A row for every contact that was heard of, which workers lock before they compute what to publish.';

CREATE TABLE search (
    contact_id uuid     PRIMARY KEY,
    sort_name  text     COLLATE "C" NOT NULL,
    words      tsvector NOT NULL,
    tags       text[]   NOT NULL,
    phase      text
) WITH (fillfactor = 90);

CREATE INDEX search_name ON search (sort_name, contact_id);
CREATE INDEX search_phase ON search (phase, sort_name, contact_id);
-- What waits to be merged into the index is read by every search: no more than 512 kB of it.
CREATE INDEX search_words ON search USING gin (words) WITH (gin_pending_list_limit = 512);
CREATE INDEX search_tags ON search USING gin (tags) WITH (gin_pending_list_limit = 512);

COMMENT ON TABLE search IS 'What customers are found by; those that were merged or erased are not here. Written only when it changes.';

CREATE TABLE word (
    word          text   COLLATE "C" PRIMARY KEY,
    -- Its beginnings with at most one letter left out: see spelling_keys in domain/finding.py.
    spelling_keys text[] COLLATE "C" NOT NULL
);

CREATE INDEX word_spelling ON word USING gin (spelling_keys) WITH (gin_pending_list_limit = 128);

COMMENT ON TABLE word IS 'Every word of the names, once: where a word with typing errors finds what it stands for.';

CREATE TABLE identifier (
    contact_id uuid    NOT NULL,
    kind       text    NOT NULL CHECK (kind IN ('email', 'phone', 'external_id')),
    -- Empty for e-mail addresses and phone numbers, which are the same in every source.
    source     text    NOT NULL,
    value      text    COLLATE "C" NOT NULL,
    -- Said by an unauthenticated party only.
    claimed    boolean NOT NULL,
    PRIMARY KEY (contact_id, kind, source, value)
);

CREATE INDEX identifier_value ON identifier (kind, value);
CREATE INDEX identifier_phone_end ON identifier (reverse(value)) WHERE kind = 'phone';

COMMENT ON TABLE identifier IS 'The exact ways to the customers in search.';
