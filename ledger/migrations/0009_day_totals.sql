-- Sums of the day, for reconciliation: asking for totals reads a few rows, not a day of the journal.

CREATE TABLE day_total (
    business_date   date     NOT NULL,
    originator_kind text     NOT NULL,
    originator      text     NOT NULL,
    currency        smallint NOT NULL,
    kind            text     NOT NULL,
    cycle           date     NOT NULL,
    items           bigint   NOT NULL,
    amount_minor    bigint   NOT NULL,
    PRIMARY KEY (business_date, originator_kind, originator, currency, kind, cycle),
    CONSTRAINT originator_kind_is_known CHECK (originator_kind IN ('terminal', 'acquirer')),
    CONSTRAINT kind_is_known CHECK (kind IN ('debit', 'debit-reversal', 'credit', 'credit-reversal', 'authorization'))
) WITH (fillfactor = 70);
COMMENT ON TABLE day_total IS 'What an originator sent on a business date, as the journal has it up to day_total_position. Added up from committed batches now and then, and before anybody is told totals; no lane writes it. An auditor recomputes it.';
COMMENT ON COLUMN day_total.originator IS 'terminal: a terminal of ours (DE41); acquirer: a foreign acquirer''s id, everything it sent for our cards.';
COMMENT ON COLUMN day_total.currency IS 'Of the messages (DE49); so is amount_minor.';
COMMENT ON COLUMN day_total.cycle IS 'As in auth: stragglers of a date are settled later, and are added up with it.';

CREATE TABLE day_total_position (
    lane_instance integer PRIMARY KEY,
    batch_seq     bigint  NOT NULL
);
COMMENT ON TABLE day_total_position IS 'The last batch of each journal instance that is in day_total.';

GRANT SELECT, INSERT, UPDATE (items, amount_minor) ON day_total TO switchyard_host;
GRANT SELECT, INSERT, UPDATE (batch_seq) ON day_total_position TO switchyard_host;
