-- Who may send, and what could not be taken. What was taken is in Kafka, and in the stores of those who read it.

CREATE TABLE source (
    name         text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    kind         text    NOT NULL CHECK (kind IN ('segment', 'shopify', 'forms', 'postmark')),
    trusted      boolean NOT NULL,
    requires     text[]  NOT NULL,
    tags_add     text[]  NOT NULL,
    tags_remove  text[]  NOT NULL,
    events_per_s double precision CHECK (events_per_s > 0),
    trust_mail_authentication boolean NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE source IS 'Where events come from; what an untrusted source says of a customer is a claim.';

CREATE TABLE source_key (
    short        text PRIMARY KEY,
    source       text  NOT NULL REFERENCES source,
    name         text  NOT NULL,
    hash         bytea NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    -- Written once a minute at most.
    last_used_at timestamptz
);

CREATE INDEX source_key_source ON source_key (source, created_at);

COMMENT ON TABLE source_key IS 'Write keys tuttu_short_long; only the SHA-256 of the long part is kept.';

CREATE TABLE source_secret (
    source     text NOT NULL REFERENCES source,
    -- In clear: a signature is checked with the secret itself.
    secret     text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    PRIMARY KEY (source, secret)
);

COMMENT ON TABLE source_secret IS 'Secrets that a vendor signs with: the current one, and the former while it may still be in use.';

CREATE TABLE form (
    name       text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    source     text  NOT NULL REFERENCES source,
    definition jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE form IS 'What each form asks, adds and answers.';

CREATE TABLE first_seen (
    id     uuid PRIMARY KEY,
    at     timestamptz NOT NULL,
    -- Of the body, where another body with the same id is an error of the sender.
    digest bytea
);

CREATE INDEX first_seen_at ON first_seen (at);

COMMENT ON TABLE first_seen IS 'When an id was first received whose source states no time; a repeat then is the same event.';

CREATE TABLE rejection (
    id           uuid PRIMARY KEY,
    -- segment, shopify, forms, postmark; or topic:NAME for a dead letter of that topic.
    door         text NOT NULL,
    source       text,
    reason       text NOT NULL,
    detail       text NOT NULL,
    field        text,
    received_at  timestamptz NOT NULL,
    -- The same once more, as from a sender that tries again, is counted.
    times        integer NOT NULL DEFAULT 1,
    last_at      timestamptz NOT NULL,
    status       text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'replayed', 'discarded')),
    content_type text,
    headers      jsonb NOT NULL,
    -- What reading the body again needs besides: which call, topic or form it was.
    context      jsonb NOT NULL,
    body         bytea NOT NULL,
    -- How long it was; more than is kept when it was too long to keep.
    body_bytes   bigint NOT NULL,
    fingerprint  bytea NOT NULL,
    -- What people did with it: at, by, action, detail, event ids.
    trail        jsonb NOT NULL DEFAULT '[]'
);

CREATE UNIQUE INDEX rejection_open ON rejection (fingerprint) WHERE status = 'open';
CREATE INDEX rejection_source ON rejection (source, id);
CREATE INDEX rejection_reason ON rejection (reason, id);
CREATE INDEX rejection_status ON rejection (status, id);

COMMENT ON TABLE rejection IS 'What came in and became no event, and dead letters of all services: whole, with the reason.';
