import { useEffect, useState } from 'preact/hooks'
import type * as Api from '../../src/indexer/Api.ts'

/** How the page hears of changes: `live`, or looking for the server again. */
export type Connection = 'connecting' | 'live' | 'lost'

type Entry = {
  readonly path: string
  data: unknown
  problem: Api.Problem | undefined
  readonly watchers: Set<() => void>
  /** When it was last asked for, and whether it must be asked again. */
  askedAt: number
  stale: boolean
  asking: boolean
  timer: number | undefined
}

const entries = new Map<string, Entry>()
const connectionWatchers = new Set<() => void>()
let connection: Connection = 'connecting'

/** A body of the API, asked for again whenever the network changed; at most once in `pauseMs`. */
export function useData<body>(path: string): {
  data: body | undefined
  problem: Api.Problem | undefined
} {
  const [, redraw] = useState(0)
  useEffect(() => {
    const watch = () => redraw((value) => value + 1)
    const entry = entryOf(path)
    entry.watchers.add(watch)
    watch()
    refresh(entry)
    return () => void entry.watchers.delete(watch)
  }, [path])
  const entry = entries.get(path)
  return { data: entry?.data as body | undefined, problem: entry?.problem }
}

export function useConnection(): Connection {
  const [, redraw] = useState(0)
  useEffect(() => {
    const watch = () => redraw((value) => value + 1)
    connectionWatchers.add(watch)
    return () => void connectionWatchers.delete(watch)
  }, [])
  return connection
}

/** The time, drawn anew every second. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [])
  return now
}

/** Listens to the live stream for as long as the page is open. */
export function connect(): void {
  const source = new EventSource('/api/events')
  const live = () => {
    setConnection('live')
    refreshAll()
  }
  source.addEventListener('hello', live)
  source.addEventListener('change', refreshAll)
  source.addEventListener('reset', refreshAll)
  source.addEventListener('error', () => {
    setConnection('lost')
    // The browser tries again by itself, unless the server refused outright.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 5_000)
  })
}

/** Things that only time changes (an offer that expires) are asked for now and then. */
setInterval(refreshAll, 20_000)

const pauseMs = 700
const entriesLimit = 60

function entryOf(path: string): Entry {
  const found = entries.get(path)
  if (found) return found
  for (const [old, { watchers }] of entries) {
    if (entries.size < entriesLimit) break
    if (watchers.size === 0) entries.delete(old)
  }
  const entry: Entry = {
    path,
    data: undefined,
    problem: undefined,
    watchers: new Set(),
    askedAt: 0,
    stale: true,
    asking: false,
    timer: undefined,
  }
  entries.set(path, entry)
  return entry
}

function refreshAll(): void {
  for (const entry of entries.values()) if (entry.watchers.size > 0) refresh(entry)
}

function refresh(entry: Entry): void {
  entry.stale = true
  if (entry.asking || entry.timer !== undefined) return
  const wait = Math.max(0, entry.askedAt + pauseMs - Date.now())
  entry.timer = window.setTimeout(() => {
    entry.timer = undefined
    void ask(entry)
  }, wait)
}

async function ask(entry: Entry): Promise<void> {
  entry.asking = true
  entry.stale = false
  entry.askedAt = Date.now()
  try {
    const response = await fetch(entry.path, { headers: { accept: 'application/json' } })
    const body: unknown = await response.json()
    if (response.ok) entry.data = body
    entry.problem = response.ok ? undefined : (body as Api.Problem)
  } catch {
    // The stream notices that the server is gone, and asks again when it is back.
    if (entry.data === undefined) entry.problem = unreachable
  } finally {
    entry.asking = false
  }
  for (const watch of entry.watchers) watch()
  if (entry.stale) refresh(entry)
}

const unreachable: Api.Problem = {
  type: 'about:blank',
  title: 'The explorer does not answer',
  status: 0,
  detail: 'The page tries again by itself.',
  code: 'Explorer.Unreachable',
}

function setConnection(next: Connection): void {
  connection = next
  for (const watch of connectionWatchers) watch()
}
