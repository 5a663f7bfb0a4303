/** Letters in no order: what was learned of some says nothing about others. */
export function letters(count: number): string {
  let word = 1
  return Array.from({ length: count }, () => {
    word = (Math.imul(word, 1_664_525) + 1_013_904_223) >>> 0
    return String.fromCharCode(97 + (word >>> 27))
  }).join('')
}
