-- insert_memberships --
-- Make rows for records that were never heard of.
INSERT INTO membership (record_id, contact_id, number)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[])
ON CONFLICT (record_id) DO NOTHING;

-- lock_memberships --
-- Read which contacts records belong to, and keep other workers from moving them meanwhile.
SELECT record_id, contact_id, number FROM membership
WHERE record_id = ANY($1::uuid[])
ORDER BY record_id
FOR UPDATE;

-- memberships --
-- Read which contacts records belong to.
SELECT record_id, contact_id, number FROM membership WHERE record_id = ANY($1::uuid[]);

-- move_memberships --
-- Move records to other contacts.
UPDATE membership SET contact_id = new.contact_id, number = new.number
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS new(record_id, contact_id, number)
WHERE membership.record_id = new.record_id;

-- insert_events --
-- Keep events, and return the ids of those that were not there.
INSERT INTO event (event_id, record_id, "time", name, source, amount_minor, currency, body)
SELECT * FROM unnest(
    $1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::bytea[])
ON CONFLICT (event_id) DO NOTHING
RETURNING event_id;

-- add_totals --
-- Add to what the events of records add up to.
INSERT INTO record_activity AS held (record_id, name, currency, count, sum_minor, first_time, last_time)
SELECT * FROM unnest(
    $1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::timestamptz[], $7::timestamptz[])
ON CONFLICT (record_id, name, currency) DO UPDATE SET
    count = held.count + excluded.count,
    sum_minor = held.sum_minor + excluded.sum_minor,
    first_time = least(held.first_time, excluded.first_time),
    last_time = greatest(held.last_time, excluded.last_time);

-- save_contacts --
-- Keep what dedupe says of contacts where it is newer, and return which those are.
INSERT INTO contact (contact_id, version, merged_into)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[])
ON CONFLICT (contact_id) DO UPDATE SET version = excluded.version, merged_into = excluded.merged_into
WHERE excluded.version > contact.version
RETURNING contact_id;

-- known_contacts --
-- Find which of these are contacts, or records that may become one.
SELECT contact_id AS id FROM contact WHERE contact_id = ANY($1::uuid[])
UNION
SELECT record_id FROM membership WHERE record_id = ANY($1::uuid[]);

-- insert_summaries --
-- Make rows for contacts that have none yet.
INSERT INTO contact_activity (contact_id)
SELECT * FROM unnest($1::uuid[])
ON CONFLICT (contact_id) DO NOTHING;

-- lock_summaries --
-- Read the published summaries of contacts, and keep other workers from computing them meanwhile.
SELECT contact_id, state FROM contact_activity
WHERE contact_id = ANY($1::uuid[])
ORDER BY contact_id
FOR UPDATE;

-- contact_totals --
-- Add up the totals of all records of contacts; contacts that dedupe has not published are left out, and an absorbed
-- contact has one row without a name.
SELECT contact.contact_id, name, currency,
       sum(count)::bigint AS count, sum(sum_minor)::bigint AS sum_minor,
       min(first_time) AS first_time, max(last_time) AS last_time
FROM contact
LEFT JOIN (membership JOIN record_activity USING (record_id))
    ON membership.contact_id = contact.contact_id AND contact.merged_into IS NULL
WHERE contact.contact_id = ANY($1::uuid[])
GROUP BY contact.contact_id, name, currency;

-- save_summaries --
-- Save changed summaries, each as the next version.
UPDATE contact_activity SET version = version + 1, state = new.state::json, changed_at = now()
FROM unnest($1::uuid[], $2::text[]) AS new(contact_id, state)
WHERE contact_activity.contact_id = new.contact_id;

-- published --
-- Read what is to be published of contacts.
SELECT contact_id, version, state, changed_at FROM contact_activity
WHERE contact_id = ANY($1::uuid[]) AND version > 0;

-- survivor --
-- Follow a contact's redirects, or a record to its contact, to the contact that holds the history now.
WITH RECURSIVE path AS (
    SELECT $1::uuid AS contact_id, 0 AS steps
    UNION ALL
    SELECT coalesce(contact.merged_into, membership.contact_id), steps + 1
    FROM path
    LEFT JOIN contact USING (contact_id)
    -- Only what is no contact of its own is looked up as a record.
    LEFT JOIN membership ON membership.record_id = path.contact_id AND contact.contact_id IS NULL
    WHERE steps < 32
      AND coalesce(contact.merged_into, membership.contact_id, path.contact_id) <> path.contact_id
)
SELECT contact_id FROM path
WHERE EXISTS (SELECT FROM contact WHERE contact.contact_id = path.contact_id)
   OR EXISTS (SELECT FROM membership WHERE membership.contact_id = path.contact_id)
ORDER BY steps DESC LIMIT 1;

-- totals_of_contact --
-- Add up the totals of all records of one contact, published or not.
SELECT name, currency, sum(count)::bigint AS count, sum(sum_minor)::bigint AS sum_minor,
       min(first_time) AS first_time, max(last_time) AS last_time
FROM membership JOIN record_activity USING (record_id)
WHERE contact_id = $1
GROUP BY name, currency;

-- timeline --
-- Read a page of a contact's events, the latest first: those below ($3, $4), at most $5 of them and about $6 bytes;
-- `found` is how many there would be without the limit in bytes.
WITH lane AS (
    SELECT record_id, name, max(last_time) AS last_time
    FROM membership JOIN record_activity USING (record_id)
    WHERE contact_id = $1 AND ($2::text IS NULL OR name = $2)
    GROUP BY record_id, name
    HAVING min(first_time) <= coalesce($3::timestamptz, 'infinity')
), ranked AS (
    SELECT record_id, name, last_time >= coalesce($3, 'infinity') AS reaches_above,
           rank() OVER (PARTITION BY last_time >= coalesce($3, 'infinity') ORDER BY last_time DESC) AS rank
    FROM lane
), page AS (
    SELECT top.event_id, top."time"
    FROM ranked CROSS JOIN LATERAL (
        SELECT event_id, "time" FROM event
        WHERE event.record_id = ranked.record_id AND event.name = ranked.name
          AND ("time", event_id)
              < (coalesce($3, 'infinity'), coalesce($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
        ORDER BY "time" DESC, event_id DESC
        LIMIT $5
    ) AS top
    -- A lane that lies below the page's start as a whole has its latest event there; so $5 such lanes suffice.
    WHERE reaches_above OR rank <= $5
    ORDER BY "time" DESC, event_id DESC
    LIMIT $5
), weighed AS (
    SELECT event.*, sum(octet_length(body)) OVER (ORDER BY event."time" DESC, event.event_id DESC) AS bytes,
           row_number() OVER (ORDER BY event."time" DESC, event.event_id DESC) AS place,
           count(*) OVER () AS found
    FROM page JOIN event USING (event_id)
)
SELECT event_id, record_id, "time", name, source, amount_minor, currency, body, found
FROM weighed
WHERE place = 1 OR bytes <= $6::bigint
ORDER BY place;

-- event --
-- Read one event whole, with the contact that its record belongs to.
SELECT event_id, record_id, membership.contact_id, body
FROM event LEFT JOIN membership USING (record_id)
WHERE event_id = $1;
