/**
 * The tables. Facts (`chain_events`, `offers`, `receipts`, `verdicts`, `timeline`, `presence`) hold what
 * others signed; the rest is derived from them and could be made again at any time
 * (`tallies` counts the rows of `jobs` for each provider, so that nobody has to count them on every look). The types are SQLite's
 * STRICT ones; for PostgreSQL read INTEGER as bigint, and TEXT amounts as numeric(78).
 */

/** Tables of another version are dropped and filled again. */
export const version = 5

export const tables = [
  'chain_events',
  'money',
  'accounts',
  'leases',
  'claims',
  'disputes',
  'dispute_moves',
  'offers',
  'models',
  'presence',
  'receipts',
  'verdicts',
  'timeline',
  'jobs',
  'tallies',
  'training',
] as const

export const meta = `CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT`
export const readOwner = `SELECT value FROM meta WHERE name = 'owner'`
export const writeOwner = `INSERT INTO meta (name, value) VALUES ('owner', ?)`
export const clearMeta = `DELETE FROM meta`

export const definitions = `
  CREATE TABLE chain_events (
    block INTEGER NOT NULL, position INTEGER NOT NULL,
    block_hash TEXT NOT NULL, at INTEGER NOT NULL, transaction_hash TEXT NOT NULL,
    type TEXT NOT NULL, lease TEXT, buyer TEXT, provider TEXT, claim TEXT, dispute TEXT, amount TEXT,
    body TEXT NOT NULL,
    PRIMARY KEY (block, position)
  ) STRICT;
  CREATE INDEX chain_events_lease ON chain_events (lease, block, position);
  CREATE INDEX chain_events_buyer ON chain_events (buyer, block, position);
  CREATE INDEX chain_events_provider ON chain_events (provider, block, position);

  CREATE INDEX chain_events_claim ON chain_events (claim, block, position);
  CREATE INDEX chain_events_dispute ON chain_events (dispute, block, position);

  CREATE TABLE money (
    block INTEGER PRIMARY KEY, at INTEGER NOT NULL,
    deposited TEXT NOT NULL, reserved TEXT NOT NULL, claimed TEXT NOT NULL, refunded TEXT NOT NULL,
    withdrawn_by_buyers TEXT NOT NULL, withdrawn_by_providers TEXT NOT NULL
  ) STRICT;

  CREATE TABLE accounts (
    address TEXT PRIMARY KEY,
    deposited TEXT NOT NULL, withdrawn TEXT NOT NULL,
    claimed TEXT NOT NULL, earnings_withdrawn TEXT NOT NULL,
    registered INTEGER NOT NULL, stake TEXT NOT NULL, peer_id TEXT, offer_uri TEXT
  ) STRICT;

  CREATE TABLE leases (
    id TEXT PRIMARY KEY, buyer TEXT NOT NULL, provider TEXT NOT NULL, nonce TEXT NOT NULL,
    total TEXT NOT NULL, claimed TEXT NOT NULL, refunded TEXT NOT NULL, terms TEXT NOT NULL,
    opened_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, closed_at INTEGER,
    order_id TEXT, meter TEXT NOT NULL
  ) STRICT;
  CREATE INDEX leases_newest ON leases (opened_at, id);
  CREATE INDEX leases_order ON leases (order_id);
  CREATE INDEX leases_provider ON leases (provider, opened_at, id);
  CREATE INDEX leases_buyer ON leases (buyer, opened_at, id);

  CREATE TABLE claims (
    id TEXT PRIMARY KEY, claimant TEXT NOT NULL, job TEXT, state TEXT NOT NULL,
    reserved TEXT NOT NULL, burned TEXT NOT NULL, released TEXT NOT NULL,
    challenge_until INTEGER NOT NULL, message TEXT NOT NULL
  ) STRICT;
  CREATE INDEX claims_job ON claims (job);
  CREATE TABLE disputes (
    id TEXT PRIMARY KEY, claim TEXT NOT NULL, claimant TEXT NOT NULL, challenger TEXT NOT NULL, job TEXT,
    state TEXT NOT NULL, ended_by TEXT, turn TEXT NOT NULL,
    claimant_ms INTEGER NOT NULL, challenger_ms INTEGER NOT NULL,
    moved_at INTEGER NOT NULL, opened_at INTEGER NOT NULL, ended_at INTEGER,
    moves INTEGER NOT NULL, gas INTEGER NOT NULL, bond TEXT NOT NULL, slashed TEXT NOT NULL,
    place TEXT NOT NULL, segment TEXT NOT NULL
  ) STRICT;
  CREATE INDEX disputes_newest ON disputes (opened_at, id);
  CREATE INDEX disputes_claim ON disputes (claim, opened_at, id);
  CREATE INDEX disputes_job ON disputes (job, opened_at, id);
  CREATE INDEX disputes_claimant ON disputes (claimant, opened_at, id);
  CREATE INDEX disputes_challenger ON disputes (challenger, opened_at, id);
  CREATE INDEX disputes_state ON disputes (state, opened_at, id);
  CREATE TABLE dispute_moves (
    dispute TEXT NOT NULL, place INTEGER NOT NULL, number INTEGER, party TEXT NOT NULL, type TEXT NOT NULL,
    words TEXT NOT NULL, bytes INTEGER NOT NULL, at INTEGER NOT NULL, block INTEGER NOT NULL,
    transaction_hash TEXT NOT NULL, gas INTEGER, PRIMARY KEY (dispute, place)
  ) STRICT;

  CREATE TABLE offers (
    provider TEXT PRIMARY KEY, id TEXT NOT NULL, peer_id TEXT NOT NULL,
    issued_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, signed TEXT NOT NULL
  ) STRICT;
  CREATE TABLE models (
    provider TEXT NOT NULL, position INTEGER NOT NULL, id TEXT NOT NULL, weights TEXT NOT NULL,
    input_micro_usd_per_million INTEGER NOT NULL, output_micro_usd_per_million INTEGER NOT NULL,
    PRIMARY KEY (provider, position)
  ) STRICT;
  CREATE INDEX models_id ON models (id);
  CREATE TABLE presence (
    account TEXT NOT NULL, minute INTEGER NOT NULL, PRIMARY KEY (account, minute)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE receipts (
    id TEXT PRIMARY KEY, job TEXT NOT NULL, lease TEXT NOT NULL,
    provider TEXT NOT NULL, buyer TEXT NOT NULL, model TEXT NOT NULL, tier TEXT NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, price INTEGER NOT NULL,
    ready_at INTEGER NOT NULL, started_at INTEGER NOT NULL, ended_at INTEGER NOT NULL,
    signed TEXT NOT NULL
  ) STRICT;
  CREATE INDEX receipts_job ON receipts (job);
  CREATE INDEX receipts_lease ON receipts (lease);
  CREATE INDEX receipts_provider ON receipts (provider, ended_at, id);

  CREATE TABLE verdicts (
    id TEXT PRIMARY KEY, receipt TEXT NOT NULL, job TEXT NOT NULL, provider TEXT NOT NULL,
    validator TEXT NOT NULL, method TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL,
    checked_at INTEGER NOT NULL, signed TEXT NOT NULL
  ) STRICT;
  CREATE INDEX verdicts_job ON verdicts (job);
  CREATE INDEX verdicts_validator ON verdicts (validator, checked_at, id);

  CREATE TABLE timeline (
    id TEXT PRIMARY KEY, account TEXT NOT NULL, subject TEXT NOT NULL, subject_id TEXT NOT NULL,
    code TEXT NOT NULL, detail TEXT NOT NULL, parent TEXT NOT NULL, at INTEGER NOT NULL,
    signed TEXT NOT NULL
  ) STRICT;
  CREATE INDEX timeline_subject ON timeline (subject_id, at, id);
  CREATE INDEX timeline_parent ON timeline (parent, at, id);
  CREATE INDEX timeline_account ON timeline (account, at, id);

  CREATE TABLE jobs (
    id TEXT PRIMARY KEY, at INTEGER NOT NULL, lease TEXT, provider TEXT, buyer TEXT,
    model TEXT, tier TEXT, state TEXT NOT NULL, probe INTEGER NOT NULL,
    outcome TEXT, method TEXT, reason TEXT, payment TEXT NOT NULL, paid_at INTEGER,
    price INTEGER NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    started_at INTEGER, ended_at INTEGER, receipt TEXT, on_chain INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX jobs_newest ON jobs (on_chain, probe, at, id);
  CREATE INDEX jobs_provider ON jobs (provider, at, id);
  CREATE INDEX jobs_lease ON jobs (lease, probe, at, id);
  CREATE INDEX jobs_outcome ON jobs (outcome, at, id);
  CREATE INDEX jobs_state ON jobs (state, at, id);

  CREATE TABLE tallies (
    provider TEXT PRIMARY KEY,
    delivered INTEGER NOT NULL, running INTEGER NOT NULL, failed INTEGER NOT NULL,
    probes INTEGER NOT NULL, verified INTEGER NOT NULL, rejected INTEGER NOT NULL,
    unavailable INTEGER NOT NULL, pending INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE training (
    id TEXT PRIMARY KEY, at INTEGER NOT NULL, heard_at INTEGER NOT NULL, is_over INTEGER NOT NULL,
    run TEXT NOT NULL, detail TEXT NOT NULL
  ) STRICT;
  CREATE INDEX training_newest ON training (at, id);
  CREATE INDEX training_heard ON training (heard_at, id);
`
