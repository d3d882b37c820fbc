-- save_parts --
-- Keep what a topic says of contacts where it is newer, and return which those are.
INSERT INTO part (contact_id, topic, version, at, body)
SELECT contact_id, $1, version, at, body
FROM unnest($2::uuid[], $3::bigint[], $4::timestamptz[], $5::json[]) AS new(contact_id, version, at, body)
ON CONFLICT (contact_id, topic) DO UPDATE SET version = excluded.version, at = excluded.at, body = excluded.body
WHERE excluded.version > part.version
RETURNING contact_id;

-- insert_customers --
-- Make rows for contacts that have none yet.
INSERT INTO customer (contact_id)
SELECT * FROM unnest($1::uuid[])
ON CONFLICT (contact_id) DO NOTHING;

-- lock_customers --
-- Read what was published of contacts, and keep other workers from computing it meanwhile.
SELECT contact_id, version, state FROM customer
WHERE contact_id = ANY($1::uuid[])
ORDER BY contact_id
FOR NO KEY UPDATE;

-- parts --
-- Read what the topics last said of contacts.
SELECT contact_id, topic, at, body FROM part WHERE contact_id = ANY($1::uuid[]);

-- save_customers --
-- Keep the new versions of customers.
UPDATE customer
SET version = new.version, kind = new.kind, at = new.at, merged_into = new.merged_into, state = new.state
FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::timestamptz[], $5::uuid[], $6::json[])
    AS new(contact_id, version, kind, at, merged_into, state)
WHERE customer.contact_id = new.contact_id;

-- customers --
-- Read what was last published of contacts, as far as anything was.
SELECT contact_id, version, kind, at, state FROM customer
WHERE contact_id = ANY($1::uuid[]) AND state IS NOT NULL;

-- save_search --
-- Keep what customers are found by; words and tags come joined by a character that they do not hold.
INSERT INTO search (contact_id, sort_name, words, tags, phase)
SELECT contact_id, sort_name, array_to_tsvector(string_to_array(words, ' ')), string_to_array(tags, E'\x1f'), phase
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[]) AS new(contact_id, sort_name, words, tags, phase)
ON CONFLICT (contact_id) DO UPDATE SET
    sort_name = excluded.sort_name, words = excluded.words, tags = excluded.tags, phase = excluded.phase;

-- delete_search --
-- Take customers out of what searches find.
DELETE FROM search WHERE contact_id = ANY($1::uuid[]);

-- unknown_words --
-- Find which of these words no name had before.
SELECT word FROM unnest($1::text[]) AS new(word)
WHERE NOT EXISTS (SELECT FROM word WHERE word.word = new.word);

-- insert_words --
-- Keep words of names; the keys of each come joined by spaces.
INSERT INTO word (word, spelling_keys)
SELECT word, string_to_array(keys, ' ') FROM unnest($1::text[], $2::text[]) AS new(word, keys)
ON CONFLICT (word) DO NOTHING;

-- share_words --
-- Keep forget_words waiting until the transaction ends.
SELECT pg_advisory_xact_lock_shared(hashtext('directory.word'));

-- own_words --
-- Wait until no transaction is adding words, and keep others waiting.
SELECT pg_advisory_xact_lock(hashtext('directory.word'));

-- forget_words --
-- Delete the words of names that no customer has any longer.
DELETE FROM word
WHERE NOT EXISTS (SELECT FROM search WHERE search.words @@ quote_literal(word.word)::tsquery);

-- delete_identifiers --
-- Delete the identifiers of customers, except those given.
DELETE FROM identifier AS held
WHERE held.contact_id = ANY($1::uuid[]) AND NOT EXISTS (
    SELECT FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::boolean[])
        AS kept(contact_id, kind, source, value, claimed)
    WHERE (kept.contact_id, kept.kind, kept.source, kept.value, kept.claimed)
        = (held.contact_id, held.kind, held.source, held.value, held.claimed));

-- insert_identifiers --
-- Keep identifiers of customers that are not kept yet.
INSERT INTO identifier (contact_id, kind, source, value, claimed)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::boolean[])
ON CONFLICT (contact_id, kind, source, value) DO NOTHING;

-- survivor --
-- Find the customer that an id leads to now: itself, or where it was merged into, over several steps.
WITH RECURSIVE way AS (
    SELECT contact_id, merged_into, version, state, 0 AS steps FROM customer
    WHERE contact_id = $1 AND state IS NOT NULL
    UNION ALL
    SELECT next.contact_id, next.merged_into, next.version, next.state, way.steps + 1
    FROM way JOIN customer AS next ON next.contact_id = way.merged_into
    WHERE way.steps < 50 AND next.state IS NOT NULL
)
SELECT contact_id, version, state FROM way ORDER BY steps DESC LIMIT 1;

-- lookup --
-- Find the customers that have an identifier, those first of whom nobody doubts it.
SELECT customer.contact_id, customer.version, customer.state
FROM identifier JOIN customer USING (contact_id)
WHERE identifier.kind = $1 AND identifier.value = $2 AND ($3::text IS NULL OR identifier.source = $3)
ORDER BY identifier.claimed, identifier.contact_id
LIMIT 20;

-- contacts_by_handle --
-- Find the customers whose address, number or id is, begins or ends as given.
SELECT DISTINCT contact_id FROM (
    SELECT contact_id FROM identifier WHERE kind = 'email' AND value LIKE $1
    UNION ALL
    SELECT contact_id FROM identifier WHERE kind = 'phone' AND value LIKE $2
    UNION ALL
    SELECT contact_id FROM identifier WHERE kind = 'phone' AND reverse(value) LIKE $3
    UNION ALL
    SELECT contact_id FROM identifier WHERE kind = 'external_id' AND value = $4
) AS found
LIMIT $5;

-- similar_words --
-- Find the words of names that one with these spelling keys may stand for.
SELECT word FROM word WHERE spelling_keys && $1::text[] LIMIT 5000;

-- prepare_search --
-- Plan the queries of this transaction for their own parameters.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true);

-- page_of_many --
-- Read a page of the customers that fit, after the one named last, by walking the phone book: soon full where many fit.
SELECT page.contact_id, page.sort_name, customer.version, customer.state
FROM (
    SELECT contact_id, sort_name FROM search
    WHERE ($1::text IS NULL AND $2::uuid[] IS NULL OR words @@ $1::text::tsquery OR contact_id = ANY($2::uuid[]))
        AND ($3::text IS NULL OR NOT (words @@ $3::text::tsquery OR contact_id = ANY($2::uuid[])))
        AND ($4::text[] IS NULL OR tags @> $4::text[])
        AND ($5::text IS NULL OR phase = $5)
        AND ($6::text IS NULL OR (sort_name, contact_id) > ($6, $7::uuid))
    ORDER BY sort_name, contact_id
    LIMIT $8
) AS page
JOIN customer USING (contact_id)
ORDER BY page.sort_name, page.contact_id;

-- page_of_few --
-- Read the same page by sorting all that fit: all Virtanens stand near the end of the phone book.
WITH fitting AS MATERIALIZED (
    SELECT contact_id, sort_name FROM search
    WHERE ($1::text IS NULL AND $2::uuid[] IS NULL OR words @@ $1::text::tsquery OR contact_id = ANY($2::uuid[]))
        AND ($3::text IS NULL OR NOT (words @@ $3::text::tsquery OR contact_id = ANY($2::uuid[])))
        AND ($4::text[] IS NULL OR tags @> $4::text[])
        AND ($5::text IS NULL OR phase = $5)
        AND ($6::text IS NULL OR (sort_name, contact_id) > ($6, $7::uuid))
)
SELECT page.contact_id, page.sort_name, customer.version, customer.state
FROM (SELECT contact_id, sort_name FROM fitting ORDER BY sort_name, contact_id LIMIT $8) AS page
JOIN customer USING (contact_id)
ORDER BY page.sort_name, page.contact_id;

-- count --
-- Count the customers that fit, as far as a bound.
SELECT count(*) FROM (
    SELECT FROM search
    WHERE ($1::text IS NULL AND $2::uuid[] IS NULL OR words @@ $1::text::tsquery OR contact_id = ANY($2::uuid[]))
        AND ($3::text[] IS NULL OR tags @> $3::text[])
        AND ($4::text IS NULL OR phase = $4)
    LIMIT $5
) AS found;
