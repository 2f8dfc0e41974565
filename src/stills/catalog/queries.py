"""The catalog's SQL."""

# Until the transaction ends, others wait that lock the same name.
LOCK = "SELECT lock_until_commit(:name)"

_WITH_RENDITION = """
SELECT g.*, r.sha256 AS rendition_sha256, r.byte_count AS rendition_byte_count,
       r.object_path AS rendition_object_path
FROM generations AS g
LEFT JOIN renditions AS r
       ON r.generation_id = g.id AND r.width = :width AND r.height = :height
"""

FIND = f"""{_WITH_RENDITION}
WHERE g.stage = 'kept' AND (g.key = :key OR g.seeded_key = :key)
ORDER BY g.sequence DESC
LIMIT 1
"""

# Only asked after FIND has found nothing.
LAST_DELETED = """
SELECT max(deleted_at) AS deleted_at FROM generations WHERE key = :key OR seeded_key = :key
"""

FIND_FRESH = f"""{_WITH_RENDITION}
WHERE g.stage = 'kept' AND (g.key = :key OR g.seeded_key = :key) AND g.fresh_key = :fresh_key
ORDER BY g.sequence DESC
LIMIT 1
"""

FIND_SEED = """
SELECT seed FROM generations WHERE key = :key ORDER BY stage = 'kept' DESC, sequence DESC LIMIT 1
"""

GENERATION = "SELECT * FROM generations WHERE id = :generation_id"

# Claims that no other worker may take; claims.py explains which.
HELD = """
WITH held AS (
    SELECT * FROM claims AS c
    WHERE CASE life_of(scope, pid, started, lock_byte)
        WHEN 'dead' THEN FALSE
        WHEN 'alive' THEN in_lease(lease_from, lease_until) OR EXISTS (
            SELECT 1 FROM generations AS g JOIN sends AS s ON s.generation_id = g.id
            WHERE g.id = c.generation_id AND g.stage = 'sent' AND s.settled_at IS NULL
        )
        ELSE in_lease(lease_from, lease_until)
    END
)
"""

HOLDER = f"{HELD} SELECT * FROM held WHERE key = :key"  # noqa: S608 - our own text

# What an interrupted or failed worker left, newest first.
UNFINISHED = """
SELECT * FROM generations
WHERE key = :key AND stage IN ('claimed', 'sent', 'answered', 'spooled')
ORDER BY sequence DESC
"""

ADD_GENERATION = """
INSERT INTO generations (
    id, key, seeded_key, provider, model, prompt, style, text, negative_prompt, native_width,
    native_height, seed, sent_references, price_nano_usd, prompt_extend, prompt_extend_mode,
    enable_thinking, stage, created_at, notes, fresh_key
) VALUES (
    :id, :key, :seeded_key, :provider, :model, :prompt, :style, :text, :negative_prompt,
    :native_width, :native_height, :seed, :sent_references, :price_nano_usd, :prompt_extend,
    :prompt_extend_mode, :enable_thinking, 'claimed', :created_at, :notes, :fresh_key
)
"""

TAKE_CLAIM = """
INSERT INTO claims (
    key, token, generation_id, lease_from, lease_until, payer, host, pid, scope, started, taken_at,
    lock_byte, job
) VALUES (
    :key, :token, :generation_id, lease_start(), lease_end(:lease_seconds), :payer, :host, :pid,
    :scope, :started, unix_now(), :lock_byte, :job
)
ON CONFLICT (key) DO UPDATE SET
    token = excluded.token,
    generation_id = excluded.generation_id,
    lease_from = excluded.lease_from,
    lease_until = excluded.lease_until,
    payer = excluded.payer,
    host = excluded.host,
    pid = excluded.pid,
    scope = excluded.scope,
    started = excluded.started,
    taken_at = excluded.taken_at,
    lock_byte = excluded.lock_byte,
    job = excluded.job
"""

RENEW_CLAIM = """
UPDATE claims SET lease_from = lease_start(), lease_until = lease_end(:lease_seconds)
WHERE key = :key AND token = :token
RETURNING key
"""

DROP_CLAIM = "DELETE FROM claims WHERE key = :key AND token = :token RETURNING key"

DROP_CLAIM_ON_KEPT = "DELETE FROM claims WHERE generation_id = :generation_id"

# What was sent and never settled stays SENT, so the next request reports that it may be billed.
FAIL_UNANSWERED = """
UPDATE generations SET stage = 'failed'
WHERE id = :id AND stage IN ('claimed', 'sent')
  AND NOT EXISTS (SELECT 1 FROM sends WHERE generation_id = :id AND settled_at IS NULL)
"""

FAIL = "UPDATE generations SET stage = 'failed', image_url = NULL WHERE id = :id"

ADD_SEND = """
INSERT INTO sends (generation_id, sent_at, billing, code, payer, account, job)
VALUES (:generation_id, unix_now(), 'possible', 'unsettled', :payer, :account, :job)
RETURNING number
"""

JOIN_CALL = "UPDATE sends SET call_number = :first WHERE number = :number"

MARK_SENT = "UPDATE generations SET stage = 'sent' WHERE id = :generation_id"

RECORD_TASK = """
UPDATE generations SET task_id = :task_id, task_send = :send, task_image = :image
WHERE id = :generation_id
"""

FORGET_TASK = """
UPDATE generations SET task_id = NULL
WHERE id = (SELECT generation_id FROM sends WHERE number = :number) AND task_send = :number
"""

POSSIBLY_BILLED = "SELECT 1 FROM sends WHERE generation_id = :id AND billing = 'possible'"

SETTLE_SEND = """
UPDATE sends
SET settled_at = unix_now(), billing = :billing, code = :code, request_id = :request_id
WHERE number = :number
"""

# Two workers may have asked for the same task, and one may be ahead.
RECORD_ANSWER = """
UPDATE generations
SET stage = 'answered', image_url = :image_url, url_expires_at = :expires_at,
    request_id = :request_id
WHERE id = :generation_id AND stage NOT IN ('spooled', 'kept')
"""

RECORD_LINK_DEAD = """
UPDATE generations SET url_expires_at = 0 WHERE id = :generation_id AND stage = 'answered'
"""

RECORD_NOTE = """
UPDATE generations SET notes = json_insert(notes, '$[#]', :note) WHERE id = :generation_id
"""

RECORD_NATIVE_SIZE = """
UPDATE generations
SET native_width = :width, native_height = :height, notes = json_insert(notes, '$[#]', :note)
WHERE id = :generation_id
"""

RECORD_SPOOLED = """
UPDATE generations
SET stage = 'spooled', sha256 = :sha256, byte_count = :byte_count, spool_url = :spool_url,
    spool_owner = :host
WHERE id = :generation_id
"""

RECORD_KEPT = """
UPDATE generations
SET stage = 'kept', sha256 = :sha256, byte_count = :byte_count, object_path = :object_path,
    image_url = NULL, spool_url = NULL, spool_owner = NULL, task_id = NULL
WHERE id = :generation_id
"""

# The sidecar has the size that the model made, and every note.
RECORD_ADOPTED = """
UPDATE generations
SET native_width = :native_width, native_height = :native_height, notes = :notes,
    deleted_at = NULL
WHERE id = :id
"""

PROMPT = "SELECT prompt FROM generations WHERE id = :generation_id"

INDEX_PROMPT = """
INSERT INTO prompts (rowid, prompt)
SELECT sequence, :folded FROM generations AS g
WHERE id = :generation_id AND NOT EXISTS (SELECT 1 FROM prompts WHERE rowid = g.sequence)
"""

ADD_RENDITION = """
INSERT INTO renditions (
    generation_id, width, height, sha256, byte_count, object_path, created_at
) VALUES (:generation_id, :width, :height, :sha256, :byte_count, :object_path, :now)
ON CONFLICT (generation_id, width, height) DO UPDATE SET
    sha256 = excluded.sha256,
    byte_count = excluded.byte_count,
    object_path = excluded.object_path
WHERE renditions.sha256 != excluded.sha256
   OR renditions.object_path != excluded.object_path
"""

ADD_REQUEST = """
INSERT INTO requests (
    key, generation_id, width, height, prompt, negative_prompt, style, seed, reference,
    first_asked_at
) VALUES (
    :key, :generation_id, :width, :height, :prompt, :negative_prompt, :style, :seed, :reference,
    :now
)
ON CONFLICT (key) DO NOTHING
"""

# A generation's first answer saves nothing, even long after the call.
COUNT_ANSWER = """
INSERT INTO answers (request_key, day, paid, cached)
SELECT :key, date(unix_now(), 'unixepoch'), CAST(NOT saved AS INTEGER), CAST(saved AS INTEGER)
FROM (
    SELECT EXISTS (
        SELECT 1 FROM requests AS q JOIN answers AS a ON a.request_key = q.key
        WHERE q.generation_id = :generation_id
    ) AS saved
) AS earlier
WHERE TRUE
ON CONFLICT (request_key, day) DO UPDATE SET
    paid = answers.paid + excluded.paid,
    cached = answers.cached + excluded.cached
"""

_IMAGE = """
SELECT g.*, r.width, r.height, r.sha256 AS rendition_sha256,
       r.byte_count AS rendition_byte_count, r.object_path AS rendition_object_path
"""

IMAGES = f"{_IMAGE} FROM renditions AS r JOIN generations AS g ON g.id = r.generation_id"

LIST_IMAGES = f"{IMAGES} ORDER BY r.created_at DESC, r.generation_id LIMIT :limit"

# The second condition is the exact one; the first lets the database use an index. "~" comes after
# all characters of an id.
SHOW_IMAGES = f"""{IMAGES}
WHERE r.generation_id BETWEEN :first AND :first || '~'
  AND substr(r.generation_id || '-' || r.width || 'x' || r.height, 1, length(:prefix)) = :prefix
ORDER BY r.generation_id, r.width, r.height LIMIT 10
"""

LEDGER = "SELECT * FROM sends WHERE generation_id = :generation_id ORDER BY number"

HAS_RENDITION = "SELECT 1 FROM renditions WHERE generation_id = :id"

STAGE = "SELECT stage FROM generations WHERE id = :id"

_AFTER = "COALESCE((SELECT sequence FROM generations WHERE id = :after), 0)"

# What an interrupted or failed worker left and no worker holds.
ALL_UNFINISHED = f"""{HELD}
SELECT g.* FROM generations AS g
WHERE g.stage IN ('sent', 'answered', 'spooled')
  AND NOT EXISTS (SELECT 1 FROM held WHERE generation_id = g.id)
  AND g.sequence > {_AFTER}
ORDER BY g.sequence
LIMIT :limit
"""  # noqa: S608 - our own text

# A rendition at native size is the generation's own object.
OBJECTS = f"""
WITH page AS (
    SELECT sequence, id, object_path, sha256 FROM generations
    WHERE stage = 'kept' AND sequence > {_AFTER}
    ORDER BY sequence
    LIMIT :limit
)
SELECT object_path, sha256, id AS owner, id AS generation_id, sequence FROM page
UNION ALL
SELECT r.object_path, r.sha256, r.generation_id || '-' || r.width || 'x' || r.height,
       r.generation_id, g.sequence
FROM page AS g JOIN renditions AS r ON r.generation_id = g.id
WHERE r.object_path != g.object_path
ORDER BY sequence
"""  # noqa: S608 - our own text

# Sizes other than that of the generation's own object are added to it.
OLDER_THAN = f"""
SELECT g.id, g.created_at, CAST(coalesce(g.byte_count, 0) + coalesce((
           SELECT sum(r.byte_count) FROM renditions AS r
           WHERE r.generation_id = g.id AND r.object_path != g.object_path
       ), 0) AS BIGINT) AS byte_count
FROM generations AS g
WHERE g.stage = 'kept' AND g.created_at < :before AND g.sequence > {_AFTER}
ORDER BY g.sequence
LIMIT :limit
"""  # noqa: S608 - our own text

HAS_OBJECT = """
SELECT 1 FROM generations
WHERE id = :generation_id AND stage = 'kept' AND object_path = :path
UNION ALL
SELECT 1 FROM renditions WHERE generation_id = :generation_id AND object_path = :path
"""

STORE = "SELECT id, confirmed FROM store"

RECORD_STORE = "UPDATE store SET id = :id, confirmed = TRUE"

NEWEST_KEPT = """
SELECT object_path, byte_count FROM generations
WHERE stage = 'kept' AND byte_count IS NOT NULL
ORDER BY sequence DESC
LIMIT 5
"""

# An image is billed once: if a call is known to be billed, the others stay as they are.
SETTLE_PAID = """
UPDATE sends SET settled_at = unix_now(), billing = 'billed', code = :code
WHERE number = (
    SELECT max(number) FROM sends WHERE generation_id = :id AND billing = 'possible'
)
  AND NOT EXISTS (SELECT 1 FROM sends WHERE generation_id = :id AND billing = 'billed')
"""

UNSETTLED_PAID = """
SELECT id FROM generations
WHERE stage IN ('spooled', 'kept')
  AND id IN (SELECT generation_id FROM sends WHERE billing = 'possible')
  AND NOT EXISTS (SELECT 1 FROM sends WHERE generation_id = id AND billing = 'billed')
ORDER BY sequence
"""

ADD_ADOPTED_SEND = """
INSERT INTO sends (generation_id, sent_at, settled_at, billing, code)
SELECT :id, :created_at, unix_now(), 'billed', 'adopted'
WHERE NOT EXISTS (SELECT 1 FROM sends WHERE generation_id = :id AND billing = 'billed')
"""
