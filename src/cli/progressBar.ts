/** How far something is, as a bar of `width` places between brackets; never longer than full. */
export function progressBar(part: number, { width = 20 }: { width?: number } = {}): string {
  const filled = Math.min(width, Math.round(width * part))
  return `[${'='.repeat(filled)}${' '.repeat(width - filled)}]`
}
