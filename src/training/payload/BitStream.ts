import { PayloadError } from './PayloadError.ts'

/** Writes numbers bit by bit, the lowest bit of a byte first. */
export type BitWriter = {
  /** The `count` lowest bits of a number, 0 to 31 of them. */
  write(value: number, count: number): void
  /** Rice code: the quotient by 2^`parameter` as so many ones and a zero, then the rest. */
  writeRice(value: number, parameter: number): void
  /** All that was written; the last byte is filled up with zeros. */
  bytes(): Uint8Array
}

/** Starts with room for some bytes and grows. */
export function startWriter(room = 1024): BitWriter {
  let bytes = new Uint8Array(room)
  let position = 0
  const reserve = (bits: number) => {
    const needed = (position + bits + 7) >>> 3
    if (needed <= bytes.byteLength) return
    const larger = new Uint8Array(Math.max(needed, bytes.byteLength * 2))
    larger.set(bytes)
    bytes = larger
  }
  const write = (value: number, count: number) => {
    reserve(count)
    for (let done = 0; done < count;) {
      const at = position & 7
      const taken = Math.min(8 - at, count - done)
      bytes[position >>> 3]! |= ((value >>> done) & ((1 << taken) - 1)) << at
      done += taken
      position += taken
    }
  }
  return {
    write,
    writeRice(value, parameter) {
      for (let ones = value >>> parameter; ones > 0; ones -= 16) write(0xffff, Math.min(ones, 16))
      write(0, 1)
      write(value, parameter)
    },
    bytes: () => bytes.slice(0, (position + 7) >>> 3),
  }
}

/** Reads what a `BitWriter` wrote. */
export type BitReader = {
  /** @throws {PayloadError} past the end. */
  read(count: number): number
  /** @throws {PayloadError} past the end, or when the number is over `greatest`. */
  readRice(parameter: number, greatest: number): number
  /** @throws {PayloadError} unless less than a byte is left, all zeros. */
  end(): void
}

/** Starts at the first bit. */
export function startReader(bytes: Uint8Array): BitReader {
  let position = 0
  const read = (count: number) => {
    if (position + count > bytes.byteLength * 8)
      throw new PayloadError('The payload ends too early: fetch it again.')
    let value = 0
    for (let done = 0; done < count;) {
      const at = position & 7
      const taken = Math.min(8 - at, count - done)
      value |= ((bytes[position >>> 3]! >>> at) & ((1 << taken) - 1)) << done
      done += taken
      position += taken
    }
    return value
  }
  return {
    read,
    readRice(parameter, greatest) {
      let quotient = 0
      while (read(1) === 1)
        if (++quotient > greatest >>> parameter)
          throw new PayloadError('A gap in the payload leads out of its block.')
      const value = (quotient << parameter) | read(parameter)
      if (value > greatest) throw new PayloadError('A gap in the payload leads out of its block.')
      return value
    },
    end() {
      const rest = bytes.byteLength * 8 - position
      if (rest >= 8 || read(rest) !== 0)
        throw new PayloadError('The payload goes on after its last block.')
    },
  }
}
