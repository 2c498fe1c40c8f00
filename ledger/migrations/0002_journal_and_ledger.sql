-- The journal of authorizations, what it holds and posts, the days it falls into and the chain over it.

CREATE TYPE auth_kind AS ENUM (
    'purchase', 'pre-authorization', 'completion', 'refund', 'reversal', 'balance-inquiry', 'account-verification', 'opening');
CREATE TYPE auth_role AS ENUM ('on-us', 'issued', 'acquired');

CREATE TABLE auth (
    bucket           smallint    NOT NULL,
    idem_date        date        NOT NULL,
    idem             bytea       NOT NULL,
    auth_id          bigint      NOT NULL,
    kind             auth_kind   NOT NULL,
    role             auth_role   NOT NULL,
    advice           boolean     NOT NULL,
    digest           bytea       NOT NULL,
    pan_index        bytea,
    account_id       bigint,
    card_id          bigint,
    token_id         bigint,
    account_seq      bigint,
    response_code    char(2)     NOT NULL,
    reason           text,
    approval_code    text,
    requested_minor  bigint      NOT NULL,
    approved_minor   bigint      NOT NULL,
    currency         smallint    NOT NULL,
    icc_answer       bytea,
    available_minor  bigint,
    link             text        NOT NULL,
    acquirer         text        NOT NULL,
    issuer           text,
    merchant         text,
    terminal         text,
    mcc              smallint,
    entry_mode       text,
    stan             integer     NOT NULL,
    rrn              text,
    lifecycle        text        NOT NULL,
    local_at         timestamp   NOT NULL,
    received_at      timestamptz NOT NULL,
    business_date    date        NOT NULL,
    cycle            date        NOT NULL,
    original_date    date,
    original_idem    bytea,
    original_auth_id bigint,
    exception        text,
    why              bytea       NOT NULL,
    lane_instance    integer     NOT NULL,
    batch_seq        bigint      NOT NULL,
    batch_pos        smallint    NOT NULL,
    PRIMARY KEY (bucket, idem_date, idem)
);
COMMENT ON TABLE auth IS 'Append-only journal: one row per distinct request, declines and unknown cards included. Never updated: whether a row was reversed is known from the rows under its reversal keys. No index but the primary key, because each one costs on the hot path.';
COMMENT ON COLUMN auth.bucket IS 'Bucket of the account; for cards that are not ours or unknown, first byte of pan_index modulo 64; for a reversal that no PAN and no original could place, first byte of idem modulo 64.';
COMMENT ON COLUMN auth.idem_date IS 'The local date inside the originator''s key (DE13 with its year), so that a repeat after midnight or cut-over meets its original.';
COMMENT ON COLUMN auth.idem IS 'First 16 bytes of SHA-256 over a marker byte and the originator''s key (DE59). Marker O: the request itself. Marker R: the full reversal of that key, P: its partial reversal; original_idem is then the O value. An R row without an O row is a tombstone: the original, should it come, is declined.';
COMMENT ON COLUMN auth.auth_id IS 'host epoch << 40 | counter: unique over all hosts, rising within one.';
COMMENT ON COLUMN auth.role IS 'on-us: our card at our merchant; issued: our card at a foreign acquirer; acquired: foreign card at our merchant (advised by the switch).';
COMMENT ON COLUMN auth.advice IS 'The request told of something that had happened (x2x): acknowledged with 00 whatever came of it; approved_minor says what was posted.';
COMMENT ON COLUMN auth.digest IS 'First 16 bytes of SHA-256 over PAN index, amount, currency, DE3: same key and other digest is answered 94.';
COMMENT ON COLUMN auth.pan_index IS 'Index of the PAN that the acquirer saw (the DPAN of a wallet).';
COMMENT ON COLUMN auth.account_seq IS 'account_state.seq of this row; null without an account.';
COMMENT ON COLUMN auth.response_code IS 'DE39 as answered (1987).';
COMMENT ON COLUMN auth.reason IS 'Name of the reason for a decline, or for posting nothing.';
COMMENT ON COLUMN auth.requested_minor IS 'DE4 of the request. A reversal carries the amount of its original here; a partial one says in approved_minor what went back.';
COMMENT ON COLUMN auth.approved_minor IS 'What was held or posted, 0 for a decline. Captured are purchase, completion and refund; a pre-authorization only holds. For a reversal: what was given back (captured or held, as the original).';
COMMENT ON COLUMN auth.icc_answer IS 'Tag 91 value of the answer (ARPC and CSU), approvals only.';
COMMENT ON COLUMN auth.available_minor IS 'Available balance told in DE54 of a balance inquiry.';
COMMENT ON COLUMN auth.link IS 'The switch''s link that the originator came in by, from its key.';
COMMENT ON COLUMN auth.acquirer IS 'DE32: acquirer id.';
COMMENT ON COLUMN auth.issuer IS 'Acquired only: the destination whose issuer approved (DE61).';
COMMENT ON COLUMN auth.local_at IS 'DE12 and DE13 of the originator with the year that lies nearest.';
COMMENT ON COLUMN auth.business_date IS 'DE15 as the switch stamped it: the date the transaction carries.';
COMMENT ON COLUMN auth.cycle IS 'The business day it is settled with: business_date while that day was not closed at commit, else the earliest later day that was open.';
COMMENT ON COLUMN auth.exception IS 'Named matter for the back office: the row was acknowledged and posted as the rules say, but someone should look.';
COMMENT ON COLUMN auth.why IS 'UTF-8 JSON of the facts behind the decision: convert_from(why, ''UTF8'')::jsonb.';
COMMENT ON COLUMN auth.lane_instance IS 'host epoch << 8 | lane: the hash chain this row is in; with batch_seq the link, with batch_pos the place in it. 0 for openings, which no lane makes and no chain holds.';

CREATE TYPE hold_state AS ENUM ('open', 'completed', 'released');

CREATE TABLE hold (
    bucket        smallint   NOT NULL,
    auth_id       bigint     NOT NULL,
    account_id    bigint     NOT NULL,
    card_id       bigint     NOT NULL,
    idem_date     date       NOT NULL,
    idem          bytea      NOT NULL,
    amount_minor  bigint     NOT NULL,
    currency      smallint   NOT NULL,
    rrn           text,
    approval_code text       NOT NULL,
    lifecycle     text       NOT NULL,
    state         hold_state NOT NULL,
    expires_on    date       NOT NULL,
    PRIMARY KEY (bucket, auth_id)
);
CREATE INDEX hold_open_by_account ON hold (bucket, account_id) WHERE state = 'open';
COMMENT ON TABLE hold IS 'What a pre-authorization keeps of an account. auth_id and idem are the pre-authorization''s. Open holds sum up to account_state.held_minor.';
COMMENT ON COLUMN hold.amount_minor IS 'Still held while open; a partial reversal lowers it.';

CREATE TABLE ledger (
    bucket        smallint NOT NULL,
    auth_id       bigint   NOT NULL,
    leg           smallint NOT NULL,
    account_kind  text     NOT NULL,
    account_ref   text     NOT NULL,
    amount_minor  bigint   NOT NULL,
    currency      smallint NOT NULL,
    business_date date     NOT NULL,
    cycle         date     NOT NULL,
    PRIMARY KEY (bucket, auth_id, leg)
);
COMMENT ON TABLE ledger IS 'Append-only legs; they sum to zero per auth_id and currency. Kinds: cardholder (account_id), merchant (DE42), unpresented (acquirer whose presentment is awaited), position (acquirer), network (issuer destination that owes us for its card at our merchant), suspense (acquirer, for advices whose card is unknown), funding (where opening balances come from).';
COMMENT ON COLUMN ledger.amount_minor IS 'Signed, credit positive: a purchase takes from the cardholder (-) and gives to the merchant (+).';
COMMENT ON COLUMN ledger.leg IS 'From 1 within auth_id.';

CREATE TYPE day_state AS ENUM ('open', 'closing', 'closed');
CREATE TABLE business_day (
    date       date        PRIMARY KEY,
    state      day_state   NOT NULL,
    opened_at  timestamptz NOT NULL DEFAULT now(),
    cut_over_at timestamptz,
    closed_at  timestamptz
);
COMMENT ON TABLE business_day IS 'Reference table. open: traffic is stamped with it; closing: cut over, stragglers of that date are still taken; closed: stragglers go to the earliest later open day. Every batch holds advisory lock 5857001 shared while it reads this table and commits; closing takes it exclusively for the one change of state.';

CREATE TABLE chain (
    bucket        smallint    NOT NULL,
    lane_instance integer     NOT NULL,
    batch_seq     bigint      NOT NULL,
    rows          integer     NOT NULL,
    previous      bytea       NOT NULL,
    hash          bytea       NOT NULL,
    committed_at  timestamptz NOT NULL,
    PRIMARY KEY (bucket, lane_instance, batch_seq)
);
COMMENT ON TABLE chain IS 'One hash chain per lane instance, one link per batch: hash = SHA-256(previous || row hash of each row in batch_pos order); previous of batch_seq 1 is 32 zero bytes; row hash = auth_row_hash(row). bucket is the lane''s number.';

CREATE TABLE chain_anchor (
    bucket        smallint    NOT NULL,
    lane_instance integer     NOT NULL,
    batch_seq     bigint      NOT NULL,
    hash          bytea       NOT NULL,
    mac           bytea       NOT NULL,
    anchored_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (bucket, lane_instance, batch_seq)
);
COMMENT ON TABLE chain_anchor IS 'Heads of chains under the HSM''s audit key: mac over lane_instance (4 bytes), batch_seq (8 bytes), both big-endian, then hash.';

CREATE FUNCTION auth_row_hash(a auth) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(convert_to(concat_ws('|',
        a.bucket, a.idem_date, encode(a.idem, 'hex'), a.auth_id, a.kind, a.role, encode(a.digest, 'hex'),
        coalesce(a.account_id::text, '-'), coalesce(a.account_seq::text, '-'), a.response_code, coalesce(a.approval_code, '-'),
        a.requested_minor, a.approved_minor, a.currency, a.link, coalesce(a.merchant, '-'), coalesce(a.terminal, '-'),
        coalesce(a.rrn, '-'), a.lifecycle, a.business_date, a.cycle, coalesce(encode(a.original_idem, 'hex'), '-')), 'UTF8'))
$$;
COMMENT ON FUNCTION auth_row_hash(auth) IS 'The row hash as the chain has it; the host computes the same text before it writes.';
