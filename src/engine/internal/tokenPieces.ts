import type { Piece } from './textStream.ts'

/**
 * Joins tokens until their bytes are whole characters, since the text of a token may depend on those around
 * it. Bytes that are no character at all would be held back for ever, so a run of them is let through.
 *
 * @param prompt the tokens before.
 */
export function tokenPieces(textOf: (tokens: readonly number[]) => string, prompt: Uint32Array) {
  let before = Array.from(prompt.slice(-context))
  let tokens: number[] = []
  const made = () => textOf([...before, ...tokens]).slice(textOf(before).length)
  const take = (text: string): Piece => {
    const piece = { text, tokenIds: tokens, logprobs: [] }
    before = [...before, ...tokens].slice(-context)
    tokens = []
    return piece
  }
  return {
    /** The piece that a token completes, if it does. */
    push(token: number): Piece | undefined {
      tokens.push(token)
      const text = made()
      return text.endsWith('\ufffd') && tokens.length < heldTokens ? undefined : take(text)
    },
    /** What is held when no token follows. */
    end: (): Piece | undefined => (tokens.length > 0 ? take(made()) : undefined),
  }
}

const context = 4
/** Tokens held back at most while they are no whole characters. */
const heldTokens = 16
