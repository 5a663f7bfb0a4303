/**
 * Text of byte-level tokens as they come: characters of several bytes wait until they are whole. For a
 * terminal, control characters that could drive it become U+FFFD; line ends and tabs stay.
 */
export function tokenPrinter({ isTerminal }: { isTerminal: boolean }): TokenPrinter {
  const decoder = new TextDecoder()
  const safe = (text: string) => (isTerminal ? text.replace(/[^\P{Cc}\n\t]/gu, '\ufffd') : text)
  return {
    text: (token) => safe(decoder.decode(Uint8Array.of(token), { stream: true })),
    rest: () => safe(decoder.decode()),
  }
}

export type TokenPrinter = {
  /** What can be shown now that this token is there. */
  text(token: number): string
  /** What is left when no token follows. */
  rest(): string
}
