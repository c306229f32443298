-- Inserts under shares, in one step: 1 if it was written, 0 if the key is taken, -1 if the kind is full, and -1 - n if
-- the owner of the nth share has it all. A share is greatest(floor, (ceiling - used) / divisor), without the latter
-- where the divisor is 0, and greatest(floor, remaining / -divisor) where it is negative, `remaining` being what the last share of
-- another sort had left; over it the owner's oldest goes, or the new record is refused.
CREATE OR REPLACE FUNCTION insert_shared(
    new_kind text, new_key bytea, new_value bytea, new_version bytea, new_expires bigint, new_owners bytea[],
    ceiling bigint, at bigint, replaces boolean,
    sharers bytea[], floors bigint[], divisors bigint[], drops boolean[]
) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    used bigint;
    held bigint;
    allowed bigint;
    remaining bigint := 0;
    dropped bytea[] := '{}';
    written int;
BEGIN
    -- Whoever inserts for the same owner waits for our end; in one order, so that no two wait for each other.
    PERFORM pg_advisory_xact_lock(lock) FROM (
        SELECT DISTINCT hashtextextended(new_kind || encode(s, 'hex'), 0) AS lock FROM unnest(sharers) AS s ORDER BY 1
    ) AS locks;
    IF EXISTS (SELECT FROM record WHERE kind = new_kind AND key = new_key AND expires + 0 >= at) THEN
        IF NOT replaces THEN
            RETURN 0;
        END IF;
    ELSE
        SELECT coalesce(sum(records), 0) INTO used FROM tally WHERE kind = new_kind;
        FOR n IN 1 .. cardinality(sharers) LOOP
            SELECT count(*) INTO held FROM owner
            WHERE kind = new_kind AND owner = sharers[n] AND NOT spent AND expires >= at;
            allowed := floors[n];
            IF divisors[n] > 0 THEN
                allowed := greatest(allowed, (ceiling - used) / divisors[n]);
            ELSIF divisors[n] < 0 THEN
                allowed := greatest(allowed, remaining / -divisors[n]);
            END IF;
            IF divisors[n] >= 0 THEN
                remaining := greatest(0, allowed - held);
            END IF;
            IF drops[n] THEN
                allowed := greatest(allowed, 1);
            END IF;
            CONTINUE WHEN held < allowed;
            IF NOT drops[n] THEN
                RETURN -1 - n;
            END IF;
            dropped := dropped || ARRAY(
                SELECT key FROM record WHERE kind = new_kind AND key = ANY (ARRAY(
                    SELECT key FROM owner
                    WHERE kind = new_kind AND owner = sharers[n] AND NOT spent AND expires >= at))
                ORDER BY age LIMIT held + 1 - allowed);
        END LOOP;
        IF used - (SELECT count(DISTINCT d) FROM unnest(dropped) AS d) >= ceiling THEN
            RETURN -1;
        END IF;
        -- Before anything is written, and in the order of the keys: two that remove the same never wait for each other.
        PERFORM FROM record WHERE kind = new_kind AND key = ANY (dropped) ORDER BY key FOR UPDATE;
    END IF;
    INSERT INTO record AS r (kind, key, age, value, version, expires, owners, spent)
    VALUES (new_kind, new_key, nextval('age'), new_value, new_version, new_expires, new_owners, false)
    ON CONFLICT (kind, key) DO UPDATE SET age = excluded.age, value = excluded.value, version = excluded.version,
        expires = excluded.expires, owners = excluded.owners, spent = false
    WHERE replaces OR r.expires < at;
    GET DIAGNOSTICS written = ROW_COUNT;
    IF written = 1 AND cardinality(dropped) > 0 THEN
        DELETE FROM record WHERE kind = new_kind AND key = ANY (dropped);
    END IF;
    RETURN written;
END
$$;
