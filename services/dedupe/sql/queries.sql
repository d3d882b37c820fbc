-- lock_matching --
-- Be the only one who decides which records are one contact, until the transaction ends.
SELECT pg_advisory_xact_lock($1);

-- lock_memberships --
-- Keep others from deciding which records are one contact, until the transaction ends.
SELECT pg_advisory_xact_lock_shared($1);

-- count_records --
-- Count which of these records are known.
SELECT count(*) FROM record WHERE id = ANY($1::uuid[]);

-- insert_inbox --
-- Remember events, and return those that were not applied before.
INSERT INTO event_inbox (event_id, record_id)
SELECT * FROM unnest($1::uuid[], $2::uuid[]) AS new(event_id, record_id)
ORDER BY event_id
ON CONFLICT (event_id) DO NOTHING
RETURNING event_id;

-- records --
-- Read records.
SELECT id, source, kind, key, claimed, seen, first_time, last_time, attributes, consents, named_by, naming, contact_id,
    membership
FROM record WHERE id = ANY($1::uuid[]);

-- records_of_contacts --
-- Read all records of these contacts but those that are known.
SELECT id, source, kind, key, claimed, seen, first_time, last_time, attributes, consents, named_by, naming, contact_id,
    membership
FROM record WHERE contact_id = ANY($1::uuid[]) AND id <> ALL($2::uuid[]);

-- lock_contacts_of --
-- Hold the contacts that these records are part of.
SELECT contact_id FROM contact
WHERE contact_id IN (SELECT contact_id FROM record WHERE id = ANY($1::uuid[]))
ORDER BY contact_id
FOR UPDATE;

-- lock_records_beside --
-- Hold all records of the contacts that these records are part of.
SELECT id, source, kind, key, claimed, seen, first_time, last_time, attributes, consents, named_by, naming, contact_id,
    membership
FROM record
WHERE contact_id IN (SELECT contact_id FROM record WHERE id = ANY($1::uuid[]))
ORDER BY id
FOR UPDATE;

-- save_records --
-- Insert records, or write what has been said of them since, and where they belong.
INSERT INTO record (id, source, kind, key, claimed, seen, first_time, last_time, attributes, consents, named_by, naming,
    contact_id, membership)
SELECT * FROM unnest(
    $1::uuid[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::boolean[], $7::timestamptz[], $8::timestamptz[],
    $9::jsonb[], $10::jsonb[], $11::integer[], $12::integer[], $13::uuid[], $14::bigint[])
ON CONFLICT (id) DO UPDATE SET
    claimed = excluded.claimed, seen = excluded.seen, first_time = excluded.first_time, last_time = excluded.last_time,
    attributes = excluded.attributes, consents = excluded.consents, named_by = excluded.named_by,
    naming = excluded.naming, contact_id = excluded.contact_id, membership = excluded.membership;

-- move_records --
-- Write where records belong, of which nothing else has changed.
UPDATE record SET contact_id = new.contact_id, membership = new.membership
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS new(id, contact_id, membership)
WHERE record.id = new.id;

-- memberships --
-- Read which contacts records belong to.
SELECT id, contact_id, membership FROM record WHERE id = ANY($1::uuid[]);

-- delete_keys --
-- Forget keys that records no longer hold.
DELETE FROM blocking_key
USING unnest($1::bigint[], $2::boolean[], $3::uuid[]) AS old(key, claimed, record_id)
WHERE blocking_key.key = old.key AND blocking_key.claimed = old.claimed AND blocking_key.record_id = old.record_id;

-- insert_keys --
-- Remember keys that records have come to hold.
INSERT INTO blocking_key (key, claimed, record_id)
SELECT * FROM unnest($1::bigint[], $2::boolean[], $3::uuid[]);

-- holders --
-- Find who holds these keys, of each standing some more than can matter at most.
SELECT wanted.key, holder.claimed, holder.record_id
FROM unnest($1::bigint[]) AS wanted(key)
CROSS JOIN LATERAL (
    (SELECT false AS claimed, record_id FROM blocking_key
     WHERE key = wanted.key AND NOT claimed ORDER BY record_id LIMIT $2)
    UNION ALL
    (SELECT true AS claimed, record_id FROM blocking_key
     WHERE key = wanted.key AND claimed ORDER BY record_id LIMIT $2)
) AS holder;

-- links_between --
-- Find which of these links are known.
SELECT child, parent, first_time, claimed, anonymous
FROM link JOIN unnest($1::uuid[], $2::uuid[]) AS wanted(child, parent) USING (child, parent);

-- save_links --
-- Remember links that are new, or that an earlier event or one that somebody vouches for has named.
INSERT INTO link (child, parent, first_time, claimed, anonymous)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::boolean[], $5::boolean[])
ON CONFLICT (child, parent) DO UPDATE SET first_time = excluded.first_time, claimed = excluded.claimed;

-- links --
-- Find the links of records: where they are named, where they name visitors, where they name others.
SELECT child, parent, first_time, claimed, anonymous FROM link WHERE child = ANY($1::uuid[])
UNION ALL
SELECT child, parent, first_time, claimed, anonymous FROM link WHERE parent = ANY($2::uuid[]) AND anonymous
UNION ALL
SELECT child, parent, first_time, claimed, anonymous FROM link WHERE parent = ANY($3::uuid[]) AND NOT anonymous;

-- assertions --
-- Find what holds of these records by what people said.
SELECT a, b, must, number FROM assertion_pair WHERE a = ANY($1::uuid[])
UNION ALL
SELECT a, b, must, number FROM assertion_pair WHERE b = ANY($1::uuid[]);

-- insert_assertions --
-- Keep what people decided, in the order given.
INSERT INTO assertion (command_id, verdict, left_ids, right_ids, author, reason, at)
SELECT command_id, verdict, left_ids::uuid[], right_ids::uuid[], author, reason, at
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[])
    WITH ORDINALITY AS new(command_id, verdict, left_ids, right_ids, author, reason, at, place)
ORDER BY place
RETURNING command_id, number;

-- delete_pairs --
-- Forget what was said of these pairs, where it is the contrary of what is said now.
DELETE FROM assertion_pair
USING unnest($1::uuid[], $2::uuid[], $3::boolean[]) AS now(a, b, must)
WHERE assertion_pair.a = now.a AND assertion_pair.b = now.b AND assertion_pair.must <> now.must;

-- save_pairs --
-- Write what holds of pairs from now on.
INSERT INTO assertion_pair (a, b, must, number)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::boolean[], $4::bigint[])
ON CONFLICT (a, b) DO UPDATE SET must = excluded.must, number = excluded.number;

-- contact_states --
-- Read the published states of contacts, for comparison.
SELECT contact_id, state::text FROM contact WHERE contact_id = ANY($1::uuid[]);

-- save_contacts --
-- Write the states of contacts that have changed.
INSERT INTO contact (contact_id, version, changed_at, state)
SELECT contact_id, 1, now(), state
FROM unnest($1::uuid[], $2::json[]) AS new(contact_id, state)
ORDER BY contact_id
ON CONFLICT (contact_id) DO UPDATE
    SET version = contact.version + 1, changed_at = excluded.changed_at, state = excluded.state;

-- contacts --
-- Read contacts as they are published.
SELECT contact_id, version, changed_at, state::text FROM contact WHERE contact_id = ANY($1::uuid[]);

-- versions --
-- Read the versions of contacts.
SELECT contact_id, version FROM contact WHERE contact_id = ANY($1::uuid[]);

-- history --
-- Read what people decided on these records, the latest first, before a number.
SELECT number, command_id, verdict, left_ids, right_ids, author, reason, at
FROM assertion
WHERE left_ids || right_ids && $1::uuid[] AND number < $2
ORDER BY number DESC
LIMIT $3;

-- assertion_of --
-- Read what one command decided.
SELECT number, command_id, verdict, left_ids, right_ids, author, reason, at FROM assertion WHERE command_id = $1;
