-- Reference tables: small, the same everywhere.

CREATE TABLE merchant (
    merchant_id text     PRIMARY KEY,
    name        text     NOT NULL,
    mcc         smallint NOT NULL,
    city        text     NOT NULL,
    country     char(3)  NOT NULL,
    iban        text     NOT NULL,
    CONSTRAINT merchant_id_is_de42 CHECK (length(merchant_id) = 15)
);
COMMENT ON TABLE merchant IS 'Merchants of ours (DE42). A transaction on a link of ours with another merchant is declined 03.';
COMMENT ON COLUMN merchant.country IS 'ISO 3166 numeric.';
COMMENT ON COLUMN merchant.iban IS 'Where the payout goes.';

CREATE TABLE terminal (
    terminal_id text PRIMARY KEY,
    merchant_id text NOT NULL REFERENCES merchant,
    CONSTRAINT terminal_id_is_de41 CHECK (length(terminal_id) = 8)
);
COMMENT ON TABLE terminal IS 'Terminals of our merchants (DE41).';
