-- lock_head --
-- Keep other writers from appending until the transaction ends, and read where the feed ends and what time it is.
SELECT seq, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now FROM head FOR UPDATE;

-- known --
-- Read what the feed holds of customers.
SELECT customer_id, version, tags, left_tags FROM feed WHERE customer_id = ANY($1::uuid[]);

-- append --
-- Put the newest versions of customers at the end of the feed.
INSERT INTO feed (customer_id, seq, version, kind, tags, left_tags, body)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::jsonb[], $6::jsonb[], $7::json[])
ON CONFLICT (customer_id) DO UPDATE SET
    seq = excluded.seq, version = excluded.version, kind = excluded.kind,
    tags = excluded.tags, left_tags = excluded.left_tags, body = excluded.body;

-- move_head --
-- Say where the feed ends now, and wake the readers at the commit.
WITH moved AS (UPDATE head SET seq = $1 RETURNING seq)
SELECT pg_notify('feed', seq::text) FROM moved;

-- head --
-- Read where the feed ends.
SELECT seq FROM head;

-- after --
-- Read on in the feed: all customers, or those that have a tag and those that lost it after a point.
SELECT seq, kind, tags, left_tags, body FROM feed
WHERE seq > $1 AND ($2::text IS NULL OR tags ? $2 OR (left_tags ->> $2)::bigint > $3)
ORDER BY seq
LIMIT $4;
