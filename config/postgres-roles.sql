-- The roles of an installation, made once by a superuser before `authhost migrate`:
--     psql -f config/postgres-roles.sql postgres && createdb --owner switchyard_owner switchyard
-- What each may do is granted by the migrations. The roles that log in may have any names; here each is named for its program,
-- which is the user that runs it, so that `peer` authentication on the Unix socket needs no password.

-- the owner of the tables: used by `authhost migrate` alone
CREATE ROLE switchyard_owner LOGIN;

CREATE ROLE switchyard_host NOLOGIN;
CREATE ROLE switchyard_issuing NOLOGIN;
CREATE ROLE switchyard_backoffice NOLOGIN;
CREATE ROLE switchyard_auditor NOLOGIN;

CREATE ROLE authhost LOGIN IN ROLE switchyard_host;
CREATE ROLE issuing LOGIN IN ROLE switchyard_issuing;
CREATE ROLE backoffice LOGIN IN ROLE switchyard_backoffice;
CREATE ROLE auditor LOGIN IN ROLE switchyard_auditor;
