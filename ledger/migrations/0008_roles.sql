-- One group role per program, with the least that it needs. An installation grants each to the role with which the program
-- logs in; the tables stay with the role that migrates. Nobody else may update, delete or truncate the journal.

-- roles belong to the cluster: another database may have made them already, or be about to
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['switchyard_host', 'switchyard_issuing', 'switchyard_backoffice', 'switchyard_auditor'] LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN NULL;
                WHEN insufficient_privilege THEN
                    RAISE EXCEPTION 'the role % does not exist, and % may not create it: a role with CREATEROLE has to, once', wanted, current_user
                        USING ERRCODE = 'insufficient_privilege';
            END;
        END IF;
    END LOOP;
END $$;

-- every object is granted by name: one that a later migration adds without a grant is reachable by its owner and the auditor only
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO switchyard_host, switchyard_issuing, switchyard_backoffice, switchyard_auditor;

-- what the auditor cannot read, he cannot check
GRANT SELECT ON ALL TABLES IN SCHEMA public TO switchyard_auditor;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO switchyard_auditor;
-- a new function is for its owner, until it is granted
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

GRANT SELECT ON schema_migration TO switchyard_host, switchyard_issuing, switchyard_backoffice;
GRANT USAGE ON SEQUENCE host_epoch TO switchyard_host, switchyard_issuing, switchyard_backoffice;

-- the journal: added to, by whoever is a registered writer
GRANT INSERT ON journal_instance, chain, recorded_change TO switchyard_host, switchyard_issuing, switchyard_backoffice;
GRANT SELECT ON chain TO switchyard_host, switchyard_issuing, switchyard_backoffice;
GRANT INSERT ON auth, posting TO switchyard_host, switchyard_issuing;
GRANT SELECT ON auth TO switchyard_host, switchyard_backoffice;
GRANT SELECT ON journal_instance TO switchyard_host;
GRANT SELECT, INSERT ON anchor TO switchyard_host;

-- the host: hot rows, but neither credit lines nor cards
GRANT SELECT ON account_state, card, card_state, token, token_state, token_vault, pan_directory, merchant, terminal TO switchyard_host;
GRANT UPDATE (ledger_minor, held_minor, seq) ON account_state TO switchyard_host;
GRANT UPDATE (day, spent_minor, pin_tries, atc_high, atc_window, code_tries, code_refused_until) ON card_state TO switchyard_host;
GRANT UPDATE (atc_high, atc_window) ON token_state TO switchyard_host;
GRANT SELECT, INSERT, UPDATE (amount_minor, authorized_minor, captured_minor, state, expires_on) ON hold TO switchyard_host;
GRANT SELECT, INSERT, UPDATE (state, cut_over_at) ON business_day TO switchyard_host;
GRANT INSERT ON foreign_card, acquired_chip TO switchyard_host;
GRANT SELECT, INSERT ON stored_credential TO switchyard_host;

-- issuing: new accounts, cards and tokens, and their status
GRANT SELECT, INSERT ON account_state, reference TO switchyard_issuing;
-- to lock an account: a row can be locked by who may change something of it
GRANT UPDATE (seq) ON account_state TO switchyard_issuing;
GRANT SELECT, INSERT, UPDATE (status, version) ON card, token TO switchyard_issuing;
GRANT INSERT ON card_state, token_state, token_vault, pan_directory TO switchyard_issuing;
GRANT SELECT ON business_day TO switchyard_issuing;
GRANT USAGE ON SEQUENCE account_number, card_number TO switchyard_issuing;

-- the back office: merchants, days, clearing and settlement, and the envelopes that it re-encrypts
GRANT SELECT, INSERT, UPDATE (name, mcc, city, country, iban) ON merchant TO switchyard_backoffice;
GRANT SELECT, INSERT, UPDATE (merchant_id) ON terminal TO switchyard_backoffice;
GRANT SELECT, INSERT, UPDATE (state, cut_over_at, closed_at) ON business_day TO switchyard_backoffice;
GRANT SELECT, INSERT ON clearing_file, presentment, outgoing_presentment, settlement_batch, settlement_line, settlement_merchant,
    settlement_position, settlement_posting, settlement_file TO switchyard_backoffice;
GRANT SELECT ON ledger, acquired_chip TO switchyard_backoffice;
GRANT SELECT, UPDATE (pan_envelope) ON card, foreign_card TO switchyard_backoffice;
GRANT SELECT, UPDATE (envelope, dpan_envelope) ON token_vault TO switchyard_backoffice;
GRANT SELECT, UPDATE (version) ON token TO switchyard_backoffice;

-- The host makes the partitions of the months to come, and owns no table. A partition is made apart and then attached, because
-- PARTITION OF would lock the journal, and with it every lane, behind whoever reads it.
CREATE OR REPLACE FUNCTION journal_partitions(first date, last date) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET client_min_messages = warning AS $$
DECLARE
    month date := date_trunc('month', first);
    made  integer := 0;
    part  text;
    name  text;
BEGIN
    WHILE month <= last LOOP
        FOREACH part IN ARRAY ARRAY['auth', 'posting'] LOOP
            name := part || to_char(month, '_YYYY_MM');
            IF to_regclass(name) IS NULL THEN
                -- hosts take turns, and nobody else waits; what the one before has made is seen under the lock
                LOCK TABLE auth, posting IN SHARE UPDATE EXCLUSIVE MODE;
                IF to_regclass(name) IS NULL THEN
                    EXECUTE format(
                        'CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS) WITH (autovacuum_vacuum_insert_scale_factor = 0, '
                        'autovacuum_vacuum_insert_threshold = 200000, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 200000)',
                        name, part);
                    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                        part, name, month, month + interval '1 month');
                    IF part = 'auth' THEN
                        -- lanes read a month by its own name
                        EXECUTE format('GRANT SELECT ON %I TO switchyard_host', name);
                    END IF;
                    made := made + 1;
                END IF;
            END IF;
        END LOOP;
        month := month + interval '1 month';
    END LOOP;
    RETURN made;
END $$;
REVOKE ALL ON FUNCTION journal_partitions(date, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journal_partitions(date, date) TO switchyard_host;

DO $$
DECLARE
    part regclass;
BEGIN
    FOR part IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'auth'::regclass LOOP
        EXECUTE format('GRANT SELECT ON %s TO switchyard_host', part);
    END LOOP;
END $$;
