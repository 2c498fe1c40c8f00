-- Chip data of foreign cards at our merchants: it comes with the switch's advice and goes out again with the presentment.

CREATE TABLE acquired_chip (
    bucket smallint NOT NULL,
    idem   bytea    NOT NULL,
    icc    bytea    NOT NULL,
    PRIMARY KEY (bucket, idem)
);
COMMENT ON TABLE acquired_chip IS 'DE 55 of an acquired transaction, only the tags that clearing takes: none that repeats the PAN or the track. Keyed as the journal row it belongs to.';
