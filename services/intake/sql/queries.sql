-- sources --
-- Read all sources.
SELECT name, kind, trusted, requires, tags_add, tags_remove, events_per_s, trust_mail_authentication, created_at
FROM source ORDER BY name;

-- valid_secrets --
-- Read the secrets that may sign, the newest of a source first.
SELECT source, secret FROM source_secret WHERE expires_at IS NULL OR expires_at > $1 ORDER BY source, created_at DESC;

-- valid_keys --
-- Read the keys that are not revoked; those that end say when.
SELECT short, source, hash, expires_at FROM source_key WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1);

-- forms --
-- Read all forms.
SELECT definition FROM form ORDER BY name;

-- insert_source --
-- Add a source, unless its name is taken.
INSERT INTO source (name, kind, trusted, requires, tags_add, tags_remove, events_per_s, trust_mail_authentication)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (name) DO NOTHING
RETURNING created_at;

-- update_source --
-- Change what a source may do; its name and kind stay.
UPDATE source SET trusted = $2, requires = $3, tags_add = $4, tags_remove = $5, events_per_s = $6,
    trust_mail_authentication = $7
WHERE name = $1;

-- insert_secret --
-- Add a secret that signs from now on.
INSERT INTO source_secret (source, secret, created_at) VALUES ($1, $2, $3)
ON CONFLICT (source, secret) DO UPDATE SET created_at = EXCLUDED.created_at, expires_at = NULL;

-- end_other_secrets --
-- Let the former secrets of a source end at a time, unless they end sooner.
UPDATE source_secret SET expires_at = $3
WHERE source = $1 AND secret <> $2 AND (expires_at IS NULL OR expires_at > $3);

-- insert_key --
-- Add a write key.
INSERT INTO source_key (short, source, name, hash, created_at) VALUES ($1, $2, $3, $4, $5);

-- keys --
-- Read the keys of a source, without what proves them.
SELECT short, source, name, created_at, expires_at, revoked_at, last_used_at
FROM source_key WHERE source = $1 ORDER BY created_at, short;

-- end_key --
-- Let a key end at a time, unless it ends sooner or is revoked.
UPDATE source_key SET expires_at = LEAST(coalesce(expires_at, 'infinity'), $2)
WHERE short = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3)
RETURNING source, name;

-- revoke_key --
-- End a key at once.
UPDATE source_key SET revoked_at = $2 WHERE short = $1 AND revoked_at IS NULL RETURNING source;

-- touch_keys --
-- Note that keys were used.
UPDATE source_key SET last_used_at = $2
FROM (SELECT short FROM source_key WHERE short = ANY($1::text[]) ORDER BY short FOR UPDATE) AS used
WHERE source_key.short = used.short;

-- insert_form --
-- Add a form, unless its name is taken.
INSERT INTO form (name, source, definition) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING RETURNING name;

-- update_form --
-- Replace a form's definition.
UPDATE form SET source = $2, definition = $3, updated_at = now() WHERE name = $1 RETURNING name;

-- delete_form --
-- Remove a form; what was posted to it stays.
DELETE FROM form WHERE name = $1 RETURNING name;

-- first_seen --
-- Remember when ids were first received, and say when that was and what their body was then.
INSERT INTO first_seen (id, at, digest)
SELECT id, $3, digest FROM unnest($1::uuid[], $2::bytea[]) AS given(id, digest) ORDER BY id
ON CONFLICT (id) DO UPDATE SET at = first_seen.at
RETURNING id, at, digest;

-- insert_rejections --
-- Keep what was rejected; the same as one that is open is counted there.
INSERT INTO rejection AS kept (id, door, source, reason, detail, field, received_at, last_at, times, content_type, headers,
    context, body, body_bytes, fingerprint)
SELECT id, door, source, reason, detail, field, received_at, received_at, times, content_type, headers::jsonb,
    context::jsonb, body, body_bytes, fingerprint
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::integer[],
    $9::text[], $10::text[], $11::text[], $12::bytea[], $13::bigint[], $14::bytea[])
    AS given(id, door, source, reason, detail, field, received_at, times, content_type, headers, context, body, body_bytes,
        fingerprint)
ORDER BY fingerprint
ON CONFLICT (fingerprint) WHERE status = 'open'
DO UPDATE SET times = kept.times + EXCLUDED.times, last_at = GREATEST(kept.last_at, EXCLUDED.last_at)
RETURNING id, fingerprint;

-- insert_dead_letters --
-- Keep dead letters that were not kept before.
INSERT INTO rejection (id, door, source, reason, detail, field, received_at, last_at, content_type, headers, context, body,
    body_bytes, fingerprint)
SELECT id, door, source, 'dead_letter', detail, field, received_at, received_at, content_type, headers::jsonb,
    context::jsonb, body, length(body), fingerprint
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::text[],
    $9::text[], $10::bytea[], $11::bytea[])
    AS given(id, door, source, detail, field, received_at, content_type, headers, context, body, fingerprint)
ORDER BY id
ON CONFLICT DO NOTHING;

-- rejections --
-- Read a page of rejections without their bodies, the newest first.
SELECT id, door, source, reason, detail, field, received_at, times, last_at, status, content_type, context, body_bytes
FROM rejection
WHERE ($1::text IS NULL OR source = $1) AND ($2::text IS NULL OR reason = $2) AND ($3::text IS NULL OR status = $3)
    AND ($4::uuid IS NULL OR id < $4)
ORDER BY id DESC
LIMIT $5;

-- rejection --
-- Read one rejection whole.
SELECT id, door, source, reason, detail, field, received_at, times, last_at, status, content_type, headers, context, body,
    body_bytes, trail
FROM rejection WHERE id = $1;

-- settle_rejection --
-- Close an open rejection, with what was done.
UPDATE rejection SET status = $2, trail = trail || $3::jsonb WHERE id = $1 AND status = 'open' RETURNING id;

-- note_on_rejection --
-- Add to what was done with a rejection that stays open.
UPDATE rejection SET trail = trail || $2::jsonb WHERE id = $1;

-- forget_rejections --
-- Delete rejections that were settled long ago, and those whose sender never proved who it is.
DELETE FROM rejection
WHERE (status <> 'open' AND last_at < $1) OR (reason IN ('unsigned', 'honeypot', 'origin') AND last_at < $2);

-- forget_first_seen --
-- Forget ids whose repeats are no longer to be expected.
DELETE FROM first_seen WHERE at < $1;
