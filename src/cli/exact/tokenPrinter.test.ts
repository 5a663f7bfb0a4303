import { describe, expect, test } from 'vitest'
import { tokenPrinter } from './tokenPrinter.ts'

describe('tokenPrinter', () => {
  const shown = (bytes: readonly number[], isTerminal = false) => {
    const printer = tokenPrinter({ isTerminal })
    return [...bytes.map((byte) => printer.text(byte)), printer.rest()]
  }

  test('waits until a character is whole', () => {
    expect(shown([0x61, 0xc3, 0xa9, 0x62])).toEqual(['a', '', 'é', 'b', ''])
  })

  test('shows what is no character as such, at the latest in the end', () => {
    expect(shown([0xff, 0xe2, 0x82]).join('')).toBe('\ufffd\ufffd')
  })

  test('lets no control character reach a terminal', () => {
    const text = [0x1b, 0x5b, 0x32, 0x4a, 0x0a, 0x09, 0x07, 0xc2, 0x9b]
    expect(shown(text, true).join('')).toBe('\ufffd[2J\n\t\ufffd\ufffd')
    expect(shown(text).join('')).toContain('\u001b')
  })
})
