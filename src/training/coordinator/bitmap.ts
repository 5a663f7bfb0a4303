/** Sets of workers as hexadecimal digits: worker 0 is the lowest bit of the first digit. */
export function bitmapOf(numbers: Iterable<number>): string {
  const digits: number[] = []
  for (const number of numbers) {
    const at = number >>> 2
    while (digits.length <= at) digits.push(0)
    digits[at]! |= 1 << (number & 3)
  }
  return digits.map((digit) => digit.toString(16)).join('')
}

/** Whether a worker is in the set. */
export function holds(bitmap: string, number: number): boolean {
  const digit = Number.parseInt(bitmap[number >>> 2] ?? '0', 16)
  return ((digit >>> (number & 3)) & 1) === 1
}
