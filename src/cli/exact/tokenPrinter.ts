import * as Tokenizer from '../../exact/Tokenizer.ts'

/**
 * Text of tokens as they come: what is not whole yet, as a character of several bytes, waits. For a terminal,
 * control characters that could drive it become U+FFFD; line ends and tabs stay.
 *
 * @param options.prompt the tokens before, since the text of a token may depend on them.
 */
export function tokenPrinter(
  { tokenizer }: { readonly tokenizer: Tokenizer.Tokenizer },
  { isTerminal, prompt }: { isTerminal: boolean; prompt: Uint32Array },
): TokenPrinter {
  const printer =
    tokenizer === Tokenizer.bytes ? ofBytes() : ofWords(tokenizer, prompt.slice(-context))
  const safe = (part: string) => (isTerminal ? part.replace(/[^\P{Cc}\n\t]/gu, '\ufffd') : part)
  return {
    // A model's vocabulary may be filled up with tokens that no text has.
    text: (token) => (token < tokenizer.vocabulary ? safe(printer.text(token)) : ''),
    rest: () => safe(printer.rest()),
  }
}

export type TokenPrinter = {
  /** What can be shown now that this token is there. */
  text(token: number): string
  /** What is left when no token follows. */
  rest(): string
}

function ofBytes(): TokenPrinter {
  const decoder = new TextDecoder()
  return {
    text: (token) => decoder.decode(Uint8Array.of(token), { stream: true }),
    rest: () => decoder.decode(),
  }
}

function ofWords(tokenizer: Tokenizer.Tokenizer, before: Uint32Array): TokenPrinter {
  let tokens = [...before]
  let shown = tokenizer.decode(tokens)
  const advance = () => {
    const part = tokenizer.decode(tokens).slice(shown.length)
    tokens = tokens.slice(-context)
    shown = tokenizer.decode(tokens)
    return part
  }
  return {
    text(token) {
      tokens.push(token)
      const isWhole = !tokenizer.decode(tokens).endsWith('\ufffd')
      return isWhole || tokens.length > context + mostWaiting ? advance() : ''
    },
    rest: advance,
  }
}

/** Tokens that may change the text of the next one; and no character takes more than this. */
const context = 4
const mostWaiting = 8
