/** The letter that stands for a byte in a byte-level vocabulary (GPT-2's `bytes_to_unicode`). */
function letterOf(byte: number): string {
  const shown = (b: number) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174
  if (shown(byte)) return String.fromCodePoint(byte)
  const hiddenBefore = Array.from({ length: byte }, (_, b) => b).filter((b) => !shown(b)).length
  return String.fromCodePoint(256 + hiddenBefore)
}

/** The letters of all bytes, in order. */
export const letters: readonly string[] = Array.from({ length: 256 }, (_, byte) => letterOf(byte))
