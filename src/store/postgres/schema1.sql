CREATE SEQUENCE age; -- smaller is older

CREATE TABLE record (
    kind    text    NOT NULL,
    key     bytea   NOT NULL,
    age     bigint  NOT NULL,
    value   bytea   NOT NULL,
    version bytea   NOT NULL,
    expires bigint  NOT NULL, -- the last millisecond alive
    owners  bytea[] NOT NULL,
    spent   boolean NOT NULL,
    PRIMARY KEY (kind, key)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE record ALTER COLUMN value SET STORAGE EXTERNAL; -- sealed: it does not shrink
CREATE INDEX record_expiry ON record (kind, expires);

-- One row for each owner of each record, kept by the trigger below; to count is to walk one index.
CREATE TABLE owner (
    kind    text    NOT NULL,
    owner   bytea   NOT NULL,
    spent   boolean NOT NULL,
    expires bigint  NOT NULL,
    key     bytea   NOT NULL,
    PRIMARY KEY (kind, owner, spent, expires, key)
) WITH (autovacuum_vacuum_scale_factor = 0.05);

-- How many records there are: the sum over the slots, of which each connection changes one, so that
-- writers do not wait for each other.
CREATE TABLE tally (
    kind    text   NOT NULL,
    slot    int    NOT NULL,
    records bigint NOT NULL,
    PRIMARY KEY (kind, slot)
) WITH (fillfactor = 20);

CREATE TABLE probe (slot int PRIMARY KEY, touched bigint NOT NULL);

-- Each statement of a trigger sees what was committed while the row's lock was waited for, which one
-- statement with everything in it would not.
CREATE FUNCTION record_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        -- By place, found row by row (OFFSET 0): a join is planned while the table is empty, and then scans it.
        DELETE FROM owner WHERE ctid = ANY (ARRAY(
            SELECT o.place FROM gone g, unnest(g.owners) AS w(owner), LATERAL (
                SELECT ctid AS place FROM owner
                WHERE kind = g.kind AND owner = w.owner AND spent = g.spent AND expires = g.expires
                    AND key = g.key
                OFFSET 0
            ) o));
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO owner (kind, owner, spent, expires, key)
        SELECT DISTINCT a.kind, w.owner, a.spent, a.expires, a.key FROM added a, unnest(a.owners) AS w(owner);
    END IF;
    IF TG_OP = 'INSERT' THEN
        INSERT INTO tally (kind, slot, records)
        SELECT kind, pg_backend_pid() % 32, count(*) FROM added GROUP BY kind
        ON CONFLICT (kind, slot) DO UPDATE SET records = tally.records + excluded.records;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO tally (kind, slot, records)
        SELECT kind, pg_backend_pid() % 32, -count(*) FROM gone GROUP BY kind
        ON CONFLICT (kind, slot) DO UPDATE SET records = tally.records + excluded.records;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER added AFTER INSERT ON record REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION record_changed();
CREATE TRIGGER gone AFTER DELETE ON record REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION record_changed();
CREATE TRIGGER changed AFTER UPDATE ON record REFERENCING OLD TABLE AS gone NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION record_changed();
