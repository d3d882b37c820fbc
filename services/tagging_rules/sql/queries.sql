-- lock_memberships --
-- Find where records belong, and keep others from changing anything about these records meanwhile.
SELECT record_id, contact_id, number FROM membership
WHERE record_id = ANY($1::uuid[]) ORDER BY record_id FOR UPDATE;

-- insert_memberships --
-- Place records that are new; returns those that were.
INSERT INTO membership (record_id, contact_id, number)
SELECT record_id, contact_id, number
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS new(record_id, contact_id, number)
ORDER BY record_id
ON CONFLICT (record_id) DO NOTHING
RETURNING record_id;

-- move_memberships --
-- Move records whose number is larger than the one that is kept; the caller holds their locks.
UPDATE membership SET contact_id = new.contact_id, number = new.number
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS new(record_id, contact_id, number)
WHERE membership.record_id = new.record_id;

-- insert_seen_events --
-- Note events; returns those that were not seen before.
INSERT INTO seen_event (event_id)
SELECT event_id FROM unnest($1::uuid[]) AS new(event_id) ORDER BY event_id
ON CONFLICT (event_id) DO NOTHING
RETURNING event_id;

-- add_facts --
-- Add what new events add up to.
INSERT INTO fact AS kept (record_id, event_name, currency, count, sum_minor, first_time, last_time)
SELECT record_id, event_name, currency, count, sum_minor, first_time, last_time
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::timestamptz[], $7::timestamptz[])
    AS new(record_id, event_name, currency, count, sum_minor, first_time, last_time)
ORDER BY record_id, event_name, currency
ON CONFLICT (record_id, event_name, currency) DO UPDATE
SET count = kept.count + excluded.count,
    sum_minor = kept.sum_minor + excluded.sum_minor,
    first_time = least(kept.first_time, excluded.first_time),
    last_time = greatest(kept.last_time, excluded.last_time);

-- marks_of_records --
-- Read what events said about tags of these records; the caller holds the records' locks.
SELECT record_id, tag, first_time, first_event, first_rule, first_rule_version,
       last_time, last_event, last_rule, last_rule_version, removed_time, removed_event
FROM record_tag JOIN unnest($1::uuid[], $2::text[]) AS wanted(record_id, tag) USING (record_id, tag);

-- save_marks --
-- Write what events said about tags of records; the caller holds the records' locks and has merged.
INSERT INTO record_tag (record_id, tag, first_time, first_event, first_rule, first_rule_version,
                        last_time, last_event, last_rule, last_rule_version, removed_time, removed_event)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::uuid[], $5::uuid[], $6::integer[],
                     $7::timestamptz[], $8::uuid[], $9::uuid[], $10::integer[], $11::timestamptz[], $12::uuid[])
ON CONFLICT (record_id, tag) DO UPDATE
SET first_time = excluded.first_time, first_event = excluded.first_event,
    first_rule = excluded.first_rule, first_rule_version = excluded.first_rule_version,
    last_time = excluded.last_time, last_event = excluded.last_event,
    last_rule = excluded.last_rule, last_rule_version = excluded.last_rule_version,
    removed_time = excluded.removed_time, removed_event = excluded.removed_event;

-- save_hand_tags --
-- Write what people said about tags, where it is later than what is kept.
INSERT INTO hand_tag AS kept (record_id, tag, present, "time", command_id, author, reason)
SELECT record_id, tag, present, "time", command_id, author, reason
FROM unnest($1::uuid[], $2::text[], $3::boolean[], $4::timestamptz[], $5::uuid[], $6::text[], $7::text[])
    AS new(record_id, tag, present, "time", command_id, author, reason)
ORDER BY record_id, tag
ON CONFLICT (record_id, tag) DO UPDATE
SET present = excluded.present, "time" = excluded."time", command_id = excluded.command_id,
    author = excluded.author, reason = excluded.reason
WHERE (kept."time", kept.command_id) < (excluded."time", excluded.command_id);

-- save_seen_contacts --
-- Write what dedupe says of contacts, where it is newer; returns those that were.
INSERT INTO contact_seen AS kept (contact_id, version, live, fields)
SELECT contact_id, version, live, fields
FROM unnest($1::uuid[], $2::bigint[], $3::boolean[], $4::jsonb[]) AS new(contact_id, version, live, fields)
ORDER BY contact_id
ON CONFLICT (contact_id) DO UPDATE
SET version = excluded.version, live = excluded.live, fields = excluded.fields
WHERE kept.version < excluded.version
RETURNING contact_id;

-- lock_contacts --
-- Keep others from working out these contacts meanwhile; returns what was last published of them.
SELECT contact_id, state FROM contact_tags
WHERE contact_id = ANY($1::uuid[]) ORDER BY contact_id FOR UPDATE;

-- insert_contacts --
-- Make the rows of those contacts that dedupe has published.
INSERT INTO contact_tags (contact_id)
SELECT contact_id FROM contact_seen WHERE contact_id = ANY($1::uuid[]) ORDER BY contact_id
ON CONFLICT (contact_id) DO NOTHING
RETURNING contact_id;

-- live_contacts --
-- Find those contacts that have records; their fields only where a rule asks for fields.
SELECT contact_id, CASE WHEN $2::boolean THEN fields::text END AS fields
FROM contact_seen AS seen
WHERE contact_id = ANY($1::uuid[]) AND live
  AND EXISTS (SELECT 1 FROM membership WHERE membership.contact_id = seen.contact_id);

-- marks_of_contacts --
-- Read what events said about tags of the records of these contacts.
SELECT contact_id, record_id, tag, first_time, first_event, first_rule, first_rule_version,
       last_time, last_event, last_rule, last_rule_version, removed_time, removed_event
FROM membership JOIN record_tag USING (record_id)
WHERE contact_id = ANY($1::uuid[]);

-- hand_tags_of_contacts --
-- Read what people said about tags of the records of these contacts.
SELECT contact_id, record_id, tag, present, "time", command_id, author
FROM membership JOIN hand_tag USING (record_id)
WHERE contact_id = ANY($1::uuid[]);

-- facts_of_contacts --
-- Read what events of these names add up to on the records of these contacts.
SELECT contact_id, event_name, currency, count, sum_minor, first_time, last_time
FROM membership JOIN fact USING (record_id)
WHERE contact_id = ANY($1::uuid[]) AND event_name = ANY($2::text[]);

-- save_standings --
-- Write what contacts are now, as a new version.
UPDATE contact_tags SET version = version + 1, state = new.state, changed_at = now()
FROM unnest($1::uuid[], $2::json[]) AS new(contact_id, state)
WHERE contact_tags.contact_id = new.contact_id;

-- standings --
-- Read what was last said of contacts.
SELECT contact_id, version, state, changed_at FROM contact_tags
WHERE contact_id = ANY($1::uuid[]) AND version > 0;

-- find_contact --
-- Find the contact that an id leads to, its own or that which absorbed it, and what is said of it.
SELECT contact_seen.contact_id, coalesce(contact_tags.version, 0) AS version, state
FROM contact_seen LEFT JOIN contact_tags USING (contact_id)
WHERE contact_id = coalesce((SELECT contact_id FROM membership WHERE record_id = $1), $1);

-- list_tags --
-- Count the contacts that have each tag, a page of tags in alphabetical order after the last of the page before.
SELECT tag, count(*) AS contacts
FROM contact_tags, json_to_recordset(state -> 'tags') AS held(tag text)
WHERE ($1::text IS NULL OR tag COLLATE "C" > $1)
GROUP BY tag ORDER BY tag COLLATE "C" LIMIT $2;

-- share_rule_book --
-- Read the stamp of the rules, and keep them from changing while this batch is under way.
SELECT stamp FROM rule_book FOR SHARE;

-- insert_rule_book --
-- Open the book of rules; returns its stamp to the one who opened it.
INSERT INTO rule_book (stamp) VALUES (1) ON CONFLICT (one) DO NOTHING RETURNING stamp;

-- turn_rule_book --
-- Begin a change of rules: wait for the batches under way, keep new ones waiting.
UPDATE rule_book SET stamp = stamp + 1 RETURNING stamp;

-- insert_rule_version --
-- Write a version of a rule.
INSERT INTO rule_version (rule_id, version, definition, author, changed_at) VALUES ($1, $2, $3, $4, $5);

-- newest_rules --
-- Read the newest version of every rule.
SELECT DISTINCT ON (rule_id) rule_id, version, definition, author, changed_at
FROM rule_version ORDER BY rule_id, version DESC;

-- rule_names --
-- Read what every version of every rule was called.
SELECT rule_id, version, definition ->> 'name' AS name FROM rule_version;

-- rule_versions --
-- Read the versions of one rule, the newest first, a page before the last of the page before.
SELECT rule_id, version, definition, author, changed_at FROM rule_version
WHERE rule_id = $1 AND ($2::integer IS NULL OR version < $2) ORDER BY version DESC LIMIT $3;

-- start_recompute --
-- Ask for all contacts to be worked out anew by the rules of this stamp.
INSERT INTO recompute (stamp) VALUES ($1)
ON CONFLICT (one) DO UPDATE SET stamp = excluded.stamp, after = NULL;

-- find_recompute --
-- Read how far the working out has come.
SELECT stamp, after FROM recompute;

-- next_contacts --
-- Read the contacts that follow.
SELECT contact_id FROM contact_seen
WHERE $1::uuid IS NULL OR contact_id > $1 ORDER BY contact_id LIMIT $2;

-- advance_recompute --
-- Note that the contacts up to this one were worked out, unless a rule has changed since.
UPDATE recompute SET after = $2 WHERE stamp = $1;

-- end_recompute --
-- Note that all contacts were worked out, unless a rule has changed since.
DELETE FROM recompute WHERE stamp = $1;

-- try_recompute_lock --
-- Become the one worker that asks for the working out; the lock ends with the session.
SELECT pg_try_advisory_lock(hashtext('recompute'));

-- release_recompute_lock --
-- Let another worker do it.
SELECT pg_advisory_unlock(hashtext('recompute'));
