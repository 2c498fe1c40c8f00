SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE TYPE public.auth_kind AS ENUM (
    'purchase',
    'pre-authorization',
    'completion',
    'refund',
    'reversal',
    'balance-inquiry',
    'account-verification',
    'opening'
);
CREATE TYPE public.auth_role AS ENUM (
    'on-us',
    'issued',
    'acquired'
);
CREATE TYPE public.card_status AS ENUM (
    'active',
    'blocked',
    'lost',
    'stolen',
    'closed'
);
CREATE TYPE public.day_state AS ENUM (
    'open',
    'closing',
    'closed'
);
CREATE TYPE public.hold_state AS ENUM (
    'open',
    'completed',
    'released'
);
CREATE TYPE public.token_status AS ENUM (
    'active',
    'suspended',
    'deleted'
);
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.auth (
    bucket smallint NOT NULL,
    idem_date date NOT NULL,
    idem bytea NOT NULL,
    auth_id bigint NOT NULL,
    kind public.auth_kind NOT NULL,
    role public.auth_role NOT NULL,
    advice boolean NOT NULL,
    digest bytea NOT NULL,
    pan_index bytea,
    account_id bigint,
    card_id bigint,
    token_id bigint,
    account_seq bigint,
    response_code character(2) NOT NULL,
    reason text,
    approval_code text,
    requested_minor bigint NOT NULL,
    approved_minor bigint NOT NULL,
    currency smallint NOT NULL,
    icc_answer bytea,
    available_minor bigint,
    link text NOT NULL,
    acquirer text NOT NULL,
    issuer text,
    merchant text,
    terminal text,
    mcc smallint,
    entry_mode text,
    stan integer NOT NULL,
    rrn text,
    lifecycle text NOT NULL,
    local_at timestamp without time zone NOT NULL,
    received_at timestamp with time zone NOT NULL,
    business_date date NOT NULL,
    cycle date NOT NULL,
    original_date date,
    original_idem bytea,
    original_auth_id bigint,
    exception text,
    why bytea NOT NULL,
    lane_instance integer NOT NULL,
    batch_seq bigint NOT NULL,
    batch_pos smallint NOT NULL
);
COMMENT ON TABLE public.auth IS 'Append-only journal: one row per distinct request, declines and unknown cards included. Never updated: whether a row was reversed is known from the rows under its reversal keys. No index but the primary key, because each one costs on the hot path.';
COMMENT ON COLUMN public.auth.bucket IS 'Bucket of the account; for cards that are not ours or unknown, first byte of pan_index modulo 64; for a reversal that no PAN and no original could place, first byte of idem modulo 64.';
COMMENT ON COLUMN public.auth.idem_date IS 'The local date inside the originator''s key (DE13 with its year), so that a repeat after midnight or cut-over meets its original.';
COMMENT ON COLUMN public.auth.idem IS 'First 16 bytes of SHA-256 over a marker byte and the originator''s key (DE59). Marker O: the request itself. Marker R: the full reversal of that key, P: its partial reversal; original_idem is then the O value. An R row without an O row is a tombstone: the original, should it come, is declined.';
COMMENT ON COLUMN public.auth.auth_id IS 'host epoch << 40 | counter: unique over all hosts, rising within one.';
COMMENT ON COLUMN public.auth.role IS 'on-us: our card at our merchant; issued: our card at a foreign acquirer; acquired: foreign card at our merchant (advised by the switch).';
COMMENT ON COLUMN public.auth.advice IS 'The request told of something that had happened (x2x): acknowledged with 00 whatever came of it; approved_minor says what was posted.';
COMMENT ON COLUMN public.auth.digest IS 'First 16 bytes of SHA-256 over PAN index, amount, currency, DE3: same key and other digest is answered 94.';
COMMENT ON COLUMN public.auth.pan_index IS 'Index of the PAN that the acquirer saw (the DPAN of a wallet).';
COMMENT ON COLUMN public.auth.account_seq IS 'account_state.seq of this row; null without an account.';
COMMENT ON COLUMN public.auth.response_code IS 'DE39 as answered (1987).';
COMMENT ON COLUMN public.auth.reason IS 'Name of the reason for a decline, or for posting nothing.';
COMMENT ON COLUMN public.auth.requested_minor IS 'DE4 of the request. A reversal carries the amount of its original here; a partial one says in approved_minor what went back.';
COMMENT ON COLUMN public.auth.approved_minor IS 'What was held or posted, 0 for a decline. Captured are purchase, completion and refund; a pre-authorization only holds. For a reversal: what was given back (captured or held, as the original).';
COMMENT ON COLUMN public.auth.icc_answer IS 'Tag 91 value of the answer (ARPC and CSU), approvals only.';
COMMENT ON COLUMN public.auth.available_minor IS 'Available balance told in DE54 of a balance inquiry.';
COMMENT ON COLUMN public.auth.link IS 'The switch''s link that the originator came in by, from its key.';
COMMENT ON COLUMN public.auth.acquirer IS 'DE32: acquirer id.';
COMMENT ON COLUMN public.auth.issuer IS 'Acquired only: the destination whose issuer approved (DE61).';
COMMENT ON COLUMN public.auth.local_at IS 'DE12 and DE13 of the originator with the year that lies nearest.';
COMMENT ON COLUMN public.auth.business_date IS 'DE15 as the switch stamped it: the date the transaction carries.';
COMMENT ON COLUMN public.auth.cycle IS 'The business day it is settled with: business_date while that day was not closed at commit, else the earliest later day that was open.';
COMMENT ON COLUMN public.auth.exception IS 'Named matter for the back office: the row was acknowledged and posted as the rules say, but someone should look.';
COMMENT ON COLUMN public.auth.why IS 'UTF-8 JSON of the facts behind the decision: convert_from(why, ''UTF8'')::jsonb.';
COMMENT ON COLUMN public.auth.lane_instance IS 'host epoch << 8 | lane: the hash chain this row is in; with batch_seq the link, with batch_pos the place in it. 0 for openings, which no lane makes and no chain holds.';
CREATE FUNCTION public.auth_row_hash(a public.auth) RETURNS bytea
    LANGUAGE sql STABLE
    AS $$
    SELECT sha256(convert_to(concat_ws('|',
        a.bucket, a.idem_date, encode(a.idem, 'hex'), a.auth_id, a.kind, a.role, encode(a.digest, 'hex'),
        coalesce(a.account_id::text, '-'), coalesce(a.account_seq::text, '-'), a.response_code, coalesce(a.approval_code, '-'),
        a.requested_minor, a.approved_minor, a.currency, a.link, coalesce(a.merchant, '-'), coalesce(a.terminal, '-'),
        coalesce(a.rrn, '-'), a.lifecycle, a.business_date, a.cycle, coalesce(encode(a.original_idem, 'hex'), '-')), 'UTF8'))
$$;
COMMENT ON FUNCTION public.auth_row_hash(a public.auth) IS 'The row hash as the chain has it; the host computes the same text before it writes.';
CREATE SEQUENCE public.account_number
    START WITH 1001
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE TABLE public.account_state (
    bucket smallint NOT NULL,
    account_id bigint NOT NULL,
    currency smallint NOT NULL,
    ledger_minor bigint NOT NULL,
    held_minor bigint DEFAULT 0 NOT NULL,
    credit_minor bigint DEFAULT 0 NOT NULL,
    seq bigint DEFAULT 0 NOT NULL,
    CONSTRAINT held_is_not_negative CHECK ((held_minor >= 0))
)
WITH (fillfactor='50');
COMMENT ON TABLE public.account_state IS 'Hot row of a cardholder account. Locked FOR UPDATE, in (bucket, account_id) order, by every writer before anything else of the account.';
COMMENT ON COLUMN public.account_state.currency IS 'ISO 4217 numeric code of every amount of this account.';
COMMENT ON COLUMN public.account_state.ledger_minor IS 'Posted balance in minor units: the sum of the legs (cardholder, account_id). May be negative after a forced posting.';
COMMENT ON COLUMN public.account_state.held_minor IS 'Sum of the open holds. available = ledger_minor + credit_minor - held_minor.';
COMMENT ON COLUMN public.account_state.credit_minor IS 'Credit line in minor units; 0 for a debit account.';
COMMENT ON COLUMN public.account_state.seq IS 'Counts the journal rows of the account (auth.account_seq): the only order that is claimed between them.';
CREATE TABLE public.acquired_chip (
    bucket smallint NOT NULL,
    idem bytea NOT NULL,
    icc bytea NOT NULL
);
COMMENT ON TABLE public.acquired_chip IS 'DE 55 of an acquired transaction, only the tags that clearing takes: none that repeats the PAN or the track. Keyed as the journal row it belongs to.';
CREATE TABLE public.business_day (
    date date NOT NULL,
    state public.day_state NOT NULL,
    opened_at timestamp with time zone DEFAULT now() NOT NULL,
    cut_over_at timestamp with time zone,
    closed_at timestamp with time zone
);
COMMENT ON TABLE public.business_day IS 'Reference table. open: traffic is stamped with it; closing: cut over, stragglers of that date are still taken; closed: stragglers go to the earliest later open day. Every batch holds advisory lock 5857001 shared while it reads this table and commits; closing takes it exclusively for the one change of state.';
CREATE TABLE public.card (
    bucket smallint NOT NULL,
    card_id bigint NOT NULL,
    account_id bigint NOT NULL,
    pan_index bytea NOT NULL,
    pan_envelope bytea NOT NULL,
    pan_masked text NOT NULL,
    expiry character(4) NOT NULL,
    psn smallint DEFAULT 0 NOT NULL,
    service_code character(3) NOT NULL,
    pvki smallint NOT NULL,
    pvv character(4) NOT NULL,
    key_set text NOT NULL,
    status public.card_status NOT NULL,
    limit_txn_minor bigint NOT NULL,
    limit_day_minor bigint NOT NULL,
    note text NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    issued_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE public.card IS 'Cold row of a card of ours. pvv, key_set and the envelope may be cached under `version`; status, expiry and limits are read under the account''s lock.';
COMMENT ON COLUMN public.card.pan_index IS 'Keyed index of the PAN, made by the HSM; without the HSM''s key it tells nothing.';
COMMENT ON COLUMN public.card.pan_envelope IS 'The PAN as ciphertext that only the HSM opens, bound to its row by the associated data pan_index.';
COMMENT ON COLUMN public.card.expiry IS 'YYMM; the card is good to the end of that month.';
COMMENT ON COLUMN public.card.key_set IS 'Name of the key set in the HSM (PVK, CVK, IMK) the card was made with.';
COMMENT ON COLUMN public.card.note IS 'What the card is for in words; a wallet is provisioned for a card by this note.';
COMMENT ON COLUMN public.card.version IS 'Raised by every change of the row, so that a cached copy is known to be stale.';
CREATE SEQUENCE public.card_number
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE TABLE public.card_state (
    bucket smallint NOT NULL,
    card_id bigint NOT NULL,
    account_id bigint NOT NULL,
    day date DEFAULT '2000-01-01'::date NOT NULL,
    spent_minor bigint DEFAULT 0 NOT NULL,
    pin_tries smallint DEFAULT 0 NOT NULL,
    atc_high integer DEFAULT '-1'::integer NOT NULL,
    atc_window bigint DEFAULT 0 NOT NULL
)
WITH (fillfactor='50');
COMMENT ON TABLE public.card_state IS 'Hot counters of a card, written under the account''s lock.';
COMMENT ON COLUMN public.card_state.day IS 'Business date that spent_minor belongs to; the counter rolls over when a decision sees a later date.';
COMMENT ON COLUMN public.card_state.pin_tries IS 'Wrong PINs in a row. At the configured number every PIN, right or wrong, is refused with 75.';
COMMENT ON COLUMN public.card_state.atc_high IS 'Highest application transaction counter seen in an authentic cryptogram; -1 before the first.';
COMMENT ON COLUMN public.card_state.atc_window IS 'Seen-set: bit i is on when the counter atc_high - i was seen (64 counters; what is older counts as seen).';
CREATE TABLE public.chain (
    bucket smallint NOT NULL,
    lane_instance integer NOT NULL,
    batch_seq bigint NOT NULL,
    rows integer NOT NULL,
    previous bytea NOT NULL,
    hash bytea NOT NULL,
    committed_at timestamp with time zone NOT NULL
);
COMMENT ON TABLE public.chain IS 'One hash chain per lane instance, one link per batch: hash = SHA-256(previous || row hash of each row in batch_pos order); previous of batch_seq 1 is 32 zero bytes; row hash = auth_row_hash(row). bucket is the lane''s number.';
CREATE TABLE public.chain_anchor (
    bucket smallint NOT NULL,
    lane_instance integer NOT NULL,
    batch_seq bigint NOT NULL,
    hash bytea NOT NULL,
    mac bytea NOT NULL,
    anchored_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE public.chain_anchor IS 'Heads of chains under the HSM''s audit key: mac over lane_instance (4 bytes), batch_seq (8 bytes), both big-endian, then hash.';
CREATE TABLE public.clearing_file (
    file_id text NOT NULL,
    incoming boolean NOT NULL,
    institution text NOT NULL,
    name text NOT NULL,
    sha256 bytea NOT NULL,
    records integer NOT NULL,
    checksum_minor bigint NOT NULL,
    cycle date NOT NULL,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE public.clearing_file IS 'Every clearing file that was read or written, once.';
COMMENT ON COLUMN public.clearing_file.file_id IS 'PDS 0105: kind, date, sender, sequence. A second file of the same id, or with the same content, is refused.';
COMMENT ON COLUMN public.clearing_file.institution IS 'Sender of an incoming, receiver of an outgoing file.';
COMMENT ON COLUMN public.clearing_file.checksum_minor IS 'PDS 0301: sum of DE 4 over all records, whatever their sign.';
CREATE TABLE public.foreign_card (
    bucket smallint NOT NULL,
    pan_index bytea NOT NULL,
    pan_envelope bytea NOT NULL,
    pan_masked text NOT NULL,
    expiry character(4)
);
COMMENT ON TABLE public.foreign_card IS 'Cards of other issuers seen at our merchants: the outgoing presentment needs the PAN. The envelope is bound by pan_index. bucket = first byte of pan_index modulo 64.';
CREATE TABLE public.hold (
    bucket smallint NOT NULL,
    auth_id bigint NOT NULL,
    account_id bigint NOT NULL,
    card_id bigint NOT NULL,
    idem_date date NOT NULL,
    idem bytea NOT NULL,
    amount_minor bigint NOT NULL,
    currency smallint NOT NULL,
    rrn text,
    approval_code text NOT NULL,
    lifecycle text NOT NULL,
    state public.hold_state NOT NULL,
    expires_on date NOT NULL
);
COMMENT ON TABLE public.hold IS 'What a pre-authorization keeps of an account. auth_id and idem are the pre-authorization''s. Open holds sum up to account_state.held_minor.';
COMMENT ON COLUMN public.hold.amount_minor IS 'Still held while open; a partial reversal lowers it.';
CREATE SEQUENCE public.host_epoch
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
COMMENT ON SEQUENCE public.host_epoch IS 'One number per start of an authorization host; the high bits of auth_id and of lane_instance.';
CREATE TABLE public.ledger (
    bucket smallint NOT NULL,
    auth_id bigint NOT NULL,
    leg smallint NOT NULL,
    account_kind text NOT NULL,
    account_ref text NOT NULL,
    amount_minor bigint NOT NULL,
    currency smallint NOT NULL,
    business_date date NOT NULL,
    cycle date NOT NULL
);
COMMENT ON TABLE public.ledger IS 'Append-only legs; they sum to zero per auth_id and currency. Kinds: cardholder (account_id), merchant (DE42), unpresented (acquirer whose presentment is awaited), position (acquirer), network (issuer destination that owes us for its card at our merchant), suspense (acquirer, for advices whose card is unknown), funding (where opening balances come from).';
COMMENT ON COLUMN public.ledger.leg IS 'From 1 within auth_id.';
COMMENT ON COLUMN public.ledger.amount_minor IS 'Signed, credit positive: a purchase takes from the cardholder (-) and gives to the merchant (+).';
CREATE TABLE public.settlement_posting (
    posting text NOT NULL,
    leg smallint NOT NULL,
    account_kind text NOT NULL,
    account_ref text NOT NULL,
    amount_minor bigint NOT NULL,
    currency smallint NOT NULL,
    cycle date NOT NULL
);
COMMENT ON TABLE public.settlement_posting IS 'Legs posted by clearing and settlement; they go on where those of `ledger` end and have the same signs. The name of a posting says what it is and makes it unique, so that nothing is posted twice. Further kinds of accounts: service-charge, interchange-paid, interchange-earned, scheme-fee-paid (ours), scheme (owed to it), payout (given to the bank).';
CREATE VIEW public.ledger_leg AS
 SELECT (ledger.auth_id)::text AS posting,
    ledger.leg,
    ledger.account_kind,
    ledger.account_ref,
    ledger.amount_minor,
    ledger.currency,
    ledger.cycle
   FROM public.ledger
UNION ALL
 SELECT settlement_posting.posting,
    settlement_posting.leg,
    settlement_posting.account_kind,
    settlement_posting.account_ref,
    settlement_posting.amount_minor,
    settlement_posting.currency,
    settlement_posting.cycle
   FROM public.settlement_posting;
COMMENT ON VIEW public.ledger_leg IS 'All legs: of authorizations, and of clearing and settlement.';
CREATE TABLE public.merchant (
    merchant_id text NOT NULL,
    name text NOT NULL,
    mcc smallint NOT NULL,
    city text NOT NULL,
    country character(3) NOT NULL,
    iban text NOT NULL,
    CONSTRAINT merchant_id_is_de42 CHECK ((length(merchant_id) = 15))
);
COMMENT ON TABLE public.merchant IS 'Merchants of ours (DE42). A transaction on a link of ours with another merchant is declined 03.';
COMMENT ON COLUMN public.merchant.country IS 'ISO 3166 numeric.';
COMMENT ON COLUMN public.merchant.iban IS 'Where the payout goes.';
CREATE TABLE public.outgoing_presentment (
    file_id text NOT NULL,
    record integer NOT NULL,
    batch_id text NOT NULL,
    institution text NOT NULL,
    bucket smallint NOT NULL,
    auth_id bigint NOT NULL,
    amount_minor bigint NOT NULL,
    refund boolean NOT NULL,
    takes_back boolean NOT NULL,
    reference text NOT NULL
);
COMMENT ON TABLE public.outgoing_presentment IS 'Captures of foreign cards at our merchants, as they left in our clearing files. auth_id is the capture''s own, or that of the reversal that takes an earlier presentment back.';
CREATE TABLE public.pan_directory (
    bucket smallint NOT NULL,
    pan_index bytea NOT NULL,
    home_bucket smallint NOT NULL,
    card_id bigint NOT NULL,
    token_id bigint
);
COMMENT ON TABLE public.pan_directory IS 'Where the card or token of a PAN index lives: bucket here is a function of the index (its first byte modulo 64), home_bucket the account''s.';
CREATE TABLE public.presentment (
    file_id text NOT NULL,
    record integer NOT NULL,
    outcome text NOT NULL,
    acquirer text NOT NULL,
    lifecycle text,
    reference text NOT NULL,
    rrn text,
    terminal text,
    merchant text NOT NULL,
    approval_code text,
    pan_masked text NOT NULL,
    takes_back boolean NOT NULL,
    presented_minor bigint NOT NULL,
    currency smallint NOT NULL,
    auth_bucket smallint,
    auth_id bigint,
    standing_minor bigint,
    posted_minor bigint NOT NULL,
    interchange_minor bigint NOT NULL,
    interchange_rate_id text,
    scheme_fee_minor bigint NOT NULL,
    scheme_fee_rate_id text,
    cycle date NOT NULL
);
COMMENT ON TABLE public.presentment IS 'What foreign acquirers presented to us, and what became of it. Only outcome ''matched'' is posted; the others are exceptions for the back office.';
COMMENT ON COLUMN public.presentment.presented_minor IS 'Signed: a sale positive, a refund negative; takes_back says that an earlier presentment is withdrawn.';
COMMENT ON COLUMN public.presentment.standing_minor IS 'What stood of the authorization found: captured less reversed, signed.';
COMMENT ON COLUMN public.presentment.posted_minor IS 'Moved from unpresented to the acquirer''s position; 0 for an exception.';
COMMENT ON COLUMN public.presentment.interchange_minor IS 'Owed to us by the acquirer on what was posted.';
CREATE TABLE public.schema_migration (
    number integer NOT NULL,
    name text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.settlement_batch (
    batch_id text NOT NULL,
    cycle date NOT NULL,
    currency smallint NOT NULL,
    closed_at timestamp with time zone NOT NULL,
    value_date date NOT NULL,
    scheme_fee_minor bigint NOT NULL,
    on_us_interchange_minor bigint NOT NULL
);
COMMENT ON TABLE public.settlement_batch IS 'One batch per cycle and currency. The row is written in one transaction with its lines, balances, positions and postings: it exists whole or not at all, and never changes.';
COMMENT ON COLUMN public.settlement_batch.closed_at IS 'business_day.closed_at, so that files made again bear the same time.';
CREATE TABLE public.settlement_file (
    batch_id text NOT NULL,
    path text NOT NULL,
    sha256 bytea NOT NULL,
    bytes bigint NOT NULL
);
COMMENT ON TABLE public.settlement_file IS 'Every file of a closed batch by its path below the output folder. Made again it must have the same content, or it is not written.';
CREATE TABLE public.settlement_line (
    bucket smallint NOT NULL,
    auth_id bigint NOT NULL,
    batch_id text NOT NULL,
    merchant text NOT NULL,
    movement text NOT NULL,
    of_refund boolean NOT NULL,
    whole boolean NOT NULL,
    gross_minor bigint NOT NULL,
    fee_minor bigint NOT NULL,
    rate_id text NOT NULL,
    interchange_minor bigint NOT NULL,
    interchange_rate_id text NOT NULL,
    scheme_fee_minor bigint NOT NULL,
    scheme_fee_rate_id text NOT NULL
);
COMMENT ON TABLE public.settlement_line IS 'One line per captured movement of a merchant of ours; the key says that a movement is settled once. What else a line shows is in auth, which does not change either.';
COMMENT ON COLUMN public.settlement_line.gross_minor IS 'The movement''s leg on the merchant''s account. net = gross_minor - fee_minor.';
COMMENT ON COLUMN public.settlement_line.interchange_minor IS 'The acquirer''s own affair under a blended charge: no merchant sees it.';
CREATE TABLE public.settlement_merchant (
    batch_id text NOT NULL,
    merchant text NOT NULL,
    name text NOT NULL,
    iban text,
    lines bigint NOT NULL,
    gross_minor bigint NOT NULL,
    fee_minor bigint NOT NULL,
    brought_forward_minor bigint NOT NULL,
    payout_minor bigint NOT NULL,
    carried_forward_minor bigint NOT NULL,
    CONSTRAINT nothing_is_lost CHECK ((((gross_minor - fee_minor) + brought_forward_minor) = (payout_minor + carried_forward_minor)))
);
COMMENT ON COLUMN public.settlement_merchant.iban IS 'Where the payout went, as it was when the cycle was closed.';
CREATE TABLE public.settlement_position (
    batch_id text NOT NULL,
    side text NOT NULL,
    institution text NOT NULL,
    items bigint NOT NULL,
    gross_minor bigint NOT NULL,
    interchange_minor bigint NOT NULL
);
COMMENT ON TABLE public.settlement_position IS 'Where we stand with each foreign institution after the cycle. It acquired: we owe it gross - interchange. It issued: it owes us that.';
CREATE TABLE public.terminal (
    terminal_id text NOT NULL,
    merchant_id text NOT NULL,
    CONSTRAINT terminal_id_is_de41 CHECK ((length(terminal_id) = 8))
);
COMMENT ON TABLE public.terminal IS 'Terminals of our merchants (DE41).';
CREATE TABLE public.token (
    bucket smallint NOT NULL,
    token_id bigint NOT NULL,
    card_id bigint NOT NULL,
    account_id bigint NOT NULL,
    dpan_index bytea NOT NULL,
    dpan_masked text NOT NULL,
    expiry character(4) NOT NULL,
    psn smallint DEFAULT 0 NOT NULL,
    key_set text NOT NULL,
    status public.token_status NOT NULL,
    note text NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    provisioned_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE public.token IS 'A device PAN of one of our cards. Its state blocks purchases, never reversals, completions or refunds.';
CREATE TABLE public.token_state (
    bucket smallint NOT NULL,
    token_id bigint NOT NULL,
    atc_high integer DEFAULT '-1'::integer NOT NULL,
    atc_window bigint DEFAULT 0 NOT NULL
)
WITH (fillfactor='50');
COMMENT ON TABLE public.token_state IS 'The device''s own transaction counter, kept as in card_state. Limits are the funding card''s.';
CREATE TABLE public.token_vault (
    bucket smallint NOT NULL,
    token_id bigint NOT NULL,
    envelope bytea NOT NULL,
    dpan_envelope bytea NOT NULL
);
COMMENT ON TABLE public.token_vault IS 'The funding PAN sealed by the HSM with the DPAN as associated data, so that neither can be swapped, and the DPAN''s own envelope bound by dpan_index (clearing shows the DPAN, never the funding PAN).';
INSERT INTO public.account_state VALUES (41, 1001, 978, 95350, 0, 0, 8);
INSERT INTO public.acquired_chip VALUES (55, '\x836d840bb755fd59fd7dc3d7107ef1fd', '\x9f3602002a');
INSERT INTO public.auth VALUES (41, '2026-11-20', '\x01', 1001, 'opening', 'on-us', false, '\x02', NULL, 1001, 1001, NULL, 1, '00', NULL, NULL, 100000, 100000, 978, NULL, NULL, 'issue', '400012', NULL, NULL, NULL, NULL, NULL, 0, NULL, 'SWY0000000000RT', '2026-11-20 00:00:00', '2026-11-30 20:07:51.828912+00', '2026-11-20', '2026-11-20', NULL, NULL, NULL, NULL, '\x7b7d', 0, 0, 0);
INSERT INTO public.auth VALUES (41, '2026-11-20', '\x7207451f40f5340e1fe490fd57d6df19', 1099511627777, 'purchase', 'on-us', false, '\x894830e70e6ba99f148bbd05bc11d958', '\x00000000000003e9000000000000000000000000000000000000000000000000', 1001, 1001, NULL, 1, '00', NULL, '064409', 1000, 1000, 978, NULL, NULL, 'terminals', '400012', NULL, 'SWYD00000000001', 'T0000001', 5411, '901', 1, '632400000001', 'SWY0000E13WU1OH', '2026-11-20 10:15:00', '1970-01-01 00:00:00+00', '2026-11-20', '2026-11-20', NULL, NULL, NULL, NULL, '\x7b22617661696c61626c65223a3130303030302c227370656e74223a302c227472696573223a302c2263617264223a22616374697665222c22636f6465223a227269676874227d', 257, 1, 0);
INSERT INTO public.auth VALUES (41, '2026-11-20', '\x26aeaa4ad5280cb5192cf16dedcd0597', 1099511627778, 'purchase', 'on-us', false, '\xba2323384aeb3b7fe04e2952f28b01f1', '\x00000000000003e9000000000000000000000000000000000000000000000000', 1001, 1001, NULL, 2, '00', NULL, '703026', 1999, 1999, 978, NULL, NULL, 'terminals', '400012', NULL, 'SWYD00000000001', 'T0000001', 5411, '901', 2, '632400000002', 'SWY0000E13WU1OI', '2026-11-20 10:15:00', '1970-01-01 00:00:00+00', '2026-11-20', '2026-11-20', NULL, NULL, NULL, NULL, '\x7b22617661696c61626c65223a39393030302c227370656e74223a313030302c227472696573223a302c2263617264223a22616374697665222c22636f6465223a227269676874227d', 257, 2, 0);
INSERT INTO public.auth VALUES (41, '2026-11-20', '\x5db935ca1fc915f91c9bbd2ca2dc38ae', 1099511627779, 'reversal', 'on-us', false, '\xba2323384aeb3b7fe04e2952f28b01f1', '\x00000000000003e9000000000000000000000000000000000000000000000000', 1001, 1001, NULL, 3, '00', NULL, '703026', 1999, 1999, 978, NULL, NULL, 'terminals', '400012', NULL, 'SWYD00000000001', 'T0000001', 5411, '901', 2, '632400000002', 'SWY0000E13WU1OI', '2026-11-20 10:15:00', '1970-01-01 00:00:00+00', '2026-11-20', '2026-11-20', '2026-11-20', '\x26aeaa4ad5280cb5192cf16dedcd0597', 1099511627778, NULL, '\x7b22617661696c61626c65223a39373030312c227370656e74223a323939392c227472696573223a302c2263617264223a22616374697665222c22636f6465223a227269676874227d', 257, 3, 0);
INSERT INTO public.auth VALUES (41, '2026-11-20', '\x0f1b84ba50ff834a46c339d3075d06c2', 1099511627780, 'refund', 'on-us', false, '\x92600d01d0b7c152263b2af052c8f1a3', '\x00000000000003e9000000000000000000000000000000000000000000000000', 1001, 1001, NULL, 4, '00', NULL, '980260', 500, 500, 978, NULL, NULL, 'terminals', '400012', NULL, 'SWYD00000000001', 'T0000001', 5411, '901', 3, '632400000003', 'SWY0000E13WU1OK', '2026-11-20 10:15:00', '1970-01-01 00:00:00+00', '2026-11-20', '2026-11-20', NULL, NULL, NULL, NULL, '\x7b22617661696c61626c65223a39393030302c227370656e74223a313030302c227472696573223a302c2263617264223a22616374697665222c22636f6465223a227269676874227d', 257, 4, 0);
INSERT INTO public.auth VALUES (55, '2026-11-20', '\x836d840bb755fd59fd7dc3d7107ef1fd', 1099511627781, 'purchase', 'acquired', true, '\x1a0dc80a4103265ccf56ea1875147fd3', '\x7777777777777777777777777777777777777777777777777777777777777777', NULL, NULL, NULL, NULL, '00', NULL, '654321', 2500, 2500, 978, NULL, NULL, 'terminals', '400012', 'issuer-510051', 'SWYD00000000002', 'T0000002', 5411, '901', 4, '632400000004', 'SWYACQ000000004', '2026-11-20 10:15:00', '1970-01-01 00:00:00+00', '2026-11-20', '2026-11-20', NULL, NULL, NULL, NULL, '\x7b22636f6465223a227269676874227d', 257, 5, 0);
INSERT INTO public.auth VALUES (55, '2026-11-20', '\x311e4908704e1058778ac0d625eae96f', 1099511627782, 'purchase', 'acquired', true, '\x33be661f0e4477a89c0e0ba732577b9f', '\x7777777777777777777777777777777777777777777777777777777777777777', NULL, NULL, NULL, NULL, '00', NULL, '654321', 3000, 3000, 978, NULL, NULL, 'terminals', '400012', 'issuer-510051', 'SWYD00000000002', 'T0000002', 5411, '901', 5, '632400000005', 'SWYACQ000000005', '2026-11-20 10:15:00', '1970-01-01 00:00:00+00', '2026-11-20', '2026-11-20', NULL, NULL, NULL, NULL, '\x7b22636f6465223a227269676874227d', 257, 6, 0);
INSERT INTO public.auth VALUES (55, '2026-11-20', '\x4a503e4b5f09790083da51fcff2eaa40', 1099511627783, 'reversal', 'acquired', false, '\x33be661f0e4477a89c0e0ba732577b9f', '\x7777777777777777777777777777777777777777777777777777777777777777', NULL, NULL, NULL, NULL, '00', NULL, '654321', 3000, 1000, 978, NULL, NULL, 'terminals', '400012', 'issuer-510051', 'SWYD00000000002', 'T0000002', 5411, '901', 5, '632400000005', 'SWYACQ000000005', '2026-11-20 10:15:00', '1970-01-01 00:00:00+00', '2026-11-20', '2026-11-20', '2026-11-20', '\x311e4908704e1058778ac0d625eae96f', 1099511627782, NULL, '\x7b22636f6465223a227269676874227d', 257, 7, 0);
INSERT INTO public.auth VALUES (55, '2026-11-20', '\xd8ff02c09486bda2048af0460f527159', 1099511627784, 'purchase', 'acquired', true, '\xdc633e05eb428bf91c608ac870a324bd', '\x7777777777777777777777777777777777777777777777777777777777777777', NULL, NULL, NULL, NULL, '00', NULL, '654321', 4000, 4000, 978, NULL, NULL, 'terminals', '400012', 'issuer-510051', 'SWYD00000000002', 'T0000002', 5411, '901', 6, '632400000006', 'SWYACQ000000006', '2026-11-20 10:15:00', '1970-01-01 00:00:00+00', '2026-11-20', '2026-11-20', NULL, NULL, NULL, NULL, '\x7b22636f6465223a227269676874227d', 257, 8, 0);
INSERT INTO public.auth VALUES (55, '2026-11-20', '\x06ae1d1adaeaba604d0d14dfd8e8bfef', 1099511627785, 'reversal', 'acquired', false, '\xdc633e05eb428bf91c608ac870a324bd', '\x7777777777777777777777777777777777777777777777777777777777777777', NULL, NULL, NULL, NULL, '00', NULL, '654321', 4000, 4000, 978, NULL, NULL, 'terminals', '400012', 'issuer-510051', 'SWYD00000000002', 'T0000002', 5411, '901', 6, '632400000006', 'SWYACQ000000006', '2026-11-20 10:15:00', '1970-01-01 00:00:00+00', '2026-11-20', '2026-11-20', '2026-11-20', '\xd8ff02c09486bda2048af0460f527159', 1099511627784, NULL, '\x7b22636f6465223a227269676874227d', 257, 9, 0);
INSERT INTO public.auth VALUES (41, '2026-11-20', '\x8633b4a9164ff23e43714d48a3251ee3', 1099511627786, 'purchase', 'issued', false, '\xb193a205285b1fd45232ecbcd10ee8f7', '\x00000000000003e9000000000000000000000000000000000000000000000000', 1001, 1001, NULL, 5, '00', NULL, '811962', 1250, 1250, 978, NULL, NULL, 'acquirer-ascii', '510099', NULL, 'FACQ00000000001', 'F0000001', 5411, '901', 7, '632400000007', 'SWY0000E13WU1OQ', '2026-11-20 10:15:00', '1970-01-01 00:00:00+00', '2026-11-20', '2026-11-20', NULL, NULL, NULL, NULL, '\x7b22617661696c61626c65223a39393530302c227370656e74223a313030302c227472696573223a302c2263617264223a22616374697665222c22636f6465223a227269676874227d', 257, 10, 0);
INSERT INTO public.auth VALUES (41, '2026-11-20', '\x34aace76f469d669618fc89db523022d', 1099511627787, 'refund', 'issued', false, '\x4551fd54503dc69bca1e1a89aacbf4fe', '\x00000000000003e9000000000000000000000000000000000000000000000000', 1001, 1001, NULL, 6, '00', NULL, '450579', 400, 400, 978, NULL, NULL, 'acquirer-ascii', '510099', NULL, 'FACQ00000000001', 'F0000001', 5411, '901', 8, '632400000008', 'SWY0000E13WU1OR', '2026-11-20 10:15:00', '1970-01-01 00:00:00+00', '2026-11-20', '2026-11-20', NULL, NULL, NULL, NULL, '\x7b22617661696c61626c65223a39383235302c227370656e74223a323235302c227472696573223a302c2263617264223a22616374697665222c22636f6465223a227269676874227d', 257, 11, 0);
INSERT INTO public.auth VALUES (41, '2026-11-20', '\xe683f797c4f9dc63efc73578304e8f4e', 1099511627788, 'purchase', 'issued', false, '\x82d87fad546d4152779c838c1ba9e15d', '\x00000000000003e9000000000000000000000000000000000000000000000000', 1001, 1001, NULL, 7, '00', NULL, '089196', 1100, 1100, 978, NULL, NULL, 'acquirer-ascii', '510099', NULL, 'FACQ00000000001', 'F0000001', 5411, '901', 9, '632400000009', 'SWY0000E13WU1OS', '2026-11-20 10:15:00', '1970-01-01 00:00:00+00', '2026-11-20', '2026-11-20', NULL, NULL, NULL, NULL, '\x7b22617661696c61626c65223a39383635302c227370656e74223a323235302c227472696573223a302c2263617264223a22616374697665222c22636f6465223a227269676874227d', 257, 12, 0);
INSERT INTO public.auth VALUES (41, '2026-11-20', '\xf49f74e90a43ca6acf10b436283b29ef', 1099511627789, 'purchase', 'issued', false, '\xdb5ddb874355b239a6afc0ddf743f3b1', '\x00000000000003e9000000000000000000000000000000000000000000000000', 1001, 1001, NULL, 8, '00', NULL, '727813', 2200, 2200, 978, NULL, NULL, 'acquirer-ascii', '510099', NULL, 'FACQ00000000001', 'F0000001', 5411, '901', 10, '632400000010', 'SWY0000E13WU1OT', '2026-11-20 10:15:00', '1970-01-01 00:00:00+00', '2026-11-20', '2026-11-20', NULL, NULL, NULL, NULL, '\x7b22617661696c61626c65223a39373535302c227370656e74223a333335302c227472696573223a302c2263617264223a22616374697665222c22636f6465223a227269676874227d', 257, 13, 0);
INSERT INTO public.business_day VALUES ('2026-11-21', 'open', '2026-11-30 20:07:51.92568+00', NULL, NULL);
INSERT INTO public.business_day VALUES ('2026-11-20', 'closed', '2026-11-30 20:07:51.810003+00', '2026-11-30 20:07:51.92568+00', '2026-11-30 20:07:51+00');
INSERT INTO public.card VALUES (41, 1001, 1001, '\x00000000000003e9', '\x00', '400012******0000', '2912', 0, '201', 1, '0000', '400012', 'active', 100000, 150000, '', 1, '2026-11-30 20:07:51.822692+00');
INSERT INTO public.card_state VALUES (41, 1001, 1001, '2026-11-20', 5550, 0, -1, 0);
INSERT INTO public.chain VALUES (1, 257, 1, 1, '\x0000000000000000000000000000000000000000000000000000000000000000', '\xe8251e524fed7c602ffa92fe73482cafbe1d06eb7728ae4973b28e1312ed444d', '2026-11-30 20:07:51.860484+00');
INSERT INTO public.chain VALUES (1, 257, 2, 1, '\xe8251e524fed7c602ffa92fe73482cafbe1d06eb7728ae4973b28e1312ed444d', '\xa2a14ee586babc302ab060897de4af75a27a1dc4e890f06c14795329ab3dd2a0', '2026-11-30 20:07:51.870408+00');
INSERT INTO public.chain VALUES (1, 257, 3, 1, '\xa2a14ee586babc302ab060897de4af75a27a1dc4e890f06c14795329ab3dd2a0', '\xb7bfd77cb633fdfe7b013c6793cdd163aa402a0d49daf166c6ef1f3655fc29d0', '2026-11-30 20:07:51.874297+00');
INSERT INTO public.chain VALUES (1, 257, 4, 1, '\xb7bfd77cb633fdfe7b013c6793cdd163aa402a0d49daf166c6ef1f3655fc29d0', '\x9eb54771d3f4504e2f682cf3d12425d920f5d61c658815d37e4fd4ab505beafc', '2026-11-30 20:07:51.877793+00');
INSERT INTO public.chain VALUES (1, 257, 5, 1, '\x9eb54771d3f4504e2f682cf3d12425d920f5d61c658815d37e4fd4ab505beafc', '\xa1ee2919fa8b7af79e1809990b3d0c8b1cd8e0100d7b8247ab9bb5bda58b3829', '2026-11-30 20:07:51.881542+00');
INSERT INTO public.chain VALUES (1, 257, 6, 1, '\xa1ee2919fa8b7af79e1809990b3d0c8b1cd8e0100d7b8247ab9bb5bda58b3829', '\xcd0f3fc3e3aa9a87e3f5bb4b041736f25b6747caea68681a4a4ed71f1d868f45', '2026-11-30 20:07:51.884399+00');
INSERT INTO public.chain VALUES (1, 257, 7, 1, '\xcd0f3fc3e3aa9a87e3f5bb4b041736f25b6747caea68681a4a4ed71f1d868f45', '\x9dc82a35e01bdb9aea56ad6a09454e640fe90445a9a30dcc0d6ef396668fa805', '2026-11-30 20:07:51.889617+00');
INSERT INTO public.chain VALUES (1, 257, 8, 1, '\x9dc82a35e01bdb9aea56ad6a09454e640fe90445a9a30dcc0d6ef396668fa805', '\x87b8cbf7f10bd70c538746da657c918918fa531d73ed6d5f08d2639f2b114d45', '2026-11-30 20:07:51.893789+00');
INSERT INTO public.chain VALUES (1, 257, 9, 1, '\x87b8cbf7f10bd70c538746da657c918918fa531d73ed6d5f08d2639f2b114d45', '\x862e68b7423203ccb5f0b34698fe5ef7cb9e2235d445673829a88a32747164d7', '2026-11-30 20:07:51.895361+00');
INSERT INTO public.chain VALUES (1, 257, 10, 1, '\x862e68b7423203ccb5f0b34698fe5ef7cb9e2235d445673829a88a32747164d7', '\xb9a4115a13cdddcce320326cf169af007b303d91edf7df67adc4e6e0f25f3011', '2026-11-30 20:07:51.897328+00');
INSERT INTO public.chain VALUES (1, 257, 11, 1, '\xb9a4115a13cdddcce320326cf169af007b303d91edf7df67adc4e6e0f25f3011', '\x678c24cc424288f1aa96d837024dd3c6c68d134550d11fd4d341f12f3c0fbb34', '2026-11-30 20:07:51.902058+00');
INSERT INTO public.chain VALUES (1, 257, 12, 1, '\x678c24cc424288f1aa96d837024dd3c6c68d134550d11fd4d341f12f3c0fbb34', '\xece7ac2f1197f903d3296797d52eaf8328dd892ea73c8b8774729c4c9c064402', '2026-11-30 20:07:51.905752+00');
INSERT INTO public.chain VALUES (1, 257, 13, 1, '\xece7ac2f1197f903d3296797d52eaf8328dd892ea73c8b8774729c4c9c064402', '\x4b3829d1afa5b5196c0858e3867c7c139a230d8d1d1d706f9144148665647baf', '2026-11-30 20:07:51.909995+00');
INSERT INTO public.chain_anchor VALUES (1, 257, 13, '\x4b3829d1afa5b5196c0858e3867c7c139a230d8d1d1d706f9144148665647baf', '\x6eb8f00cff2951e8', '2026-11-30 20:07:51.945155+00');
INSERT INTO public.clearing_file VALUES ('0012611200000051009900001', true, '510099', 'in.ipm', '\x5ca4f14de26aed32f39b3e0da22b5d338c0a3b12119728080f1fafaf5bb02f32', 8, 8401, '2026-11-20', '2026-11-30 20:07:51.935298+00');
INSERT INTO public.clearing_file VALUES ('0022611200000040001200001', false, '510051', '20261120-400012-510051.ipm', '\x486d6ebeb93758f3e043cf5177cbdc5417c3791add31757aa26485d34f20cc23', 4, 4500, '2026-11-20', '2026-11-30 20:07:51.967135+00');
INSERT INTO public.foreign_card VALUES (55, '\x7777777777777777777777777777777777777777777777777777777777777777', '\x010000000000000000000000003531303035313030303030303030303800000000000000000000000000000000', '510051******0008', NULL);
INSERT INTO public.ledger VALUES (41, 1001, 1, 'funding', 'opening', -100000, 978, '2026-11-20', '2026-11-20');
INSERT INTO public.ledger VALUES (41, 1001, 2, 'cardholder', '1001', 100000, 978, '2026-11-20', '2026-11-20');
INSERT INTO public.ledger VALUES (41, 1099511627777, 1, 'cardholder', '1001', -1000, 978, '2026-11-20', '2026-11-20');
INSERT INTO public.ledger VALUES (41, 1099511627777, 2, 'merchant', 'SWYD00000000001', 1000, 978, '2026-11-20', '2026-11-20');
INSERT INTO public.ledger VALUES (41, 1099511627778, 1, 'cardholder', '1001', -1999, 978, '2026-11-20', '2026-11-20');
INSERT INTO public.ledger VALUES (41, 1099511627778, 2, 'merchant', 'SWYD00000000001', 1999, 978, '2026-11-20', '2026-11-20');
INSERT INTO public.ledger VALUES (41, 1099511627779, 1, 'cardholder', '1001', 1999, 978, '2026-11-20', '2026-11-20');
INSERT INTO public.ledger VALUES (41, 1099511627779, 2, 'merchant', 'SWYD00000000001', -1999, 978, '2026-11-20', '2026-11-20');
INSERT INTO public.ledger VALUES (41, 1099511627780, 1, 'cardholder', '1001', 500, 978, '2026-11-20', '2026-11-20');
INSERT INTO public.ledger VALUES (41, 1099511627780, 2, 'merchant', 'SWYD00000000001', -500, 978, '2026-11-20', '2026-11-20');
INSERT INTO public.ledger VALUES (55, 1099511627781, 1, 'network', 'issuer-510051', -2500, 978, '2026-11-20', '2026-11-20');
INSERT INTO public.ledger VALUES (55, 1099511627781, 2, 'merchant', 'SWYD00000000002', 2500, 978, '2026-11-20', '2026-11-20');
INSERT INTO public.ledger VALUES (55, 1099511627782, 1, 'network', 'issuer-510051', -3000, 978, '2026-11-20', '2026-11-20');
INSERT INTO public.ledger VALUES (55, 1099511627782, 2, 'merchant', 'SWYD00000000002', 3000, 978, '2026-11-20', '2026-11-20');
INSERT INTO public.ledger VALUES (55, 1099511627783, 1, 'network', 'issuer-510051', 1000, 978, '2026-11-20', '2026-11-20');
INSERT INTO public.ledger VALUES (55, 1099511627783, 2, 'merchant', 'SWYD00000000002', -1000, 978, '2026-11-20', '2026-11-20');
INSERT INTO public.ledger VALUES (55, 1099511627784, 1, 'network', 'issuer-510051', -4000, 978, '2026-11-20', '2026-11-20');
INSERT INTO public.ledger VALUES (55, 1099511627784, 2, 'merchant', 'SWYD00000000002', 4000, 978, '2026-11-20', '2026-11-20');
INSERT INTO public.ledger VALUES (55, 1099511627785, 1, 'network', 'issuer-510051', 4000, 978, '2026-11-20', '2026-11-20');
INSERT INTO public.ledger VALUES (55, 1099511627785, 2, 'merchant', 'SWYD00000000002', -4000, 978, '2026-11-20', '2026-11-20');
INSERT INTO public.ledger VALUES (41, 1099511627786, 1, 'cardholder', '1001', -1250, 978, '2026-11-20', '2026-11-20');
INSERT INTO public.ledger VALUES (41, 1099511627786, 2, 'unpresented', '510099', 1250, 978, '2026-11-20', '2026-11-20');
INSERT INTO public.ledger VALUES (41, 1099511627787, 1, 'cardholder', '1001', 400, 978, '2026-11-20', '2026-11-20');
INSERT INTO public.ledger VALUES (41, 1099511627787, 2, 'unpresented', '510099', -400, 978, '2026-11-20', '2026-11-20');
INSERT INTO public.ledger VALUES (41, 1099511627788, 1, 'cardholder', '1001', -1100, 978, '2026-11-20', '2026-11-20');
INSERT INTO public.ledger VALUES (41, 1099511627788, 2, 'unpresented', '510099', 1100, 978, '2026-11-20', '2026-11-20');
INSERT INTO public.ledger VALUES (41, 1099511627789, 1, 'cardholder', '1001', -2200, 978, '2026-11-20', '2026-11-20');
INSERT INTO public.ledger VALUES (41, 1099511627789, 2, 'unpresented', '510099', 2200, 978, '2026-11-20', '2026-11-20');
INSERT INTO public.merchant VALUES ('SWYD00000000001', 'Bread & Butter', 5411, 'Berlin', '276', 'DE89370400440532013000');
INSERT INTO public.merchant VALUES ('SWYD00000000002', 'Fromagerie', 5451, 'Paris', '250', 'FR1420041010050500013M02606');
INSERT INTO public.outgoing_presentment VALUES ('0022611200000040001200001', 2, '20261120-EUR', '510051', 55, 1099511627781, 2500, false, false, '74000126324000000000015');
INSERT INTO public.outgoing_presentment VALUES ('0022611200000040001200001', 3, '20261120-EUR', '510051', 55, 1099511627782, 2000, false, false, '74000126324000000000023');
INSERT INTO public.presentment VALUES ('0012611200000051009900001', 2, 'matched', '510099', 'SWY0000E13WU1OQ', '75100996324000000000017', '632400000007', 'F0000001', 'FACQ00000000001', '811962', '400012******0000', false, 1250, 978, 41, 1099511627786, 1250, 1250, 3, 'IC-CONSUMER-DEBIT', 1, 'SF-STANDARD', '2026-11-20');
INSERT INTO public.presentment VALUES ('0012611200000051009900001', 3, 'matched', '510099', 'SWY0000E13WU1OR', '75100996324000000000025', '632400000008', 'F0000001', 'FACQ00000000001', '450579', '400012******0000', false, -400, 978, 41, 1099511627787, -400, -400, -1, 'IC-CONSUMER-DEBIT', 1, 'SF-STANDARD', '2026-11-20');
INSERT INTO public.presentment VALUES ('0012611200000051009900001', 4, 'amount-differs', '510099', 'SWY0000E13WU1OS', '75100996324000000000033', '632400000009', 'F0000001', 'FACQ00000000001', '089196', '400012******0000', false, 1101, 978, 41, 1099511627788, 1100, 0, 0, NULL, 0, NULL, '2026-11-20');
INSERT INTO public.presentment VALUES ('0012611200000051009900001', 5, 'duplicate', '510099', 'SWY0000E13WU1OQ', '75100996324000000000041', '632400000007', 'F0000001', 'FACQ00000000001', '811962', '400012******0000', false, 1250, 978, 41, 1099511627786, 1250, 0, 0, NULL, 0, NULL, '2026-11-20');
INSERT INTO public.presentment VALUES ('0012611200000051009900001', 6, 'no-authorization', '510099', 'SWYZZZZZZZZZZZZ', '75100996324000000000058', '999999999999', 'F0000001', 'FACQ00000000001', '727813', '400012******0000', false, 2200, 978, NULL, NULL, NULL, 0, 0, NULL, 0, NULL, '2026-11-20');
INSERT INTO public.presentment VALUES ('0012611200000051009900001', 7, 'card-differs', '510099', 'SWY0000E13WU1OT', '75100996324000000000066', '632400000010', 'F0000001', 'FACQ00000000001', '727813', '400012******0123', false, 2200, 978, 41, 1099511627789, 2200, 0, 0, NULL, 0, NULL, '2026-11-20');
INSERT INTO public.schema_migration VALUES (1, '0001_accounts_and_cards', '2026-11-30 20:07:51.549679+00');
INSERT INTO public.schema_migration VALUES (2, '0002_journal_and_ledger', '2026-11-30 20:07:51.609499+00');
INSERT INTO public.schema_migration VALUES (3, '0003_merchants_and_terminals', '2026-11-30 20:07:51.680277+00');
INSERT INTO public.schema_migration VALUES (4, '0004_clearing_and_settlement', '2026-11-30 20:07:51.69871+00');
INSERT INTO public.schema_migration VALUES (5, '0005_acquired_chip', '2026-11-30 20:07:51.789154+00');
INSERT INTO public.settlement_batch VALUES ('20261120-EUR', '2026-11-20', 978, '2026-11-30 20:07:51+00', '2026-11-23', 6, 1);
INSERT INTO public.settlement_file VALUES ('20261120-EUR', 'clearing/20261120-400012-510051.ipm', '\x486d6ebeb93758f3e043cf5177cbdc5417c3791add31757aa26485d34f20cc23', 1014);
INSERT INTO public.settlement_file VALUES ('20261120-EUR', 'clearing/20261120-400012-510051.json', '\x25afd16c24b5e16205e4f4a1587cd764c7439bdb703488a36f5aa1eb33c43698', 159);
INSERT INTO public.settlement_file VALUES ('20261120-EUR', 'settlement/20261120-EUR/SWYD00000000001.csv', '\xb909a31f681dc01e31dc55514abff0ca25240b0d24b1709b0c9ac546b4303f5c', 1093);
INSERT INTO public.settlement_file VALUES ('20261120-EUR', 'settlement/20261120-EUR/SWYD00000000002.csv', '\x5b2e5069469759b851ecffeeee3e0becd47447eb072174c94717243a127d4f2b', 1378);
INSERT INTO public.settlement_file VALUES ('20261120-EUR', 'settlement/20261120-EUR/payout.xml', '\xcbba994b884e2540e84fe8743225557820dc9cb1620bf69fd4c91f9e1b787887', 2067);
INSERT INTO public.settlement_file VALUES ('20261120-EUR', 'settlement/20261120-EUR/batch.json', '\x01998609add413c559986d74437fbad06ad05704bfca30250cfbdcb76e2ff90f', 2204);
INSERT INTO public.settlement_line VALUES (41, 1099511627777, '20261120-EUR', 'SWYD00000000001', 'sale', false, true, 1000, 23, 'MSC-STANDARD', 2, 'IC-CONSUMER-DEBIT', 0, 'SF-ON-US');
INSERT INTO public.settlement_line VALUES (41, 1099511627778, '20261120-EUR', 'SWYD00000000001', 'sale', false, true, 1999, 35, 'MSC-STANDARD', 4, 'IC-CONSUMER-DEBIT', 0, 'SF-ON-US');
INSERT INTO public.settlement_line VALUES (41, 1099511627779, '20261120-EUR', 'SWYD00000000001', 'reversal', false, true, -1999, -35, 'MSC-STANDARD', -4, 'IC-CONSUMER-DEBIT', 0, 'SF-ON-US');
INSERT INTO public.settlement_line VALUES (41, 1099511627780, '20261120-EUR', 'SWYD00000000001', 'refund', true, true, -500, 0, 'MSC-STANDARD', -1, 'IC-CONSUMER-DEBIT', 0, 'SF-ON-US');
INSERT INTO public.settlement_line VALUES (55, 1099511627781, '20261120-EUR', 'SWYD00000000002', 'sale', false, true, 2500, 41, 'MSC-STANDARD', 5, 'IC-CONSUMER-DEBIT', 2, 'SF-STANDARD');
INSERT INTO public.settlement_line VALUES (55, 1099511627782, '20261120-EUR', 'SWYD00000000002', 'sale', false, true, 3000, 48, 'MSC-STANDARD', 6, 'IC-CONSUMER-DEBIT', 2, 'SF-STANDARD');
INSERT INTO public.settlement_line VALUES (55, 1099511627783, '20261120-EUR', 'SWYD00000000002', 'reversal', false, false, -1000, -13, 'MSC-STANDARD', -2, 'IC-CONSUMER-DEBIT', 0, 'SF-STANDARD');
INSERT INTO public.settlement_line VALUES (55, 1099511627784, '20261120-EUR', 'SWYD00000000002', 'sale', false, true, 4000, 60, 'MSC-STANDARD', 8, 'IC-CONSUMER-DEBIT', 2, 'SF-STANDARD');
INSERT INTO public.settlement_line VALUES (55, 1099511627785, '20261120-EUR', 'SWYD00000000002', 'reversal', false, true, -4000, -60, 'MSC-STANDARD', -8, 'IC-CONSUMER-DEBIT', -2, 'SF-STANDARD');
INSERT INTO public.settlement_merchant VALUES ('20261120-EUR', 'SWYD00000000001', 'Bread & Butter', 'DE89370400440532013000', 4, 500, 23, 0, 477, 0);
INSERT INTO public.settlement_merchant VALUES ('20261120-EUR', 'SWYD00000000002', 'Fromagerie', 'FR1420041010050500013M02606', 5, 4500, 76, 0, 4424, 0);
INSERT INTO public.settlement_position VALUES ('20261120-EUR', 'acquirer', '510099', 2, 850, 2);
INSERT INTO public.settlement_position VALUES ('20261120-EUR', 'issuer', '510051', 5, 4500, 9);
INSERT INTO public.settlement_posting VALUES ('presented/0012611200000051009900001/2', 1, 'unpresented', '510099', -1250, 978, '2026-11-20');
INSERT INTO public.settlement_posting VALUES ('presented/0012611200000051009900001/2', 2, 'position', '510099', 1250, 978, '2026-11-20');
INSERT INTO public.settlement_posting VALUES ('presented/0012611200000051009900001/3', 1, 'unpresented', '510099', 400, 978, '2026-11-20');
INSERT INTO public.settlement_posting VALUES ('presented/0012611200000051009900001/3', 2, 'position', '510099', -400, 978, '2026-11-20');
INSERT INTO public.settlement_posting VALUES ('20261120-EUR/service-charge/SWYD00000000001', 1, 'merchant', 'SWYD00000000001', -23, 978, '2026-11-20');
INSERT INTO public.settlement_posting VALUES ('20261120-EUR/service-charge/SWYD00000000001', 2, 'service-charge', '20261120-EUR', 23, 978, '2026-11-20');
INSERT INTO public.settlement_posting VALUES ('20261120-EUR/payout/SWYD00000000001', 1, 'merchant', 'SWYD00000000001', -477, 978, '2026-11-20');
INSERT INTO public.settlement_posting VALUES ('20261120-EUR/payout/SWYD00000000001', 2, 'payout', '20261120-EUR', 477, 978, '2026-11-20');
INSERT INTO public.settlement_posting VALUES ('20261120-EUR/service-charge/SWYD00000000002', 1, 'merchant', 'SWYD00000000002', -76, 978, '2026-11-20');
INSERT INTO public.settlement_posting VALUES ('20261120-EUR/service-charge/SWYD00000000002', 2, 'service-charge', '20261120-EUR', 76, 978, '2026-11-20');
INSERT INTO public.settlement_posting VALUES ('20261120-EUR/payout/SWYD00000000002', 1, 'merchant', 'SWYD00000000002', -4424, 978, '2026-11-20');
INSERT INTO public.settlement_posting VALUES ('20261120-EUR/payout/SWYD00000000002', 2, 'payout', '20261120-EUR', 4424, 978, '2026-11-20');
INSERT INTO public.settlement_posting VALUES ('20261120-EUR/interchange/acquirer/510099', 1, 'position', '510099', -2, 978, '2026-11-20');
INSERT INTO public.settlement_posting VALUES ('20261120-EUR/interchange/acquirer/510099', 2, 'interchange-earned', '20261120-EUR', 2, 978, '2026-11-20');
INSERT INTO public.settlement_posting VALUES ('20261120-EUR/presented/510051', 1, 'position', '510051', -4500, 978, '2026-11-20');
INSERT INTO public.settlement_posting VALUES ('20261120-EUR/presented/510051', 2, 'network', 'issuer-510051', 4500, 978, '2026-11-20');
INSERT INTO public.settlement_posting VALUES ('20261120-EUR/interchange/issuer/510051', 1, 'interchange-paid', '20261120-EUR', -9, 978, '2026-11-20');
INSERT INTO public.settlement_posting VALUES ('20261120-EUR/interchange/issuer/510051', 2, 'position', '510051', 9, 978, '2026-11-20');
INSERT INTO public.settlement_posting VALUES ('20261120-EUR/interchange/on-us', 1, 'interchange-paid', '20261120-EUR', -1, 978, '2026-11-20');
INSERT INTO public.settlement_posting VALUES ('20261120-EUR/interchange/on-us', 2, 'interchange-earned', '20261120-EUR', 1, 978, '2026-11-20');
INSERT INTO public.settlement_posting VALUES ('20261120-EUR/scheme-fee', 1, 'scheme-fee-paid', '20261120-EUR', -6, 978, '2026-11-20');
INSERT INTO public.settlement_posting VALUES ('20261120-EUR/scheme-fee', 2, 'scheme', 'scheme', 6, 978, '2026-11-20');
SELECT pg_catalog.setval('public.account_number', 1001, false);
SELECT pg_catalog.setval('public.card_number', 1, false);
SELECT pg_catalog.setval('public.host_epoch', 1, true);
ALTER TABLE ONLY public.account_state
    ADD CONSTRAINT account_state_pkey PRIMARY KEY (bucket, account_id);
ALTER TABLE ONLY public.acquired_chip
    ADD CONSTRAINT acquired_chip_pkey PRIMARY KEY (bucket, idem);
ALTER TABLE ONLY public.auth
    ADD CONSTRAINT auth_pkey PRIMARY KEY (bucket, idem_date, idem);
ALTER TABLE ONLY public.business_day
    ADD CONSTRAINT business_day_pkey PRIMARY KEY (date);
ALTER TABLE ONLY public.card
    ADD CONSTRAINT card_bucket_pan_index_key UNIQUE (bucket, pan_index);
ALTER TABLE ONLY public.card
    ADD CONSTRAINT card_pkey PRIMARY KEY (bucket, card_id);
ALTER TABLE ONLY public.card_state
    ADD CONSTRAINT card_state_pkey PRIMARY KEY (bucket, card_id);
ALTER TABLE ONLY public.chain_anchor
    ADD CONSTRAINT chain_anchor_pkey PRIMARY KEY (bucket, lane_instance, batch_seq);
ALTER TABLE ONLY public.chain
    ADD CONSTRAINT chain_pkey PRIMARY KEY (bucket, lane_instance, batch_seq);
ALTER TABLE ONLY public.clearing_file
    ADD CONSTRAINT clearing_file_pkey PRIMARY KEY (file_id);
ALTER TABLE ONLY public.clearing_file
    ADD CONSTRAINT clearing_file_sha256_key UNIQUE (sha256);
ALTER TABLE ONLY public.foreign_card
    ADD CONSTRAINT foreign_card_pkey PRIMARY KEY (bucket, pan_index);
ALTER TABLE ONLY public.hold
    ADD CONSTRAINT hold_pkey PRIMARY KEY (bucket, auth_id);
ALTER TABLE ONLY public.ledger
    ADD CONSTRAINT ledger_pkey PRIMARY KEY (bucket, auth_id, leg);
ALTER TABLE ONLY public.merchant
    ADD CONSTRAINT merchant_pkey PRIMARY KEY (merchant_id);
ALTER TABLE ONLY public.outgoing_presentment
    ADD CONSTRAINT outgoing_presentment_bucket_auth_id_key UNIQUE (bucket, auth_id);
ALTER TABLE ONLY public.outgoing_presentment
    ADD CONSTRAINT outgoing_presentment_pkey PRIMARY KEY (file_id, record);
ALTER TABLE ONLY public.outgoing_presentment
    ADD CONSTRAINT outgoing_presentment_reference_key UNIQUE (reference);
ALTER TABLE ONLY public.pan_directory
    ADD CONSTRAINT pan_directory_pkey PRIMARY KEY (bucket, pan_index);
ALTER TABLE ONLY public.presentment
    ADD CONSTRAINT presentment_pkey PRIMARY KEY (file_id, record);
ALTER TABLE ONLY public.schema_migration
    ADD CONSTRAINT schema_migration_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.settlement_batch
    ADD CONSTRAINT settlement_batch_cycle_currency_key UNIQUE (cycle, currency);
ALTER TABLE ONLY public.settlement_batch
    ADD CONSTRAINT settlement_batch_pkey PRIMARY KEY (batch_id);
ALTER TABLE ONLY public.settlement_file
    ADD CONSTRAINT settlement_file_pkey PRIMARY KEY (batch_id, path);
ALTER TABLE ONLY public.settlement_line
    ADD CONSTRAINT settlement_line_pkey PRIMARY KEY (bucket, auth_id);
ALTER TABLE ONLY public.settlement_merchant
    ADD CONSTRAINT settlement_merchant_pkey PRIMARY KEY (batch_id, merchant);
ALTER TABLE ONLY public.settlement_position
    ADD CONSTRAINT settlement_position_pkey PRIMARY KEY (batch_id, side, institution);
ALTER TABLE ONLY public.settlement_posting
    ADD CONSTRAINT settlement_posting_pkey PRIMARY KEY (posting, leg);
ALTER TABLE ONLY public.terminal
    ADD CONSTRAINT terminal_pkey PRIMARY KEY (terminal_id);
ALTER TABLE ONLY public.token
    ADD CONSTRAINT token_bucket_dpan_index_key UNIQUE (bucket, dpan_index);
ALTER TABLE ONLY public.token
    ADD CONSTRAINT token_pkey PRIMARY KEY (bucket, token_id);
ALTER TABLE ONLY public.token_state
    ADD CONSTRAINT token_state_pkey PRIMARY KEY (bucket, token_id);
ALTER TABLE ONLY public.token_vault
    ADD CONSTRAINT token_vault_pkey PRIMARY KEY (bucket, token_id);
CREATE INDEX hold_open_by_account ON public.hold USING btree (bucket, account_id) WHERE (state = 'open'::public.hold_state);
CREATE INDEX presentment_by_auth ON public.presentment USING btree (auth_bucket, auth_id) WHERE (posted_minor <> 0);
CREATE INDEX presentment_by_cycle ON public.presentment USING btree (cycle);
CREATE INDEX settlement_line_by_batch ON public.settlement_line USING btree (batch_id);
ALTER TABLE ONLY public.outgoing_presentment
    ADD CONSTRAINT outgoing_presentment_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES public.settlement_batch(batch_id);
ALTER TABLE ONLY public.presentment
    ADD CONSTRAINT presentment_file_id_fkey FOREIGN KEY (file_id) REFERENCES public.clearing_file(file_id);
ALTER TABLE ONLY public.settlement_file
    ADD CONSTRAINT settlement_file_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES public.settlement_batch(batch_id);
ALTER TABLE ONLY public.settlement_line
    ADD CONSTRAINT settlement_line_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES public.settlement_batch(batch_id);
ALTER TABLE ONLY public.settlement_merchant
    ADD CONSTRAINT settlement_merchant_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES public.settlement_batch(batch_id);
ALTER TABLE ONLY public.settlement_position
    ADD CONSTRAINT settlement_position_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES public.settlement_batch(batch_id);
ALTER TABLE ONLY public.terminal
    ADD CONSTRAINT terminal_merchant_id_fkey FOREIGN KEY (merchant_id) REFERENCES public.merchant(merchant_id);
