-- A movement that nobody promised stays out of the merchant's payout until two people have decided it.

ALTER TABLE settlement_batch DROP CONSTRAINT form_is_known, ADD CONSTRAINT form_is_known CHECK (form IN (1, 2, 3));
COMMENT ON COLUMN settlement_batch.form IS '1: written before the sender was; 2: the rows of the batch have everything that its files show; 3: movements of certain exceptions are held.';

ALTER TABLE settlement_line ADD COLUMN held boolean NOT NULL DEFAULT false, ADD COLUMN rejected boolean NOT NULL DEFAULT false;
ALTER TABLE settlement_line ADD CONSTRAINT held_is_not_rejected CHECK (NOT (held AND rejected)),
    DROP CONSTRAINT settlement_line_pkey, ADD PRIMARY KEY (bucket, auth_id, held);
CREATE INDEX settlement_line_held ON settlement_line (bucket, auth_id) WHERE held;
COMMENT ON TABLE settlement_line IS 'One line per captured movement of a merchant of ours; a held one has a second line in the batch that pays or rejects it. The key says that a movement is held once and settled once. What else a line shows is in auth, which does not change either.';
COMMENT ON COLUMN settlement_line.held IS 'The line counts towards the issuer and the scheme, and is not in the merchant''s gross, fee and payout.';
COMMENT ON COLUMN settlement_line.rejected IS 'The line was posted away from the merchant''s account to the account exceptions, and is not paid.';
