-- The schema and the role of the application. Every file here can be run again without harm;
-- `holdfast sink --migrate` runs them in order, in one transaction, under an advisory lock.

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
