-- What the files of a batch show is in the rows of the batch, and its movements are read by their cycle.

-- the ledger's legs are of no use to find a cycle by
GRANT SELECT ON posting TO switchyard_backoffice;
COMMENT ON COLUMN settlement_line.whole IS 'A reversal after which nothing stands of what it reverses; true for a sale or refund.';

-- Batches of before are of form 1: their files are rendered with what is configured, as they always were, and what is recorded of
-- them does not cover the columns and tables that form 2 has more.
ALTER TABLE settlement_batch ADD COLUMN form smallint NOT NULL DEFAULT 1, ADD COLUMN acquirer_id text, ADD COLUMN dialect text,
    ADD COLUMN processing text, ADD COLUMN payer_name text, ADD COLUMN payer_iban text, ADD COLUMN payer_bic text;
ALTER TABLE settlement_batch ALTER COLUMN form DROP DEFAULT;
ALTER TABLE settlement_batch ADD CONSTRAINT form_is_known CHECK (form IN (1, 2)),
    ADD CONSTRAINT form_2_has_its_sender CHECK (form = 1 OR num_nulls(acquirer_id, dialect, processing, payer_name, payer_iban, payer_bic) = 0);
COMMENT ON COLUMN settlement_batch.form IS '1: written before the sender was; 2: the rows of the batch have everything that its files show.';
COMMENT ON COLUMN settlement_batch.acquirer_id IS 'Our acquirer id in the clearing files of the batch.';
COMMENT ON COLUMN settlement_batch.dialect IS 'Name of the dialect of its clearing files.';
COMMENT ON COLUMN settlement_batch.processing IS 'PDS 0122 of its clearing files: production or test.';
COMMENT ON COLUMN settlement_batch.payer_name IS 'With payer_iban and payer_bic, the bank account from which its payouts are made.';

ALTER TABLE settlement_line ADD COLUMN pan_masked text;
COMMENT ON COLUMN settlement_line.pan_masked IS 'As the merchant''s file shows the card; null in batches of form 1.';

ALTER TABLE settlement_merchant ADD COLUMN city text, ADD COLUMN country char(3);
COMMENT ON COLUMN settlement_merchant.city IS 'With country (ISO 3166 numeric), where the merchant was when the cycle was closed; null if it was none of ours. In batches of form 1 where it was when they were migrated.';
UPDATE settlement_merchant s SET city = m.city, country = m.country FROM merchant m WHERE m.merchant_id = s.merchant;

ALTER TABLE outgoing_presentment ADD COLUMN taken_back_on date;
COMMENT ON COLUMN outgoing_presentment.taken_back_on IS 'The date of the file that had the presentment which this one takes back; null in batches of form 1.';

CREATE TABLE outgoing_file (
    file_id     text     PRIMARY KEY,
    batch_id    text     NOT NULL REFERENCES settlement_batch,
    institution text     NOT NULL,
    name        text     NOT NULL UNIQUE,
    records     integer  NOT NULL
);
CREATE INDEX outgoing_file_by_batch ON outgoing_file (batch_id);
COMMENT ON TABLE outgoing_file IS 'The clearing files of a batch, empty ones too, written with it. The number that ends a file''s id is the next one of our files of that date.';
COMMENT ON COLUMN outgoing_file.records IS 'Header and trailer included.';
INSERT INTO outgoing_file (file_id, batch_id, institution, name, records)
    SELECT f.file_id, b.batch_id, f.institution, f.name, f.records FROM clearing_file f JOIN settlement_batch b ON b.cycle = f.cycle
    WHERE NOT f.incoming;

CREATE TABLE settlement_presentment (
    batch_id text   NOT NULL REFERENCES settlement_batch,
    outcome  text   NOT NULL,
    items    bigint NOT NULL,
    minor    bigint NOT NULL,
    PRIMARY KEY (batch_id, outcome)
);
COMMENT ON TABLE settlement_presentment IS 'How many presentments of the cycle had which outcome when it was closed. Somebody may resolve one later.';
INSERT INTO settlement_presentment (batch_id, outcome, items, minor)
    SELECT b.batch_id, p.outcome, count(*), sum(p.presented_minor)::int8 FROM presentment p JOIN settlement_batch b ON b.cycle = p.cycle
    GROUP BY 1, 2;

GRANT SELECT, INSERT ON outgoing_file, settlement_presentment TO switchyard_backoffice;
