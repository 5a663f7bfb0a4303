import type * as Completion from '../../protocol/Completion.ts'

/** Text that belongs to some tokens; the unit that is held back or let through. */
export type Piece = {
  readonly text: string
  readonly tokenIds: readonly number[]
  readonly logprobs: readonly Completion.Logprob[]
}

/**
 * Lets text through as deltas, but holds back what may be the start of a stop string. Once a stop
 * string is whole, the text before it is let through with all token ids, and `stopped` is true.
 */
export function textStream(options: { stop: readonly string[] }) {
  const { stop } = options
  let held: Piece[] = []
  let stopped = false

  const release = (count: number, length?: number): Completion.Delta | undefined => {
    const pieces = held.slice(0, count)
    held = held.slice(count)
    if (pieces.length === 0) return undefined
    const logprobs = pieces.flatMap((piece) => piece.logprobs)
    return {
      text: textOf(pieces).slice(0, length),
      tokenIds: pieces.flatMap((piece) => piece.tokenIds),
      ...(logprobs.length > 0 ? { logprobs } : {}),
    }
  }

  return {
    get stopped() {
      return stopped
    },
    /** What may be delivered now, if anything. */
    push(piece: Piece): Completion.Delta | undefined {
      held.push(piece)
      const text = textOf(held)
      const cut = firstOf(text, stop)
      if (cut !== undefined) {
        stopped = true
        return release(held.length, cut)
      }
      return release(wholePieces(held, text.length - unfinished(text, stop)))
    },
    /** The rest: nothing more will come. */
    end: (): Completion.Delta | undefined => release(held.length),
  }
}

function textOf(pieces: readonly Piece[]): string {
  return pieces.map((piece) => piece.text).join('')
}

/** Where the first stop string begins. */
function firstOf(text: string, stop: readonly string[]): number | undefined {
  const found = stop.map((string) => text.indexOf(string)).filter((index) => index >= 0)
  return found.length > 0 ? Math.min(...found) : undefined
}

/** Length of the longest end of the text that is the beginning of a stop string. */
function unfinished(text: string, stop: readonly string[]): number {
  const lengths = stop.map((string) => {
    let length = Math.min(string.length - 1, text.length)
    while (length > 0 && !text.endsWith(string.slice(0, length))) length--
    return length
  })
  return Math.max(0, ...lengths)
}

/** How many pieces end within the first `length` characters. */
function wholePieces(pieces: readonly Piece[], length: number): number {
  let total = 0
  const index = pieces.findIndex((piece) => (total += piece.text.length) > length)
  return index < 0 ? pieces.length : index
}
