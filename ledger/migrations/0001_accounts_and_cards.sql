-- Accounts, cards, tokens. `bucket` (0..63) is assigned when an account is opened; whatever belongs to the account lives in
-- the same bucket, and every unique key starts with it, so that the schema can be distributed by it unchanged.

CREATE SEQUENCE host_epoch;
COMMENT ON SEQUENCE host_epoch IS 'One number per start of an authorization host; the high bits of auth_id and of lane_instance.';

CREATE SEQUENCE account_number START 1001;
CREATE SEQUENCE card_number START 1;

CREATE TABLE account_state (
    bucket        smallint NOT NULL,
    account_id    bigint   NOT NULL,
    currency      smallint NOT NULL,
    ledger_minor  bigint   NOT NULL,
    held_minor    bigint   NOT NULL DEFAULT 0,
    credit_minor  bigint   NOT NULL DEFAULT 0,
    seq           bigint   NOT NULL DEFAULT 0,
    PRIMARY KEY (bucket, account_id),
    CONSTRAINT held_is_not_negative CHECK (held_minor >= 0)
) WITH (fillfactor = 50);
COMMENT ON TABLE account_state IS 'Hot row of a cardholder account. Locked FOR UPDATE, in (bucket, account_id) order, by every writer before anything else of the account.';
COMMENT ON COLUMN account_state.currency IS 'ISO 4217 numeric code of every amount of this account.';
COMMENT ON COLUMN account_state.ledger_minor IS 'Posted balance in minor units: the sum of the legs (cardholder, account_id). May be negative after a forced posting.';
COMMENT ON COLUMN account_state.held_minor IS 'Sum of the open holds. available = ledger_minor + credit_minor - held_minor.';
COMMENT ON COLUMN account_state.credit_minor IS 'Credit line in minor units; 0 for a debit account.';
COMMENT ON COLUMN account_state.seq IS 'Counts the journal rows of the account (auth.account_seq): the only order that is claimed between them.';

CREATE TYPE card_status AS ENUM ('active', 'blocked', 'lost', 'stolen', 'closed');
CREATE TYPE token_status AS ENUM ('active', 'suspended', 'deleted');

CREATE TABLE card (
    bucket          smallint    NOT NULL,
    card_id         bigint      NOT NULL,
    account_id      bigint      NOT NULL,
    pan_index       bytea       NOT NULL,
    pan_envelope    bytea       NOT NULL,
    pan_masked      text        NOT NULL,
    expiry          char(4)     NOT NULL,
    psn             smallint    NOT NULL DEFAULT 0,
    service_code    char(3)     NOT NULL,
    pvki            smallint    NOT NULL,
    pvv             char(4)     NOT NULL,
    key_set         text        NOT NULL,
    status          card_status NOT NULL,
    limit_txn_minor bigint      NOT NULL,
    limit_day_minor bigint      NOT NULL,
    note            text        NOT NULL,
    version         integer     NOT NULL DEFAULT 1,
    issued_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (bucket, card_id),
    UNIQUE (bucket, pan_index)
);
COMMENT ON TABLE card IS 'Cold row of a card of ours. pvv, key_set and the envelope may be cached under `version`; status, expiry and limits are read under the account''s lock.';
COMMENT ON COLUMN card.pan_index IS 'Keyed index of the PAN, made by the HSM; without the HSM''s key it tells nothing.';
COMMENT ON COLUMN card.pan_envelope IS 'The PAN as ciphertext that only the HSM opens, bound to its row by the associated data pan_index.';
COMMENT ON COLUMN card.expiry IS 'YYMM; the card is good to the end of that month.';
COMMENT ON COLUMN card.key_set IS 'Name of the key set in the HSM (PVK, CVK, IMK) the card was made with.';
COMMENT ON COLUMN card.note IS 'What the card is for in words; a wallet is provisioned for a card by this note.';
COMMENT ON COLUMN card.version IS 'Raised by every change of the row, so that a cached copy is known to be stale.';

CREATE TABLE card_state (
    bucket       smallint NOT NULL,
    card_id      bigint   NOT NULL,
    account_id   bigint   NOT NULL,
    day          date     NOT NULL DEFAULT '2000-01-01',
    spent_minor  bigint   NOT NULL DEFAULT 0,
    pin_tries    smallint NOT NULL DEFAULT 0,
    atc_high     integer  NOT NULL DEFAULT -1,
    atc_window   bigint   NOT NULL DEFAULT 0,
    PRIMARY KEY (bucket, card_id)
) WITH (fillfactor = 50);
COMMENT ON TABLE card_state IS 'Hot counters of a card, written under the account''s lock.';
COMMENT ON COLUMN card_state.day IS 'Business date that spent_minor belongs to; the counter rolls over when a decision sees a later date.';
COMMENT ON COLUMN card_state.pin_tries IS 'Wrong PINs in a row. At the configured number every PIN, right or wrong, is refused with 75.';
COMMENT ON COLUMN card_state.atc_high IS 'Highest application transaction counter seen in an authentic cryptogram; -1 before the first.';
COMMENT ON COLUMN card_state.atc_window IS 'Seen-set: bit i is on when the counter atc_high - i was seen (64 counters; what is older counts as seen).';

CREATE TABLE token (
    bucket       smallint     NOT NULL,
    token_id     bigint       NOT NULL,
    card_id      bigint       NOT NULL,
    account_id   bigint       NOT NULL,
    dpan_index   bytea        NOT NULL,
    dpan_masked  text         NOT NULL,
    expiry       char(4)      NOT NULL,
    psn          smallint     NOT NULL DEFAULT 0,
    key_set      text         NOT NULL,
    status       token_status NOT NULL,
    note         text         NOT NULL,
    version      integer      NOT NULL DEFAULT 1,
    provisioned_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (bucket, token_id),
    UNIQUE (bucket, dpan_index)
);
COMMENT ON TABLE token IS 'A device PAN of one of our cards. Its state blocks purchases, never reversals, completions or refunds.';

CREATE TABLE token_state (
    bucket     smallint NOT NULL,
    token_id   bigint   NOT NULL,
    atc_high   integer  NOT NULL DEFAULT -1,
    atc_window bigint   NOT NULL DEFAULT 0,
    PRIMARY KEY (bucket, token_id)
) WITH (fillfactor = 50);
COMMENT ON TABLE token_state IS 'The device''s own transaction counter, kept as in card_state. Limits are the funding card''s.';

CREATE TABLE token_vault (
    bucket        smallint NOT NULL,
    token_id      bigint   NOT NULL,
    envelope      bytea    NOT NULL,
    dpan_envelope bytea    NOT NULL,
    PRIMARY KEY (bucket, token_id)
);
COMMENT ON TABLE token_vault IS 'The funding PAN sealed by the HSM with the DPAN as associated data, so that neither can be swapped, and the DPAN''s own envelope bound by dpan_index (clearing shows the DPAN, never the funding PAN).';

CREATE TABLE pan_directory (
    bucket       smallint NOT NULL,
    pan_index    bytea    NOT NULL,
    home_bucket  smallint NOT NULL,
    card_id      bigint   NOT NULL,
    token_id     bigint,
    PRIMARY KEY (bucket, pan_index)
);
COMMENT ON TABLE pan_directory IS 'Where the card or token of a PAN index lives: bucket here is a function of the index (its first byte modulo 64), home_bucket the account''s.';

CREATE TABLE foreign_card (
    bucket       smallint NOT NULL,
    pan_index    bytea    NOT NULL,
    pan_envelope bytea    NOT NULL,
    pan_masked   text     NOT NULL,
    expiry       char(4),
    PRIMARY KEY (bucket, pan_index)
);
COMMENT ON TABLE foreign_card IS 'Cards of other issuers seen at our merchants: the outgoing presentment needs the PAN. The envelope is bound by pan_index. bucket = first byte of pan_index modulo 64.';
