"""The log's tables and functions in PostgreSQL, as text that a migration runs as their owner."""

from collections.abc import Sequence

# SQLSTATEs raised by the functions below, so that callers need not read prose.
BATCH_MALFORMED = "CG001"
BATCH_ID_REUSED = "CG002"
HEAD_CONFLICT = "CG003"
APPEND_ONLY = "CG004"

_TABLES = (
    "CREATE SCHEMA audit",
    # One row: the whole sequencer. Its row lock decides the order of batches.
    r"""
CREATE TABLE audit.tail (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    size bigint NOT NULL CHECK (size >= 0),
    frontier bytea NOT NULL,
    root bytea NOT NULL CHECK (octet_length(root) = 32)
)""",
    "INSERT INTO audit.tail (size, frontier, root) VALUES (0, ''::bytea, sha256(''::bytea))",
    """
CREATE TABLE audit.batch (
    batch_id uuid PRIMARY KEY,
    first_index bigint NOT NULL UNIQUE CHECK (first_index >= 0),
    entry_count integer NOT NULL CHECK (entry_count > 0),
    bundle bytea NOT NULL,
    leaf_hashes bytea NOT NULL CHECK (octet_length(leaf_hashes) = 32 * entry_count),
    root bytea NOT NULL CHECK (octet_length(root) = 32),
    size_after bigint NOT NULL CHECK (size_after = first_index + entry_count),
    committed_at timestamptz NOT NULL DEFAULT clock_timestamp()
)""",
    # Hashes do not compress; trying costs time while the sequencer's row is locked.
    "ALTER TABLE audit.batch ALTER COLUMN leaf_hashes SET STORAGE EXTERNAL",
    # The frontier lets a restarted publisher go on without reading the whole log: it is
    # trusted only because it folds to the root that was signed.
    """
CREATE TABLE audit.signed_head (
    size bigint PRIMARY KEY CHECK (size > 0),
    root bytea NOT NULL CHECK (octet_length(root) = 32),
    note text NOT NULL,
    frontier bytea NOT NULL,
    signed_at timestamptz NOT NULL
)""",
)

# A duplicate is looked for under the row lock: a first attempt whose connection was lost may
# still be committing, and without the lock it would not be visible yet.
_APPEND_BATCH = r"""
CREATE FUNCTION audit.append_batch(p_batch_id uuid, p_leaf_hashes bytea, p_bundle bytea)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    entry_count integer := octet_length(p_leaf_hashes) / 32;
    total integer := octet_length(p_bundle);
    at integer := 0;
    length integer;
    first bigint;
    new_size bigint;
    folded bytea;
    known_hashes bytea;
    stack bytea[] := '{}';
    depth integer := 0;
    carry bigint;
    node bytea;
BEGIN
    -- Before the lock: every leaf hash must be that of its entry, or the publisher would
    -- have to stop for good at a batch that nobody can remove.
    IF entry_count = 0 OR octet_length(p_leaf_hashes) <> 32 * entry_count THEN
        RAISE EXCEPTION USING ERRCODE = 'CG001', MESSAGE = 'not a list of hashes';
    END IF;
    FOR i IN 0 .. entry_count - 1 LOOP
        IF at + 2 > total THEN
            RAISE EXCEPTION USING ERRCODE = 'CG001', MESSAGE = 'bundle too short';
        END IF;
        length := get_byte(p_bundle, at) * 256 + get_byte(p_bundle, at + 1);
        IF at + 2 + length > total OR sha256('\x00'::bytea || substr(p_bundle, at + 3, length))
                <> substr(p_leaf_hashes, i * 32 + 1, 32) THEN
            RAISE EXCEPTION USING ERRCODE = 'CG001',
                MESSAGE = 'a leaf hash is not that of its entry';
        END IF;
        at := at + 2 + length;
    END LOOP;
    IF at <> total THEN
        RAISE EXCEPTION USING ERRCODE = 'CG001', MESSAGE = 'bundle too long';
    END IF;

    -- An acknowledged entry must be on disk (and on the standby where one is configured),
    -- whatever the session was set to. Local to the transaction.
    IF current_setting('synchronous_commit') IN ('off', 'local', 'remote_write') THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;

    SELECT t.size, t.frontier INTO STRICT new_size, folded FROM audit.tail t FOR UPDATE;
    SELECT b.first_index, b.leaf_hashes INTO first, known_hashes
        FROM audit.batch b WHERE b.batch_id = p_batch_id;
    IF FOUND THEN
        IF known_hashes <> p_leaf_hashes THEN
            RAISE EXCEPTION USING ERRCODE = 'CG002',
                MESSAGE = 'the batch id was used for other entries';
        END IF;
        RETURN first;
    END IF;

    -- audit.merkle.Frontier.extend, in SQL.
    first := new_size;
    FOR i IN 1 .. octet_length(folded) / 32 LOOP
        depth := depth + 1;
        stack[depth] := substr(folded, i * 32 - 31, 32);
    END LOOP;
    FOR i IN 1 .. entry_count LOOP
        node := substr(p_leaf_hashes, i * 32 - 31, 32);
        carry := new_size;
        WHILE carry & 1 = 1 LOOP
            node := sha256('\x01'::bytea || stack[depth] || node);
            depth := depth - 1;
            carry := carry >> 1;
        END LOOP;
        depth := depth + 1;
        stack[depth] := node;
        new_size := new_size + 1;
    END LOOP;
    folded := '';
    FOR i IN 1 .. depth LOOP
        folded := folded || stack[i];
    END LOOP;
    node := stack[depth];
    WHILE depth > 1 LOOP
        depth := depth - 1;
        node := sha256('\x01'::bytea || stack[depth] || node);
    END LOOP;

    INSERT INTO audit.batch
        (batch_id, first_index, entry_count, bundle, leaf_hashes, root, size_after)
        VALUES (p_batch_id, first, entry_count, p_bundle, p_leaf_hashes, node, new_size);
    UPDATE audit.tail SET size = new_size, frontier = folded, root = node;
    RETURN first;
END
$body$"""

_FIND_BATCH = """
CREATE FUNCTION audit.find_batch(p_batch_id uuid) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $body$
    SELECT b.first_index FROM audit.batch b WHERE b.batch_id = p_batch_id
$body$"""

# True: recorded now. False: the same head stood there already. Anything else is refused.
_SIGN_HEAD = """
CREATE FUNCTION audit.sign_head(
    p_size bigint, p_root bytea, p_note text, p_frontier bytea, p_signed_at timestamptz
)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    newest record;
    batch record;
BEGIN
    IF current_setting('synchronous_commit') IN ('off', 'local', 'remote_write') THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    -- Two signers must not both see the same newest head. Readers are not held up.
    LOCK TABLE audit.signed_head IN SHARE ROW EXCLUSIVE MODE;
    SELECT h.size, h.root INTO newest FROM audit.signed_head h ORDER BY h.size DESC LIMIT 1;
    IF FOUND THEN
        IF newest.size > p_size THEN
            RAISE EXCEPTION USING ERRCODE = 'CG003',
                MESSAGE = 'a larger head is signed already';
        END IF;
        IF newest.size = p_size THEN
            IF newest.root <> p_root THEN
                RAISE EXCEPTION USING ERRCODE = 'CG003',
                    MESSAGE = 'another root is signed for this size';
            END IF;
            RETURN false;
        END IF;
    END IF;
    SELECT b.size_after, b.root INTO batch FROM audit.batch b
        WHERE b.first_index < p_size ORDER BY b.first_index DESC LIMIT 1;
    IF NOT FOUND OR batch.size_after <> p_size OR batch.root <> p_root THEN
        RAISE EXCEPTION USING ERRCODE = 'CG003',
            MESSAGE = 'the head is not that of a stored batch';
    END IF;
    INSERT INTO audit.signed_head (size, root, note, frontier, signed_at)
        VALUES (p_size, p_root, p_note, p_frontier, p_signed_at);
    RETURN true;
END
$body$"""

# A tripwire against accidents and careless hands, the owner's too. An owner who drops the
# trigger is found by the verifier, not by PostgreSQL.
_REFUSE = """
CREATE FUNCTION audit.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $body$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'CG004', MESSAGE = 'the audit log is append-only';
END
$body$"""


def _tripwire(table: str, events: str) -> str:
    return (
        f"CREATE TRIGGER append_only BEFORE {events} ON audit.{table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change()"
    )


_REVOKES = (
    "REVOKE ALL ON SCHEMA audit FROM PUBLIC",
    "REVOKE ALL ON ALL TABLES IN SCHEMA audit FROM PUBLIC",
    "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA audit FROM PUBLIC",
)

# Compressing each batch takes a third of an append's time (measured), and hashes do not shrink.
_UNCOMPRESSED = (
    "ALTER TABLE audit.batch ALTER COLUMN bundle SET STORAGE EXTERNAL,"
    " ALTER COLUMN leaf_hashes SET STORAGE EXTERNAL"
)

SCHEMA: tuple[str, ...] = (
    *_TABLES,
    _UNCOMPRESSED,
    _APPEND_BATCH,
    _FIND_BATCH,
    _SIGN_HEAD,
    _REFUSE,
    _tripwire("batch", "UPDATE OR DELETE OR TRUNCATE"),
    _tripwire("signed_head", "UPDATE OR DELETE OR TRUNCATE"),
    _tripwire("tail", "DELETE OR TRUNCATE"),
    *_REVOKES,
)


def grants(
    *, appenders: Sequence[str], readers: Sequence[str], signers: Sequence[str]
) -> list[str]:
    """The statements that give each role what its part needs, and PUBLIC nothing.

    Args:
        appenders: may append batches and look up their own batch ids; see no table.
        readers: may read batches and heads.
        signers: may read, and record signed heads.

    Raises:
        ValueError: a role name is empty or holds a NUL.
    """
    append = "audit.append_batch(uuid, bytea, bytea), audit.find_batch(uuid)"
    sign = "audit.sign_head(bigint, bytea, text, bytea, timestamptz)"
    rights = (
        ("USAGE ON SCHEMA audit", (*appenders, *readers, *signers)),
        (f"EXECUTE ON FUNCTION {append}", appenders),
        ("SELECT ON audit.tail, audit.batch, audit.signed_head", (*readers, *signers)),
        (f"EXECUTE ON FUNCTION {sign}", signers),
    )
    return [
        *_REVOKES,
        *(f"GRANT {right} TO {_quoted(role)}" for right, roles in rights for role in roles),
    ]


def _quoted(role: str) -> str:
    if not role or "\x00" in role:
        raise ValueError("a role name is empty or holds a NUL")
    return '"' + role.replace('"', '""') + '"'
