-- Journal version 2: the class of a message in its key, every column under the row's hash, every writer with an instance
-- and an actor, partitions by the date in the key, one posting row with both of its sides.

ALTER TYPE auth_kind ADD VALUE 'increment';
ALTER TYPE auth_kind ADD VALUE 'not-served';
ALTER TYPE auth_kind ADD VALUE 'refund-authorization';

DROP VIEW ledger_leg;
-- bound to the row type of the table that is replaced; rows of version 1 are verified from their columns
DROP FUNCTION auth_row_hash(auth);
ALTER TABLE auth RENAME TO auth_version_1;
ALTER INDEX auth_pkey RENAME TO auth_version_1_pkey;
ALTER TABLE ledger RENAME TO leg_version_1;
ALTER INDEX ledger_pkey RENAME TO leg_version_1_pkey;

CREATE TABLE auth (
    auth_id          bigint      NOT NULL,
    account_id       bigint,
    account_seq      bigint,
    card_id          bigint,
    token_id         bigint,
    requested_minor  bigint      NOT NULL,
    approved_minor   bigint      NOT NULL,
    standing_minor   bigint,
    transaction_minor bigint,
    available_minor  bigint,
    hold_auth_id     bigint,
    hold_left_minor  bigint,
    counted_minor    bigint,
    original_auth_id bigint,
    batch_seq        bigint      NOT NULL,
    local_at         timestamp   NOT NULL,
    received_at      timestamptz NOT NULL,
    idem_date        date        NOT NULL,
    business_date    date        NOT NULL,
    cycle            date        NOT NULL,
    original_date    date,
    hold_expires_on  date,
    counted_on       date,
    lane_instance    integer     NOT NULL,
    stan             integer     NOT NULL,
    kind             auth_kind   NOT NULL,
    role             auth_role   NOT NULL,
    bucket           smallint    NOT NULL,
    hash_version     smallint    NOT NULL,
    class            smallint,
    currency         smallint    NOT NULL,
    transaction_currency smallint,
    mcc              smallint,
    batch_pos        smallint    NOT NULL,
    advice           boolean     NOT NULL,
    response_code    text        NOT NULL,
    idem             bytea       NOT NULL,
    digest           bytea       NOT NULL,
    pan_index        bytea,
    original_idem    bytea,
    reason           text,
    exception        text,
    approval_code    text,
    icc_answer       bytea,
    link             text        NOT NULL,
    acquirer         text        NOT NULL,
    issuer           text,
    merchant         text,
    terminal         text,
    entry_mode       text,
    rrn              text,
    lifecycle        text        NOT NULL,
    why              bytea       NOT NULL,
    PRIMARY KEY (bucket, idem_date, idem)
) PARTITION BY RANGE (idem_date);
-- only reversals and completions pay for it: everything that followed from a transaction is found, however much it is
CREATE INDEX auth_followers ON auth (bucket, original_idem) WHERE original_idem IS NOT NULL;

-- rows stand in the order of their batches, nearly: these cost little and let an auditor or a follower read a stretch
CREATE INDEX auth_place ON auth USING brin (lane_instance, batch_seq) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX auth_cycle ON auth USING brin (cycle) WITH (pages_per_range = 32, autosummarize = on);

COMMENT ON TABLE auth IS 'Append-only journal: one row per distinct message, declines and unknown cards included. Never updated: whether a row was reversed is known from the rows that name it as their original. One partition a month of idem_date. No index but the primary key on the hot path, because each one costs. Columns stand in the order of their width, so that none is padded.';
COMMENT ON COLUMN auth.bucket IS 'Bucket of the account; for cards that are not ours or unknown, first byte of pan_index modulo 64; for a reversal that no PAN and no original could place, first byte of original_idem modulo 64.';
COMMENT ON COLUMN auth.idem_date IS 'The local date inside the originator''s key (DE13 with its year), so that a repeat after midnight or cut-over meets its original.';
COMMENT ON COLUMN auth.idem IS 'First 16 bytes of SHA-256. Of a request: over a marker byte and the originator''s key (DE59); marker O is a financial message, o an authorization (in rows of hash_version 1, O is both). Of a full reversal: marker R or r over the same. Of a partial one: p, the original''s idem, standing_minor (8 bytes). Of a message whose key another one has with other content: x, that idem, digest.';
COMMENT ON COLUMN auth.class IS 'Message class: 1 authorization, 2 financial; of a reversal that of its original, null where the reversal named none and no original was found, and in old rows where it is not known.';
COMMENT ON COLUMN auth.auth_id IS 'host epoch << 40 | counter: unique over all hosts, rising within one.';
COMMENT ON COLUMN auth.role IS 'on-us: our card at our merchant; issued: our card at a foreign acquirer; acquired: foreign card at our merchant (advised by the switch).';
COMMENT ON COLUMN auth.advice IS 'The request told of something that had happened (x2x): acknowledged with 00 whatever came of it; approved_minor says what was posted.';
COMMENT ON COLUMN auth.digest IS 'First 16 bytes of SHA-256 over PAN index, amount, currency, DE3: same key and other digest is answered 94.';
COMMENT ON COLUMN auth.pan_index IS 'Index of the PAN that the acquirer saw (the DPAN of a wallet).';
COMMENT ON COLUMN auth.account_seq IS 'account_state.seq of this row; null without an account.';
COMMENT ON COLUMN auth.response_code IS 'DE39 as answered (1987).';
COMMENT ON COLUMN auth.reason IS 'Name of the reason for a decline, or for posting nothing.';
COMMENT ON COLUMN auth.requested_minor IS 'DE4 of the request. A reversal carries the amount of its original here.';
COMMENT ON COLUMN auth.approved_minor IS 'What was held or posted, 0 for a decline. Captured are purchase, completion and refund; a pre-authorization only holds. For a reversal: what was given back (captured or held, as the original).';
COMMENT ON COLUMN auth.standing_minor IS 'Partial reversal (DE95): the amount that stands after it.';
COMMENT ON COLUMN auth.transaction_minor IS 'DE4 where its currency, transaction_currency, is not that of the account; the other amounts are then in the account''s.';
COMMENT ON COLUMN auth.hold_auth_id IS 'The hold that this row opened or changed; hold_left_minor is what is held on it afterwards, hold_expires_on its last day if this row set it.';
COMMENT ON COLUMN auth.counted_minor IS 'What this row added to card_state.spent_minor of the day counted_on; negative for what it gave back.';
COMMENT ON COLUMN auth.icc_answer IS 'Tag 91 value of the answer (ARPC and CSU), approvals only.';
COMMENT ON COLUMN auth.available_minor IS 'Available balance told in DE54 of a balance inquiry.';
COMMENT ON COLUMN auth.link IS 'The switch''s link that the originator came in by, from its key.';
COMMENT ON COLUMN auth.acquirer IS 'DE32: acquirer id.';
COMMENT ON COLUMN auth.issuer IS 'Acquired only: the destination whose issuer approved (DE61).';
COMMENT ON COLUMN auth.local_at IS 'DE12 and DE13 of the originator with the year that lies nearest.';
COMMENT ON COLUMN auth.business_date IS 'DE15 as the switch stamped it: the date the transaction carries.';
COMMENT ON COLUMN auth.cycle IS 'The business day it is settled with: business_date while that day was not closed at commit, else the earliest later day that was open.';
COMMENT ON COLUMN auth.exception IS 'Named matter for the back office: the row was acknowledged and posted as the rules say, but someone should look.';
COMMENT ON COLUMN auth.why IS 'The facts behind the decision. First byte 1: as docs/journal.md describes; first byte { : UTF-8 JSON of version 1.';
COMMENT ON COLUMN auth.lane_instance IS 'The journal instance that wrote the row; with batch_seq the link of its chain, with batch_pos the place in it. 0 for openings of version 1, which are in no chain.';
COMMENT ON COLUMN auth.hash_version IS '1: the row''s hash covers 22 columns as text; 2: every column, and the posting (docs/journal.md).';

CREATE TYPE account_kind AS ENUM (
    'cardholder', 'merchant', 'unpresented', 'network', 'suspense', 'funding', 'position', 'service-charge', 'interchange-paid',
    'interchange-earned', 'scheme-fee-paid', 'scheme', 'payout');

CREATE TABLE posting (
    auth_id       bigint       NOT NULL,
    amount_minor  bigint       NOT NULL,
    business_date date         NOT NULL,
    cycle         date         NOT NULL,
    payer_kind    account_kind NOT NULL,
    payee_kind    account_kind NOT NULL,
    bucket        smallint     NOT NULL,
    currency      smallint     NOT NULL,
    payer_ref     text         NOT NULL,
    payee_ref     text         NOT NULL
) PARTITION BY RANGE (cycle);
CREATE INDEX posting_number ON posting USING brin (auth_id) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX posting_cycle ON posting USING brin (cycle) WITH (pages_per_range = 32, autosummarize = on);
COMMENT ON TABLE posting IS 'Append-only: what a journal row moved, from one account to another; a negative amount went the other way. At most one row per auth row, under whose hash it is, so no key of its own. One partition a month of cycle. Kinds of accounts: cardholder (account_id), merchant (DE42), unpresented (acquirer whose presentment is awaited), network (issuer destination that owes us for its card at our merchant), suspense (acquirer, for advices whose card is unknown), funding (where opening balances come from).';

-- the month of a date has a partition of its own, named for it; hot tables are vacuumed by the number of new rows, because
-- a share of a big table comes too late
CREATE FUNCTION journal_partitions(first date, last date) RETURNS integer LANGUAGE plpgsql SET client_min_messages = warning AS $$
DECLARE
    month date := date_trunc('month', first);
    made  integer := 0;
    part  text;
BEGIN
    WHILE month <= last LOOP
        FOR part IN SELECT unnest(ARRAY['auth', 'posting']) LOOP
            IF to_regclass(part || to_char(month, '_YYYY_MM')) IS NULL THEN
                EXECUTE format(
                    'CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L) WITH (autovacuum_vacuum_insert_scale_factor = 0, '
                    'autovacuum_vacuum_insert_threshold = 200000, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 200000)',
                    part || to_char(month, '_YYYY_MM'), part, month, month + interval '1 month');
                made := made + 1;
            END IF;
        END LOOP;
        month := month + interval '1 month';
    END LOOP;
    RETURN made;
END $$;
COMMENT ON FUNCTION journal_partitions(date, date) IS 'Makes the partitions of the months from first to last that do not exist yet.';

SELECT journal_partitions(least(current_date - interval '7 months', min(idem_date))::date, greatest(current_date + interval '7 months', max(idem_date))::date)
    FROM auth_version_1;
SELECT journal_partitions(min(cycle), max(cycle)) FROM leg_version_1 HAVING min(cycle) IS NOT NULL;

INSERT INTO auth (
    auth_id, account_id, account_seq, card_id, token_id, requested_minor, approved_minor, available_minor, original_auth_id, batch_seq,
    local_at, received_at, idem_date, business_date, cycle, original_date, lane_instance, stan, kind, role, bucket, hash_version, class,
    currency, mcc, batch_pos, advice, response_code, idem, digest, pan_index, original_idem, reason, exception, approval_code,
    icc_answer, link, acquirer, issuer, merchant, terminal, entry_mode, rrn, lifecycle, why)
SELECT
    auth_id, account_id, account_seq, card_id, token_id, requested_minor, approved_minor, available_minor, original_auth_id, batch_seq,
    local_at, received_at, idem_date, business_date, cycle, original_date, lane_instance, stan, kind, role, bucket, 1,
    CASE WHEN kind IN ('pre-authorization', 'account-verification') THEN 1 WHEN kind IN ('purchase', 'completion', 'refund') THEN 2 END,
    currency, mcc, batch_pos, advice, response_code, idem, digest, pan_index, original_idem, reason, exception, approval_code,
    icc_answer, link, acquirer, issuer, merchant, terminal, entry_mode, rrn, lifecycle, why
FROM auth_version_1;

-- leg 1 was the payer's, leg 2 the payee's
INSERT INTO posting (auth_id, amount_minor, business_date, cycle, payer_kind, payee_kind, bucket, currency, payer_ref, payee_ref)
SELECT payee.auth_id, payee.amount_minor, payee.business_date, payee.cycle, payer.account_kind::account_kind,
    payee.account_kind::account_kind, payee.bucket, payee.currency, payer.account_ref, payee.account_ref
FROM leg_version_1 payer JOIN leg_version_1 payee USING (bucket, auth_id) WHERE payer.leg = 1 AND payee.leg = 2;

DO $$ BEGIN
    IF (SELECT count(*) FROM leg_version_1) <> 2 * (SELECT count(*) FROM posting)
       OR EXISTS (SELECT 1 FROM leg_version_1 GROUP BY bucket, auth_id HAVING count(*) <> 2 OR sum(amount_minor) <> 0) THEN
        RAISE EXCEPTION 'a posting of version 1 does not consist of two legs that sum to zero: audit with the version before';
    END IF;
END $$;
DROP TABLE auth_version_1;
DROP TABLE leg_version_1;

CREATE VIEW ledger AS
    SELECT bucket, auth_id, 1::smallint AS leg, payer_kind::text AS account_kind, payer_ref AS account_ref, -amount_minor AS amount_minor,
        currency, business_date, cycle FROM posting
    UNION ALL
    SELECT bucket, auth_id, 2::smallint, payee_kind::text, payee_ref, amount_minor, currency, business_date, cycle FROM posting;
COMMENT ON VIEW ledger IS 'The two sides of every posting, each with its account and a signed amount, credit positive: a purchase takes from the cardholder (-) and gives to the merchant (+).';

CREATE VIEW ledger_leg AS
    SELECT auth_id::text AS posting, leg, account_kind, account_ref, amount_minor, currency, cycle FROM ledger
    UNION ALL
    SELECT posting, leg, account_kind, account_ref, amount_minor, currency, cycle FROM settlement_posting;
COMMENT ON VIEW ledger_leg IS 'All legs: of authorizations, and of clearing and settlement.';

-- Chip data follow the journal's rows, and are let go with them.
ALTER TABLE acquired_chip ADD COLUMN idem_date date;
COMMENT ON COLUMN acquired_chip.idem_date IS 'As in auth; null in rows of version 1.';

CREATE TABLE journal_instance (
    instance   integer     PRIMARY KEY,
    program    text        NOT NULL,
    actor      text        NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE journal_instance IS 'Every writer: a lane of one start of a host, one run of issuing or the back office. Each has a hash chain of its own.';
COMMENT ON COLUMN journal_instance.instance IS 'host epoch << 8 | lane; 0 for the lane of a program without lanes.';
COMMENT ON COLUMN journal_instance.actor IS 'On whose behalf it writes: the user that runs the program.';

CREATE TABLE recorded_change (
    instance  integer     NOT NULL,
    batch_seq bigint      NOT NULL,
    batch_pos smallint    NOT NULL,
    subject   text        NOT NULL,
    reference text        NOT NULL,
    said      text        NOT NULL,
    content   bytea       NOT NULL,
    at        timestamptz NOT NULL,
    PRIMARY KEY (instance, batch_seq, batch_pos)
);
COMMENT ON TABLE recorded_change IS 'Append-only: every change, other than by a journal row, of what decides or pays: cards, tokens, accounts, holds that expire, merchants, terminals, settlement batches. It stands in the chain of its writer, after the journal rows of its batch.';
COMMENT ON COLUMN recorded_change.subject IS 'Kind of thing; reference is its key in words.';
COMMENT ON COLUMN recorded_change.content IS 'SHA-256 over the deciding columns of the row, or rows, as they are after the change (docs/journal.md).';
CREATE INDEX recorded_change_of ON recorded_change (subject, reference);

ALTER TABLE chain ADD COLUMN version smallint NOT NULL DEFAULT 1;
ALTER TABLE chain ADD COLUMN changes integer NOT NULL DEFAULT 0;
ALTER TABLE chain ALTER COLUMN version DROP DEFAULT, ALTER COLUMN changes DROP DEFAULT;
COMMENT ON TABLE chain IS 'One hash chain per journal instance, one link per batch. Version 1: hash = SHA-256(previous || row hash of each row in batch_pos order); version 2: docs/journal.md. previous of batch_seq 1 is 32 zero bytes. bucket is the lane''s number.';

CREATE TABLE anchor (
    anchor_seq    bigint      PRIMARY KEY,
    lane_instance integer     NOT NULL,
    batch_seq     bigint      NOT NULL,
    hash          bytea       NOT NULL,
    occasion      text        NOT NULL,
    previous      bytea       NOT NULL,
    mac           bytea       NOT NULL,
    anchored_at   timestamptz NOT NULL,
    CONSTRAINT occasion_is_known CHECK (occasion IN ('started', 'running', 'ended', 'adopted'))
);
CREATE INDEX anchor_of_instance ON anchor (lane_instance, batch_seq);
COMMENT ON TABLE anchor IS 'Heads of chains under the HSM''s audit key, in one chain of their own over all instances: previous is the SHA-256 of the anchor before, 32 zero bytes for the first. started: an instance was registered, its chain is empty; ended: it will write nothing more; adopted: by another program, because its own writer was gone or cannot anchor. Each is also written to a file outside the database.';
ALTER TABLE chain_anchor RENAME TO anchor_version_1;
COMMENT ON TABLE anchor_version_1 IS 'Anchors of version 1, which are in no chain of their own. Nothing is added.';

-- several captures share a hold, so what was authorized and what was captured of it is kept, also after it has ended
ALTER TABLE hold ADD COLUMN merchant text, ADD COLUMN authorized_minor bigint, ADD COLUMN captured_minor bigint, ADD COLUMN counted_on date;
UPDATE hold h SET merchant = a.merchant, counted_on = a.business_date,
    authorized_minor = CASE WHEN h.state = 'released' THEN 0 ELSE h.amount_minor END,
    captured_minor = CASE WHEN h.state = 'completed' THEN (SELECT coalesce(sum(c.approved_minor), 0) FROM auth c
        WHERE c.bucket = h.bucket AND c.original_idem = h.idem AND c.kind = 'completion') ELSE 0 END
    FROM auth a WHERE a.bucket = h.bucket AND a.idem_date = h.idem_date AND a.idem = h.idem;
ALTER TABLE hold ALTER COLUMN authorized_minor SET NOT NULL, ALTER COLUMN captured_minor SET NOT NULL, ALTER COLUMN counted_on SET NOT NULL;
DROP INDEX hold_open_by_account;
CREATE INDEX hold_by_account ON hold (bucket, account_id, expires_on);
CREATE INDEX hold_open_by_day ON hold (expires_on) WHERE state = 'open';
COMMENT ON COLUMN hold.amount_minor IS 'Still held while open; when it ended, what was held before.';
COMMENT ON COLUMN hold.authorized_minor IS 'Approved by the pre-authorization and its increments, less what was reversed of them.';
COMMENT ON COLUMN hold.captured_minor IS 'Captured by completions, less what was reversed of them.';
COMMENT ON COLUMN hold.counted_on IS 'Business date on which the pre-authorization counted towards the card''s daily limit.';

INSERT INTO journal_instance (instance, program, actor, started_at)
    SELECT lane_instance, 'authhost', 'version 1', min(committed_at) FROM chain GROUP BY lane_instance;

ALTER TABLE card_state ADD COLUMN code_tries smallint NOT NULL DEFAULT 0, ADD COLUMN code_refused_until timestamptz;
COMMENT ON COLUMN card_state.code_tries IS 'Wrong printed codes or expiry dates in a row, keyed or in e-commerce.';
COMMENT ON COLUMN card_state.code_refused_until IS 'Until then every request that carries the printed code is refused, right or wrong; nothing else is.';

-- whom a cardholder has let keep the card
CREATE TABLE stored_credential (
    bucket    smallint NOT NULL,
    card_id   bigint   NOT NULL,
    acquirer  text     NOT NULL,
    merchant  text     NOT NULL,
    lifecycle text     NOT NULL,
    PRIMARY KEY (bucket, card_id, acquirer, merchant)
);
COMMENT ON TABLE stored_credential IS 'Merchants at which a card was approved without being present, with the life-cycle id of the first such payment: a later one with the stored card number (DE22 10) needs no printed code there, or where it names that id.';

ALTER TABLE account_state SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE card_state SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE token_state SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE hold SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000);
