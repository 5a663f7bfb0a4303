import { type Clock, joinSignals } from '../../runtime/Clock.ts'
import type { BulkSource } from './bulkSource.ts'
import type * as Manifest from './manifest.ts'

/** What the sources say of how a content is cut, as they say it: nobody waits for those who are slow to answer. */
export type Claims = AsyncDisposable & {
  /** The claim of most sources that was not tried yet; undefined when all have answered and none is left. */
  next(): Promise<Claim | undefined>
}

/** A list of chunks, and who says that it is right. */
export type Claim = {
  readonly manifest: Manifest.Manifest
  readonly sources: () => readonly BulkSource[]
  /** Tells of each source that claims this, those that come later too. */
  readonly onSource: (listener: (source: BulkSource) => void) => void
  /** Waits for more sources to answer; false when all have. */
  readonly more: () => Promise<boolean>
}

/** How long further answers are waited for once there is one. */
const graceMs = 200

/** Asks all sources at once. */
export function claimsOf(
  { clock }: { clock: Clock },
  sources: readonly BulkSource[],
  options: claimsOf.Options,
): Claims {
  const { ask, drop } = options
  const over = new AbortController()
  const joined = joinSignals(options.signal, over.signal)
  const { signal } = joined
  const found = new Map<string, Found>()
  const pending = new Set<Promise<void>>()

  async function hear(source: BulkSource): Promise<void> {
    try {
      const manifest = await ask(source, signal)
      const name = JSON.stringify(manifest)
      const claim = found.get(name) ?? { manifest, sources: [], isTried: false, listener: () => {} }
      found.set(name, claim)
      claim.sources.push(source)
      claim.listener(source)
    } catch (error) {
      if (!signal.aborted) drop(source, error)
    }
  }

  for (const source of sources) {
    const task = hear(source).finally(() => pending.delete(task))
    pending.add(task)
  }
  const untried = () =>
    [...found.values()]
      .filter(({ isTried }) => !isTried)
      .toSorted((a, b) => b.sources.length - a.sources.length)

  async function more(): Promise<boolean> {
    if (pending.size === 0) return false
    await Promise.race(pending)
    return true
  }

  /** Several answers come at nearly the same time: the claim of most is the likeliest. */
  async function grace(): Promise<void> {
    const all = new AbortController()
    using either = joinSignals(signal, all.signal)
    const waited = clock.sleep(graceMs, { signal: either.signal }).catch(() => {})
    await Promise.race([Promise.all(pending), waited])
    all.abort()
  }

  return {
    async next() {
      while (untried().length === 0) if (!(await more())) break
      if (pending.size > 0) await grace()
      const [claim] = untried()
      if (!claim) return undefined
      claim.isTried = true
      return {
        manifest: claim.manifest,
        sources: () => claim.sources,
        onSource(listener) {
          claim.listener = listener
          claim.sources.forEach(listener)
        },
        more,
      }
    },
    async [Symbol.asyncDispose]() {
      over.abort(new DOMException('Enough have answered.', 'AbortError'))
      await Promise.all(pending)
      joined[Symbol.dispose]()
    },
  }
}

export declare namespace claimsOf {
  type Options = {
    /** Asks one source, for as long as it takes. */
    ask: (source: BulkSource, signal: AbortSignal) => Promise<Manifest.Manifest>
    /** Told who did not answer, and why. */
    drop: (source: BulkSource, error: unknown) => void
    signal: AbortSignal
  }
}

type Found = {
  readonly manifest: Manifest.Manifest
  readonly sources: BulkSource[]
  isTried: boolean
  listener: (source: BulkSource) => void
}
