-- The schema and the role of the application. Every file here can be run again without harm;
-- `holdfast sink --migrate` runs them in order, in one transaction, under an advisory lock.

DO $$
BEGIN
    IF current_setting('server_version_num')::integer < 170000 THEN
        RAISE EXCEPTION 'PostgreSQL % is too old: Holdfast needs 17 or later', current_setting('server_version')
            USING ERRCODE = 'feature_not_supported';
    END IF;
    -- The encoding of a database stays as it is.
    IF current_setting('server_encoding') <> 'UTF8' THEN
        RAISE EXCEPTION 'the database % has the encoding %, which cannot hold every SKU and name',
                current_database(), current_setting('server_encoding')
            USING ERRCODE = 'feature_not_supported', HINT = 'Make another database: '
                'CREATE DATABASE NAME ENCODING ''UTF8'' LOCALE ''C.UTF-8'' TEMPLATE template0';
    END IF;
END
$$;

CREATE SCHEMA IF NOT EXISTS holdfast;

COMMENT ON SCHEMA holdfast IS
    'Holdfast: the audit ledger of stock, and the projections that are kept beside it';

-- Roles belong to the whole cluster, and advisory locks to one database: two may come here at once.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'holdfast_application') THEN
        CREATE ROLE holdfast_application NOLOGIN;
        COMMENT ON ROLE holdfast_application IS
            'What the sink needs: grant it to the user that the sink connects as';
        -- Who makes the schema without being a superuser may also act as the sink (--migrate).
        EXECUTE format('GRANT holdfast_application TO %I', current_user);
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

GRANT USAGE ON SCHEMA holdfast TO holdfast_application;
