-- Exceptions are a work list: one row for each matter that a person has to look at, wherever it was found, and the people who may
-- decide it.

ALTER TYPE account_kind ADD VALUE 'exceptions';

CREATE TABLE operator (
    name     text    PRIMARY KEY,
    unix_uid bigint  NOT NULL,
    active   boolean NOT NULL
);
CREATE UNIQUE INDEX operator_uid ON operator (unix_uid) WHERE active;
COMMENT ON TABLE operator IS 'People who may decide exceptions. Rows are never deleted: who decided something stays known.';
COMMENT ON COLUMN operator.unix_uid IS 'The user of the machine that this person runs the command line as. Two active operators never share one.';

CREATE SEQUENCE exception_number;

CREATE TABLE exception_item (
    item          bigint      PRIMARY KEY DEFAULT nextval('exception_number'),
    source        text        NOT NULL,
    reference     text        NOT NULL,
    kind          text        NOT NULL,
    opened_at     timestamptz NOT NULL,
    business_date date,
    amount_minor  bigint,
    currency      smallint,
    acquirer      text,
    merchant      text,
    terminal      text,
    rrn           text,
    role          text,
    bucket        smallint,
    auth_id       bigint,
    state         text        NOT NULL DEFAULT 'open',
    act           text,
    reason        text,
    proposed_by   text,
    proposed_uid  bigint,
    proposed_at   timestamptz,
    approved_by   text,
    approved_uid  bigint,
    approved_at   timestamptz,
    posting_cycle date,
    changed_at    timestamptz NOT NULL,
    UNIQUE (source, reference),
    CONSTRAINT source_is_known CHECK (source IN ('host', 'switch', 'backoffice')),
    CONSTRAINT state_is_known CHECK (state IN ('open', 'proposed', 'resolved')),
    CONSTRAINT an_act_has_an_author CHECK ((state = 'open') = (act IS NULL) AND (act IS NULL) = (proposed_uid IS NULL)),
    CONSTRAINT two_people_differ CHECK (approved_uid IS NULL OR approved_uid <> proposed_uid AND approved_by <> proposed_by)
);
CREATE INDEX exception_item_unresolved ON exception_item (item) WHERE state <> 'resolved';
COMMENT ON TABLE exception_item IS 'Matters for a person, each once. Filled by following the journal, the presentments and the switch''s dead letters whenever the list is asked for. Every change is in recorded_change.';
COMMENT ON COLUMN exception_item.source IS 'Who found it: host (auth.exception), backoffice (a presentment that was not posted), switch (a dead letter).';
COMMENT ON COLUMN exception_item.reference IS 'What it is about. host: bucket/auth_id; backoffice: file_id/record; switch: id of the message, originator''s key.';
COMMENT ON COLUMN exception_item.kind IS 'host: auth.exception; backoffice: presentment.outcome; switch: why the message was given up.';
COMMENT ON COLUMN exception_item.opened_at IS 'When it happened, not when it was listed.';
COMMENT ON COLUMN exception_item.amount_minor IS 'Amount at risk: what was approved, or asked for where nothing was; or presented. A sale is positive, a refund negative. Null where it is not known.';
COMMENT ON COLUMN exception_item.bucket IS 'With auth_id: the journal row that it is about, or that the presentment was compared with.';
COMMENT ON COLUMN exception_item.state IS 'open; proposed: one person has decided on an act that moves money, another has to approve it; resolved.';
COMMENT ON COLUMN exception_item.proposed_by IS 'The operator who decided; approved_by is the second one, of an act that moves money. Both as they were called then.';
COMMENT ON COLUMN exception_item.posting_cycle IS 'Cycle of the posting exception/<item>/<act> in settlement_posting, of an act that moves money.';

CREATE TABLE exception_position (
    lane_instance integer PRIMARY KEY,
    batch_seq     bigint  NOT NULL
);
COMMENT ON TABLE exception_position IS 'The last batch of each journal instance whose exceptions are in exception_item.';

-- presentments that were not posted are found without those that were
CREATE INDEX presentment_unposted ON presentment (file_id, record) WHERE posted_minor = 0;
-- what was paid by hand is not paid again when it is presented
CREATE INDEX exception_item_paid ON exception_item (bucket, auth_id) WHERE act = 'pay';

GRANT SELECT, INSERT, UPDATE (unix_uid, active) ON operator TO switchyard_backoffice;
GRANT SELECT, INSERT, UPDATE (state, act, reason, proposed_by, proposed_uid, proposed_at, approved_by, approved_uid, approved_at,
    posting_cycle, changed_at) ON exception_item TO switchyard_backoffice;
GRANT USAGE ON SEQUENCE exception_number TO switchyard_backoffice;
GRANT SELECT, INSERT, UPDATE (batch_seq) ON exception_position TO switchyard_backoffice;
-- to follow the lanes' chains
