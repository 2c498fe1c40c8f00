-- Unique names of accounts, cards and tokens, by which whoever is not a message addresses them. A note is for people and may
-- be anything.

CREATE TABLE reference (
    bucket      smallint NOT NULL,
    kind        text     NOT NULL,
    reference   text     NOT NULL,
    home_bucket smallint NOT NULL,
    account_id  bigint   NOT NULL,
    id          bigint   NOT NULL,
    PRIMARY KEY (bucket, kind, reference),
    CONSTRAINT kind_is_known CHECK (kind IN ('account', 'card', 'token'))
);
COMMENT ON TABLE reference IS 'Where the account, card or token of a reference lives: bucket here is a function of the reference (first byte of its SHA-256 modulo 64), so that the key makes it unique everywhere; home_bucket is the account''s.';
COMMENT ON COLUMN reference.id IS 'account_id, card_id or token_id, by kind.';
COMMENT ON COLUMN card.note IS 'What the card is for in words, for people; nothing is found by it.';

-- what was there before is called by its number
INSERT INTO reference (bucket, kind, reference, home_bucket, account_id, id)
    SELECT get_byte(sha256(convert_to(name, 'UTF8')), 0) % 64, kind, name, bucket, account_id, id FROM (
        SELECT 'account' AS kind, 'account-' || account_id AS name, bucket, account_id, account_id AS id FROM account_state
        UNION ALL SELECT 'card', 'card-' || card_id, bucket, account_id, card_id FROM card
        UNION ALL SELECT 'token', 'token-' || token_id, bucket, account_id, token_id FROM token) known;
