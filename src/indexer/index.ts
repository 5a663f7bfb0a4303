/**
 * Owns the tables behind the explorer and what serves them: it follows the chain's events and the verified
 * gossip into SQLite (`startIndexer`), and shows them read-only as JSON, as a live stream and as the page of
 * `explorer/` (`startExplorer`). All SQL stands in `tables/`. It does not own the page itself, it takes part
 * in no trade, and nothing here is needed for money or work to move: every table can be made again.
 */
export type * as Api from './Api.ts'
export { startExplorer, type Explorer } from './startExplorer.ts'
export { startIndexer, type Indexer } from './startIndexer.ts'
