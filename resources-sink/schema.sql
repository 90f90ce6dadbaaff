-- What postcall-resources-sink keeps in PostgreSQL (15 or later), as a list of migrations.
--
-- `postcall-resources-sink --migrate` applies those that a database has not had yet, each in a
-- transaction that also adds a row to postcall_schema.  A line "-- migration N, floor F: title"
-- starts each.  The floor is the oldest version whose programs still work once it is applied: it
-- stays where it is for an addition such as an index, and becomes N for a change that the programs
-- before would stumble over.  A released migration is never edited; the next one is appended.
--
-- Names are those of the system that wrote the table before, quotes and all.

-- migration 1, floor 1: the table, new or as the system before left it
CREATE TABLE IF NOT EXISTS resources (
    "id"                 text PRIMARY KEY, -- {businessId}-{locationId}-{resourceId}
    "businessLocationId" text NOT NULL,    -- {businessId}:{locationId}, the tenant
    "resourceType"       text NOT NULL,    -- agent-logs
    "resourceId"         text NOT NULL,    -- log-{uuid}; the same for every event of one call
    "operation"          text NOT NULL,    -- create
    "data"               jsonb NOT NULL,
    "createdAt"          timestamptz NOT NULL, -- when the call was, not when it was stored
    "updatedAt"          timestamptz NOT NULL, -- when the row was stored or last replaced
    "requestId"          text,
    "version"            text COLLATE "C"  -- the larger wins, byte by byte; NULL is the smallest
);

-- A table that was there already keeps its columns, their types and its rows.
ALTER TABLE resources
    ADD COLUMN IF NOT EXISTS "operation" text,
    ADD COLUMN IF NOT EXISTS "updatedAt" timestamptz,
    ADD COLUMN IF NOT EXISTS "requestId" text,
    ADD COLUMN IF NOT EXISTS "version" text COLLATE "C";

DO $$
DECLARE
    wrong text;
BEGIN
    -- Types that the columns may have, since the SQL that reads the table works with all of them.
    SELECT string_agg(format('%I should be %s, and is %s', need.name,
                             replace(need.types, '|', ' or '),
                             coalesce(format_type(have.atttypid, NULL), 'missing')), '; ')
    INTO wrong
    FROM (VALUES ('id', 'text|character varying'),
                 ('businessLocationId', 'text|character varying'),
                 ('resourceType', 'text|character varying'),
                 ('resourceId', 'text|character varying'),
                 ('data', 'jsonb|json'),
                 ('createdAt', 'timestamp with time zone|timestamp without time zone'),
                 ('updatedAt', 'timestamp with time zone|timestamp without time zone'),
                 ('version', 'text|character varying')) AS need (name, types)
    LEFT JOIN pg_attribute AS have
        ON have.attrelid = 'resources'::regclass AND have.attname = need.name
           AND NOT have.attisdropped
    WHERE coalesce(format_type(have.atttypid, NULL), '') <> ALL (string_to_array(need.types, '|'));
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'table resources does not fit: %', wrong;
    END IF;

    -- Columns that would make every row fail, since nothing fills them.
    SELECT string_agg(quote_ident(attname), ', ')
    INTO wrong
    FROM pg_attribute
    WHERE attrelid = 'resources'::regclass AND attnum > 0 AND NOT attisdropped
        AND attnotnull AND NOT atthasdef AND attidentity = ''
        AND attname NOT IN ('id', 'businessLocationId', 'resourceType', 'resourceId', 'operation',
                            'data', 'createdAt', 'updatedAt', 'requestId', 'version');
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'table resources has columns that are NOT NULL, have no default, and that '
                        'postcall does not know: % (drop the NOT NULL, or set a default)', wrong;
    END IF;

    -- ON CONFLICT ("id") needs a unique index on that column alone.
    IF NOT EXISTS (
        SELECT FROM pg_index
        JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
        WHERE indrelid = 'resources'::regclass AND attname = 'id' AND indnkeyatts = 1
            AND indisunique AND indimmediate AND indisvalid AND indpred IS NULL)
    THEN
        CREATE UNIQUE INDEX resources_id ON resources ("id");
    END IF;
END
$$;

-- migration 2, floor 1: one index for what is asked of the table
-- Every question names a tenant and a type; most name a kind of action, and some a time from which
-- on, or that order.  Kind before action, because the question about days names the kind alone.
CREATE INDEX IF NOT EXISTS resources_by_tenant ON resources (
    "businessLocationId", "resourceType", ("data"->>'subAction'), ("data"->>'actionType'),
    "createdAt");
