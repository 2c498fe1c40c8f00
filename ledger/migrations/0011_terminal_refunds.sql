-- What a terminal of ours gave back on a business date without naming a sale. There is a row only where that happened.

CREATE TABLE terminal_refund (
    business_date date   NOT NULL,
    terminal      text   NOT NULL,
    given_minor   bigint NOT NULL,
    PRIMARY KEY (business_date, terminal)
);
COMMENT ON TABLE terminal_refund IS 'Refunds at our merchants that named no capture, less those of them that were reversed on the same date. A lane locks the row after its accounts.';

GRANT SELECT, INSERT, UPDATE (given_minor) ON terminal_refund TO switchyard_host;
