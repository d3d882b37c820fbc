"""What a database is made of, as lines of text that can be compared; the order of columns is no part of it."""

from __future__ import annotations

from typing import Any

import asyncpg

# Of the schema public, without the tables in which yoyo keeps its books, and without what belongs to an extension.
_LINES = """
WITH relation AS (
    SELECT c.*, c.relname::text AS name
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relname !~ '^_?yoyo' AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    )
), tables AS (
    SELECT * FROM relation WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
)
SELECT format('%s %s%s%s%s%s',
    CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'p' THEN 'partitioned table'
        WHEN 'S' THEN 'sequence' ELSE 'table' END,
    name,
    CASE relpersistence WHEN 'u' THEN ' unlogged' ELSE '' END,
    ' ' || array_to_string(reloptions, ' '),
    ' partition by ' || CASE relkind WHEN 'p' THEN pg_get_partkeydef(oid) END,
    ' partition ' || pg_get_expr(relpartbound, oid)
) FROM relation WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
UNION ALL
SELECT format('inherits %s from %s', child.name, parent.relname)
FROM pg_inherits JOIN tables AS child ON child.oid = inhrelid JOIN pg_class AS parent ON parent.oid = inhparent
UNION ALL
SELECT format('column %s.%s %s%s%s%s%s%s',
    name, attname, format_type(atttypid, atttypmod),
    CASE WHEN attnotnull THEN ' not null' END,
    CASE attgenerated WHEN '' THEN ' default ' ELSE ' generated ' END || pg_get_expr(adbin, adrelid),
    CASE attidentity WHEN '' THEN NULL WHEN 'a' THEN ' identity always' ELSE ' identity by default' END,
    ' collate ' || (SELECT collname FROM pg_collation WHERE oid = attcollation AND collname <> 'default'),
    CASE WHEN attcompression <> '' THEN ' compression ' || attcompression::text END
)
FROM tables JOIN pg_attribute ON attrelid = tables.oid AND attnum > 0 AND NOT attisdropped
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
UNION ALL
SELECT format('constraint %s.%s %s', name, conname, pg_get_constraintdef(pg_constraint.oid))
FROM tables JOIN pg_constraint ON conrelid = tables.oid
UNION ALL
SELECT format('index %s', pg_get_indexdef(indexrelid)) FROM tables JOIN pg_index ON indrelid = tables.oid
UNION ALL
SELECT format('trigger %s', pg_get_triggerdef(pg_trigger.oid))
FROM tables JOIN pg_trigger ON tgrelid = tables.oid AND NOT tgisinternal
UNION ALL
SELECT format('view %s %s', name, pg_get_viewdef(oid)) FROM tables WHERE relkind IN ('v', 'm')
UNION ALL
SELECT format('comment on %s %s %s', name, (
    SELECT attname FROM pg_attribute WHERE attrelid = tables.oid AND attnum = objsubid AND objsubid > 0
), description)
FROM tables JOIN pg_description ON classoid = 'pg_class'::regclass AND objoid = tables.oid
UNION ALL
SELECT format('function %s', pg_get_functiondef(p.oid))
FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prokind IN ('f', 'p') AND NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
)
UNION ALL
SELECT format('type %s %s', typname, (
    SELECT string_agg(enumlabel, ', ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid
))
FROM pg_type t WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd')
UNION ALL
SELECT format('extension %s', extname) FROM pg_extension
"""


async def catalog(dsn: str) -> set[str]:
    """A line for each table, column, constraint, index, function, … of a database."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(dsn)
    try:
        return {str(row[0]) for row in await connection.fetch(_LINES)}
    finally:
        await connection.close()


async def differences(one: str, other: str) -> list[str]:
    """What is in only one of two databases: `-` for the first, `+` for the second."""
    first, second = await catalog(one), await catalog(other)
    return [f"- {line}" for line in sorted(first - second)] + [f"+ {line}" for line in sorted(second - first)]
