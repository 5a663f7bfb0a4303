/** Symbols: the bytes of the alphabet by their index, then this many more. */
export const alphabetLimit = 94

/** Next-symbol statistics of texts, with contexts of up to three bytes. */
export type ByteStatistics = {
  /** Bytes that occur, at most `alphabetLimit`, ascending. A symbol below its length is one of them. */
  readonly alphabet: readonly number[]
  /** The context symbol before a text begins, and of every byte outside the alphabet. */
  readonly start: number
  /** The predicted symbol after a text ends. */
  readonly end: number
  /** Contexts of two and three symbols that change the prediction most, nearest symbol first. */
  readonly contexts: readonly Context[]
  /** Natural logarithms of the probability of each byte of the alphabet and of the end, given one symbol. */
  readonly logAfter: (symbol: number) => Float64Array
}

export type Context = {
  readonly symbols: readonly number[]
  readonly logProbabilities: Float64Array
  /** The longest other context in the list that ends the same way, if any. */
  readonly parent: Context | undefined
}

/**
 * Counts what follows what. A probability is the count plus `smoothing` times the probability in the
 * next shorter context, divided by the context's count plus `smoothing`; the shortest is uniform.
 *
 * @param paragraphs Texts; characters outside printable ASCII are left out by the caller.
 */
export function byteStatistics(
  paragraphs: readonly Uint8Array[],
  options: { smoothing: number; contexts: number },
): ByteStatistics {
  const alphabet = alphabetOf(paragraphs)
  const start = alphabetLimit
  const end = alphabetLimit
  const symbolOf = new Map(alphabet.map((byte, symbol) => [byte, symbol]))
  const counts = new Map<string, Counts>()
  for (const bytes of paragraphs)
    countInto(
      counts,
      Array.from(bytes, (byte) => symbolOf.get(byte) ?? start),
      { start, end },
    )

  const probabilities = new Map<string, Float64Array>()
  const estimate = (symbols: readonly number[]): Float64Array => {
    const key = keyOf(symbols)
    const known = probabilities.get(key)
    if (known) return known
    const found = counts.get(key)
    const shorter = symbols.length === 0 ? uniform(alphabet.length) : estimate(symbols.slice(0, -1))
    const result = found ? smooth(found, shorter, options.smoothing) : shorter
    probabilities.set(key, result)
    return result
  }
  const chosen = [...counts.values()]
    .filter(({ symbols }) => symbols.length >= 2)
    .map((found) => ({
      found,
      gain: found.total * divergence(estimate(found.symbols), estimate(found.symbols.slice(0, -1))),
    }))
    .toSorted((a, b) => b.gain - a.gain || compare(a.found.symbols, b.found.symbols))
    .slice(0, options.contexts)
    .map(({ found }) => found.symbols)
    .toSorted(compare)
  return {
    alphabet,
    start,
    end,
    contexts: linked(chosen, estimate),
    logAfter: (symbol) => estimate([symbol]).map(Math.log),
  }
}

/** The context of the list that applies after these symbols, nearest first: the longest one. */
export function contextAfter(
  { contexts }: ByteStatistics,
  symbols: readonly number[],
): Context | undefined {
  return contexts.findLast((context) =>
    context.symbols.every((symbol, index) => symbols[index] === symbol),
  )
}

type Counts = { readonly symbols: readonly number[]; total: number; readonly next: Float64Array }

function alphabetOf(paragraphs: readonly Uint8Array[]): readonly number[] {
  const counts = new Float64Array(256)
  for (const bytes of paragraphs) for (const byte of bytes) counts[byte]!++
  return [...counts.keys()]
    .filter((byte) => counts[byte]! > 0)
    .toSorted((a, b) => counts[b]! - counts[a]! || a - b)
    .slice(0, alphabetLimit)
    .toSorted((a, b) => a - b)
}

function countInto(
  counts: Map<string, Counts>,
  symbols: readonly number[],
  { start, end }: { start: number; end: number },
): void {
  for (let at = 0; at <= symbols.length; at++) {
    const next = symbols[at] ?? end
    if (at < symbols.length && next === start) continue
    for (let order = 0; order <= 3; order++) {
      const context = Array.from({ length: order }, (_, back) => symbols[at - 1 - back] ?? start)
      const key = keyOf(context)
      const found = counts.get(key) ?? {
        symbols: context,
        total: 0,
        next: new Float64Array(alphabetLimit + 1),
      }
      counts.set(key, found)
      found.total++
      found.next[next]!++
    }
  }
}

/** Of ascending length, so that a parent always stands before its children. */
function linked(
  chosen: readonly (readonly number[])[],
  estimate: (symbols: readonly number[]) => Float64Array,
): readonly Context[] {
  const byKey = new Map<string, Context>()
  for (const symbols of chosen)
    byKey.set(keyOf(symbols), {
      symbols,
      logProbabilities: estimate(symbols).map(Math.log),
      parent: byKey.get(keyOf(symbols.slice(0, -1))),
    })
  return [...byKey.values()]
}

/** Zero stays outside the alphabet: the probability of a symbol that never occurs is not asked for. */
function uniform(size: number): Float64Array {
  return Float64Array.from({ length: alphabetLimit + 1 }, (_, symbol) =>
    symbol < size || symbol === alphabetLimit ? 1 / (size + 1) : 0,
  )
}

function smooth({ total, next }: Counts, shorter: Float64Array, smoothing: number): Float64Array {
  return next.map((count, symbol) => (count + smoothing * shorter[symbol]!) / (total + smoothing))
}

function divergence(p: Float64Array, q: Float64Array): number {
  return p.reduce((sum, value, i) => (value > 0 ? sum + value * Math.log(value / q[i]!) : sum), 0)
}

function keyOf(symbols: readonly number[]): string {
  return symbols.join(' ')
}

function compare(a: readonly number[], b: readonly number[]): number {
  const differs = a.findIndex((symbol, index) => symbol !== b[index])
  return a.length - b.length || (differs < 0 ? 0 : a[differs]! - b[differs]!)
}
