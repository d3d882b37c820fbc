-- insert_positions --
-- Begin at the start of the log where a partition has no position yet.
INSERT INTO position (topic, "partition", applied, produced)
SELECT topic, "partition", start, start
FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS new(topic, "partition", start)
ON CONFLICT (topic, "partition") DO NOTHING;

-- lock_positions --
-- Wait for the transactions of former owners, in one order.
SELECT 1 FROM position
JOIN unnest($1::text[], $2::integer[]) AS wanted(topic, "partition") USING (topic, "partition")
ORDER BY topic, "partition"
FOR UPDATE OF position;

-- claim_positions --
-- Raise the epoch of partitions, so that their former owners' transactions update no row.
UPDATE position SET epoch = epoch + 1
FROM unnest($1::text[], $2::integer[]) AS wanted(topic, "partition")
WHERE position.topic = wanted.topic AND position."partition" = wanted."partition"
RETURNING position.topic, position."partition", epoch, applied, produced, touched;

-- move_positions --
-- Move partitions that this worker still owns, each from where it thinks that the row stands; the first row carries
-- what the batch touched. Returns how many moved.
WITH moved AS (
    UPDATE position
    SET applied = new.applied, produced = new.produced,
        touched = CASE WHEN new.rank = 1 THEN $7::uuid[] ELSE '{}' END
    FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
        WITH ORDINALITY AS new(topic, "partition", epoch, stood, applied, produced, rank)
    WHERE position.topic = new.topic AND position."partition" = new."partition"
        AND position.epoch = new.epoch AND position.applied = new.stood
    RETURNING 1
)
SELECT count(*) FROM moved;

-- read_positions --
-- Read where partitions stand.
SELECT topic, "partition", epoch, applied, produced, touched
FROM position JOIN unnest($1::text[], $2::integer[]) AS wanted(topic, "partition") USING (topic, "partition");

-- skip_to --
-- Pass records by hand; the epoch grows, so that a running worker leaves and reads the position again.
UPDATE position SET applied = $3, produced = $3, epoch = epoch + 1
WHERE topic = $1 AND "partition" = $2 AND applied < $3;

-- insert_dead_letters --
-- Remember why the store refused records, until their dead letters are known to be in Kafka.
INSERT INTO dead_letter (topic, "partition", "offset", reason, field)
SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::text[], $5::text[])
ON CONFLICT DO NOTHING;

-- dead_letters --
-- Read why the store refused these records.
SELECT topic, "partition", "offset", reason, field
FROM dead_letter
JOIN unnest($1::text[], $2::integer[], $3::bigint[]) AS wanted(topic, "partition", "offset")
    USING (topic, "partition", "offset");

-- known_outcomes --
-- Find which of these commands were handled already.
SELECT command_id FROM command_outcome WHERE command_id = ANY($1::uuid[]);

-- outcomes --
-- Read what became of these commands.
SELECT command_id, status, detail, result FROM command_outcome WHERE command_id = ANY($1::uuid[]);

-- insert_outcomes --
-- Remember what became of commands, and wake those who wait.
WITH saved AS (
    INSERT INTO command_outcome (command_id, status, detail, result)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[])
    ON CONFLICT (command_id) DO NOTHING
    RETURNING 1
)
SELECT pg_notify('command_outcome', count(*)::text) FROM saved;

-- forget_outcomes --
-- Drop outcomes that are older than their commands' topic keeps.
DELETE FROM command_outcome WHERE at < now() - interval '14 days';

-- insert_key --
-- Keep a new key's short part and the hash of its long part.
INSERT INTO api_key (short, hash, name, scopes, expires_at) VALUES ($1, $2, $3, $4, $5);

-- find_key --
-- Find a key that is neither revoked nor expired.
SELECT short, hash, name, scopes FROM api_key
WHERE short = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now());

-- revoke_key --
-- End a key.
UPDATE api_key SET revoked_at = now() WHERE short = $1 AND revoked_at IS NULL;

-- list_keys --
-- List keys without their secrets.
SELECT short, name, scopes, created_at, expires_at, revoked_at, last_used_at FROM api_key ORDER BY created_at;

-- touch_keys --
-- Note when keys were last used.
UPDATE api_key SET last_used_at = now() WHERE short = ANY($1::text[]);

-- forget_dead_letters --
-- Drop refusals whose dead letters are long in Kafka.
DELETE FROM dead_letter WHERE at < now() - interval '14 days';
