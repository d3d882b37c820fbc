-- The feed of customer updates, as compact as its topic: the newest version of each customer, in order of arrival.

CREATE TABLE feed (
    customer_id uuid   PRIMARY KEY,
    -- Larger for every later commit: who has read up to a number has read all below it.
    seq         bigint NOT NULL UNIQUE,
    version     bigint NOT NULL,
    kind        text   NOT NULL,
    tags        jsonb  NOT NULL,
    -- Each tag that the customer had and has no longer, with the seq at which it went.
    left_tags   jsonb  NOT NULL,
    -- The customer as it came, on one line.
    body        json   NOT NULL
) WITH (fillfactor = 80);

COMMENT ON TABLE feed IS 'The newest version of each customer, moved to the end of the feed whenever it changes.';

CREATE TABLE head (
    -- There is one row.
    is_head boolean PRIMARY KEY DEFAULT true CHECK (is_head),
    seq     bigint  NOT NULL
);

INSERT INTO head (seq) VALUES (0);

COMMENT ON TABLE head IS 'The largest seq given so far. Its lock, held until the commit, lets one writer at a time append.';
