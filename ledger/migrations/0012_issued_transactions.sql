-- What foreign acquirers may present, by the names that a presentment gives it: matching a file reads a few rows by index, not
-- the journal.

CREATE TABLE issued_transaction (
    bucket        smallint NOT NULL,
    auth_id       bigint   NOT NULL,
    idem_date     date     NOT NULL,
    idem          bytea    NOT NULL,
    acquirer      text     NOT NULL,
    lifecycle     text     NOT NULL,
    rrn           text,
    approval_code text,
    merchant      text,
    PRIMARY KEY (bucket, auth_id)
);
CREATE INDEX issued_transaction_lifecycle ON issued_transaction (acquirer, lifecycle);
CREATE INDEX issued_transaction_rrn ON issued_transaction (acquirer, rrn, approval_code);
CREATE INDEX issued_transaction_approval ON issued_transaction (acquirer, approval_code, merchant);
CREATE INDEX issued_transaction_idem ON issued_transaction (idem);
COMMENT ON TABLE issued_transaction IS 'Names of the approved transactions of our cards at foreign acquirers: captures, refunds and authorizations. Follows the journal up to issued_transaction_position; what it says is there. Written by the back office before it reads a clearing file; no lane writes it.';

CREATE TABLE issued_transaction_position (
    lane_instance integer PRIMARY KEY,
    batch_seq     bigint  NOT NULL
);
COMMENT ON TABLE issued_transaction_position IS 'The last batch of each journal instance that is in issued_transaction.';

-- the same reference is posted once
CREATE INDEX presentment_by_reference ON presentment (acquirer, reference) WHERE posted_minor <> 0;
COMMENT ON TABLE presentment IS 'What foreign acquirers presented to us, and what became of it. What is not posted is an exception for the back office.';
COMMENT ON COLUMN presentment.outcome IS 'Posted: matched (captured before), captured (the file captured an authorization), forced (nothing was known of it), credited (a refund that only the file knew), withdrawn (it took an earlier presentment back). Not posted: amount-differs, card-differs, reversed, duplicate, not-presented, not-postable. Before this version no-authorization was said of what was not captured.';
COMMENT ON COLUMN presentment.currency IS 'ISO 4217 number of presented_minor and standing_minor.';
COMMENT ON COLUMN presentment.posted_minor IS 'Moved from unpresented to the acquirer''s position, in posted_currency; 0 for an exception.';
ALTER TABLE presentment ADD COLUMN posted_currency smallint;
COMMENT ON COLUMN presentment.posted_currency IS 'ISO 4217 number of posted_minor and of the charges: that of the account. Null: as currency.';

GRANT SELECT, INSERT ON issued_transaction TO switchyard_backoffice;
GRANT SELECT, INSERT, UPDATE (batch_seq) ON issued_transaction_position TO switchyard_backoffice;
GRANT SELECT ON journal_instance TO switchyard_backoffice;
