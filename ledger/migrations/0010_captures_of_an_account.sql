-- The captures of an account, for refunds that name one. Refunds are few and captures nearly everything, so they get no index that
-- each row would pay for: a filter for every stretch of pages says which accounts are not in it, and is made when the stretch is
-- full. A search reads the filters, the pages that may have the account, and those that have no filter yet.
CREATE INDEX auth_account ON auth USING brin (account_id int8_bloom_ops (false_positive_rate = 0.001))
    WITH (pages_per_range = 32, autosummarize = on);
