-- Clearing files, presentments, settlement batches and what they post. Written by the back office, never on the hot path.

CREATE TABLE clearing_file (
    file_id        text        PRIMARY KEY,
    incoming       boolean     NOT NULL,
    institution    text        NOT NULL,
    name           text        NOT NULL,
    sha256         bytea       NOT NULL UNIQUE,
    records        integer     NOT NULL,
    checksum_minor bigint      NOT NULL,
    cycle          date        NOT NULL,
    recorded_at    timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE clearing_file IS 'Every clearing file that was read or written, once.';
COMMENT ON COLUMN clearing_file.file_id IS 'PDS 0105: kind, date, sender, sequence. A second file of the same id, or with the same content, is refused.';
COMMENT ON COLUMN clearing_file.institution IS 'Sender of an incoming, receiver of an outgoing file.';
COMMENT ON COLUMN clearing_file.checksum_minor IS 'PDS 0301: sum of DE 4 over all records, whatever their sign.';

CREATE TABLE presentment (
    file_id              text     NOT NULL REFERENCES clearing_file,
    record               integer  NOT NULL,
    outcome              text     NOT NULL,
    acquirer             text     NOT NULL,
    lifecycle            text,
    reference            text     NOT NULL,
    rrn                  text,
    terminal             text,
    merchant             text     NOT NULL,
    approval_code        text,
    pan_masked           text     NOT NULL,
    takes_back           boolean  NOT NULL,
    presented_minor      bigint   NOT NULL,
    currency             smallint NOT NULL,
    auth_bucket          smallint,
    auth_id              bigint,
    standing_minor       bigint,
    posted_minor         bigint   NOT NULL,
    interchange_minor    bigint   NOT NULL,
    interchange_rate_id  text,
    scheme_fee_minor     bigint   NOT NULL,
    scheme_fee_rate_id   text,
    cycle                date     NOT NULL,
    PRIMARY KEY (file_id, record)
);
CREATE INDEX presentment_by_auth ON presentment (auth_bucket, auth_id) WHERE posted_minor <> 0;
CREATE INDEX presentment_by_cycle ON presentment (cycle);
COMMENT ON TABLE presentment IS 'What foreign acquirers presented to us, and what became of it. Only outcome ''matched'' is posted; the others are exceptions for the back office.';
COMMENT ON COLUMN presentment.presented_minor IS 'Signed: a sale positive, a refund negative; takes_back says that an earlier presentment is withdrawn.';
COMMENT ON COLUMN presentment.standing_minor IS 'What stood of the authorization found: captured less reversed, signed.';
COMMENT ON COLUMN presentment.posted_minor IS 'Moved from unpresented to the acquirer''s position; 0 for an exception.';
COMMENT ON COLUMN presentment.interchange_minor IS 'Owed to us by the acquirer on what was posted.';

CREATE TABLE settlement_batch (
    batch_id        text        PRIMARY KEY,
    cycle           date        NOT NULL,
    currency        smallint    NOT NULL,
    closed_at       timestamptz NOT NULL,
    value_date      date        NOT NULL,
    scheme_fee_minor          bigint NOT NULL,
    on_us_interchange_minor   bigint NOT NULL,
    UNIQUE (cycle, currency)
);
COMMENT ON TABLE settlement_batch IS 'One batch per cycle and currency. The row is written in one transaction with its lines, balances, positions and postings: it exists whole or not at all, and never changes.';
COMMENT ON COLUMN settlement_batch.closed_at IS 'business_day.closed_at, so that files made again bear the same time.';

CREATE TABLE settlement_line (
    bucket              smallint NOT NULL,
    auth_id             bigint   NOT NULL,
    batch_id            text     NOT NULL REFERENCES settlement_batch,
    merchant            text     NOT NULL,
    movement            text     NOT NULL,
    of_refund           boolean  NOT NULL,
    whole               boolean  NOT NULL,
    gross_minor         bigint   NOT NULL,
    fee_minor           bigint   NOT NULL,
    rate_id             text     NOT NULL,
    interchange_minor   bigint   NOT NULL,
    interchange_rate_id text     NOT NULL,
    scheme_fee_minor    bigint   NOT NULL,
    scheme_fee_rate_id  text     NOT NULL,
    PRIMARY KEY (bucket, auth_id)
);
CREATE INDEX settlement_line_by_batch ON settlement_line (batch_id);
COMMENT ON TABLE settlement_line IS 'One line per captured movement of a merchant of ours; the key says that a movement is settled once. What else a line shows is in auth, which does not change either.';
COMMENT ON COLUMN settlement_line.gross_minor IS 'The movement''s leg on the merchant''s account. net = gross_minor - fee_minor.';
COMMENT ON COLUMN settlement_line.interchange_minor IS 'The acquirer''s own affair under a blended charge: no merchant sees it.';

CREATE TABLE settlement_merchant (
    batch_id              text    NOT NULL REFERENCES settlement_batch,
    merchant              text    NOT NULL,
    name                  text    NOT NULL,
    iban                  text,
    lines                 bigint  NOT NULL,
    gross_minor           bigint  NOT NULL,
    fee_minor             bigint  NOT NULL,
    brought_forward_minor bigint  NOT NULL,
    payout_minor          bigint  NOT NULL,
    carried_forward_minor bigint  NOT NULL,
    PRIMARY KEY (batch_id, merchant),
    CONSTRAINT nothing_is_lost CHECK (gross_minor - fee_minor + brought_forward_minor = payout_minor + carried_forward_minor)
);
COMMENT ON COLUMN settlement_merchant.iban IS 'Where the payout went, as it was when the cycle was closed.';

CREATE TABLE settlement_position (
    batch_id          text   NOT NULL REFERENCES settlement_batch,
    side              text   NOT NULL,
    institution       text   NOT NULL,
    items             bigint NOT NULL,
    gross_minor       bigint NOT NULL,
    interchange_minor bigint NOT NULL,
    PRIMARY KEY (batch_id, side, institution)
);
COMMENT ON TABLE settlement_position IS 'Where we stand with each foreign institution after the cycle. It acquired: we owe it gross - interchange. It issued: it owes us that.';

CREATE TABLE outgoing_presentment (
    file_id     text     NOT NULL,
    record      integer  NOT NULL,
    batch_id    text     NOT NULL REFERENCES settlement_batch,
    institution text     NOT NULL,
    bucket      smallint NOT NULL,
    auth_id     bigint   NOT NULL,
    amount_minor bigint  NOT NULL,
    refund      boolean  NOT NULL,
    takes_back  boolean  NOT NULL,
    reference   text     NOT NULL UNIQUE,
    PRIMARY KEY (file_id, record),
    UNIQUE (bucket, auth_id)
);
COMMENT ON TABLE outgoing_presentment IS 'Captures of foreign cards at our merchants, as they left in our clearing files. auth_id is the capture''s own, or that of the reversal that takes an earlier presentment back.';

CREATE TABLE settlement_posting (
    posting       text     NOT NULL,
    leg           smallint NOT NULL,
    account_kind  text     NOT NULL,
    account_ref   text     NOT NULL,
    amount_minor  bigint   NOT NULL,
    currency      smallint NOT NULL,
    cycle         date     NOT NULL,
    PRIMARY KEY (posting, leg)
);
COMMENT ON TABLE settlement_posting IS 'Legs posted by clearing and settlement; they go on where those of `ledger` end and have the same signs. The name of a posting says what it is and makes it unique, so that nothing is posted twice. Further kinds of accounts: service-charge, interchange-paid, interchange-earned, scheme-fee-paid (ours), scheme (owed to it), payout (given to the bank).';

CREATE TABLE settlement_file (
    batch_id text   NOT NULL REFERENCES settlement_batch,
    path     text   NOT NULL,
    sha256   bytea  NOT NULL,
    bytes    bigint NOT NULL,
    PRIMARY KEY (batch_id, path)
);
COMMENT ON TABLE settlement_file IS 'Every file of a closed batch by its path below the output folder. Made again it must have the same content, or it is not written.';

CREATE VIEW ledger_leg AS
    SELECT auth_id::text AS posting, leg, account_kind, account_ref, amount_minor, currency, cycle FROM ledger
    UNION ALL
    SELECT posting, leg, account_kind, account_ref, amount_minor, currency, cycle FROM settlement_posting;
COMMENT ON VIEW ledger_leg IS 'All legs: of authorizations, and of clearing and settlement.';
