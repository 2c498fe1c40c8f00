-- What a batch shows is in its rows, and its movements are read by their cycle.

-- the ledger's legs are of no use to find a cycle by
GRANT SELECT ON posting TO switchyard_backoffice;
COMMENT ON COLUMN settlement_line.whole IS 'A reversal after which nothing stands of what it reverses; true for a sale or refund.';
