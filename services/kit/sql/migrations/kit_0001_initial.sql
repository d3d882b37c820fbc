-- The tables that the runtime keeps in every service's own database.

CREATE TABLE position (
    topic       text     NOT NULL,
    "partition" integer  NOT NULL,
    epoch       bigint   NOT NULL DEFAULT 0,
    -- The next offset to apply; everything below has been.
    applied     bigint   NOT NULL,
    -- The next offset whose outputs may be missing from Kafka; everything below is there.
    produced    bigint   NOT NULL,
    -- The contacts whose state the records between produced and applied changed.
    touched     uuid[]   NOT NULL DEFAULT '{}',
    PRIMARY KEY (topic, "partition"),
    CHECK (produced <= applied)
) WITH (fillfactor = 50);

COMMENT ON TABLE position IS 'How far this service has come on each partition; moves in the transaction of the batch.';

CREATE TABLE dead_letter (
    topic       text    NOT NULL,
    "partition" integer NOT NULL,
    "offset"    bigint  NOT NULL,
    reason      text    NOT NULL,
    field       text,
    at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, "partition", "offset")
);

COMMENT ON TABLE dead_letter IS 'Records that the store refused; the record itself goes to the topic dead-letters.';

CREATE TABLE command_outcome (
    command_id  uuid PRIMARY KEY,
    status      text NOT NULL CHECK (status IN ('done', 'refused')),
    detail      text,
    result      jsonb,
    at          timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX command_outcome_at ON command_outcome (at);

COMMENT ON TABLE command_outcome IS 'What became of each command; also where a repeated command ends.';

CREATE TABLE api_key (
    short       text PRIMARY KEY,
    hash        bytea NOT NULL,
    name        text NOT NULL,
    scopes      text[] NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz,
    revoked_at  timestamptz,
    last_used_at timestamptz
);

COMMENT ON TABLE api_key IS 'Keys prefix_short_long of machines; only the SHA-256 of the long part is kept.';

-- Makes the monthly partitions of a table that is partitioned by event id, whose first 48 bits are milliseconds.
-- A month whose rows already lie in the default partition stays there.
CREATE FUNCTION ensure_months(parent regclass, back integer DEFAULT 3, ahead integer DEFAULT 12) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    month timestamptz;
    name text;
    low uuid;
    high uuid;
BEGIN
    FOR month IN SELECT generate_series(
        date_trunc('month', now(), 'UTC') - make_interval(months => back),
        date_trunc('month', now(), 'UTC') + make_interval(months => ahead),
        interval '1 month')
    LOOP
        name := format('%s_%s', parent, to_char(month AT TIME ZONE 'UTC', 'YYYYMM'));
        CONTINUE WHEN to_regclass(name) IS NOT NULL;
        low := (lpad(to_hex((extract(epoch FROM month) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;
        high := (lpad(to_hex((extract(epoch FROM month + interval '1 month') * 1000)::bigint), 12, '0')
                 || repeat('0', 20))::uuid;
        BEGIN
            EXECUTE format('CREATE TABLE %s PARTITION OF %s FOR VALUES FROM (%L) TO (%L)', name, parent, low, high);
        EXCEPTION WHEN check_violation THEN
            RAISE NOTICE 'month % of % stays in the default partition', month, parent;
        END;
    END LOOP;
END
$$;
