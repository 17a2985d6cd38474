-- Roles and schemas of the suite: one owner, one runtime role and one schema per
-- service. Idempotent; run it as a superuser in the suite's database, before the
-- services' own migrations. It also sets the passwords, so running it again with
-- others rotates them.
--
-- psql variables: <service>_owner_password and <service>_password of each service.

BEGIN;

-- The passwords below stand in the statement's text: it must not be logged.
SET LOCAL log_statement = 'none';
SET LOCAL log_min_duration_statement = -1;
SET LOCAL log_min_error_statement = 'panic';
SET LOCAL password_encryption = 'scram-sha-256';
SET LOCAL client_min_messages = 'warning';

-- Two runs at once take turns.
DO $$ BEGIN PERFORM pg_advisory_xact_lock(hashtextextended('gatehouse.roles', 0)); END $$;

-- The list of services that own a schema.
CREATE TEMPORARY TABLE services (name, owner_password, password) ON COMMIT DROP AS VALUES
    ('auth', :'auth_owner_password', :'auth_password'),
    ('invitations', :'invitations_owner_password', :'invitations_password'),
    ('billing', :'billing_owner_password', :'billing_password'),
    ('jobs', :'jobs_owner_password', :'jobs_password'),
    ('orchestrator_monitor', :'orchestrator_monitor_owner_password',
     :'orchestrator_monitor_password');

-- Nobody has a right that is not given below.
DO $$
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    REVOKE ALL ON SCHEMA public FROM PUBLIC;
END $$;

DO $$
DECLARE
    service record;
    role record;
BEGIN
    FOR service IN SELECT name, owner_password, password FROM pg_temp.services LOOP
        FOR role IN
            SELECT 'gatehouse_' || service.name || '_owner' AS name,
                   service.owner_password AS password
            UNION ALL
            SELECT 'gatehouse_' || service.name, service.password
        LOOP
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role.name) THEN
                EXECUTE format('CREATE ROLE %I', role.name);
            END IF;
            EXECUTE format('ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE'
                           ' NOREPLICATION NOBYPASSRLS PASSWORD %L', role.name, role.password);
            EXECUTE format('ALTER ROLE %I SET search_path = %I', role.name, service.name);
            EXECUTE format('ALTER ROLE %I SET timezone = %L', role.name, 'UTC');
            -- Logs: slow statements and long lock waits, never the values of
            -- parameters, for among them are digests and addresses.
            EXECUTE format('ALTER ROLE %I SET log_min_duration_statement = %L', role.name,
                           '500ms');
            EXECUTE format('ALTER ROLE %I SET log_lock_waits = on', role.name);
            EXECUTE format('ALTER ROLE %I SET log_parameter_max_length = 0', role.name);
            EXECUTE format('ALTER ROLE %I SET log_parameter_max_length_on_error = 0', role.name);
            EXECUTE format('ALTER ROLE %I SET log_error_verbosity = %L', role.name, 'terse');
            EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), role.name);
        END LOOP;

        EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I', service.name);
        EXECUTE format('ALTER SCHEMA %I OWNER TO %I', service.name,
                       'gatehouse_' || service.name || '_owner');
        EXECUTE format('REVOKE ALL ON SCHEMA %I FROM PUBLIC', service.name);
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', service.name,
                       'gatehouse_' || service.name);
        EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I REVOKE EXECUTE ON FUNCTIONS'
                       ' FROM PUBLIC', 'gatehouse_' || service.name || '_owner');
    END LOOP;
END $$;

COMMIT;
