import type { Connection, Stream } from '@libp2p/interface'
import { describe, expect, test } from 'vitest'
import { linePool, linesLimit, StaleError, type TakenLine } from './linePool.ts'

const signal = new AbortController().signal

describe('linePool', () => {
  test('uses a line again, the last one first', async () => {
    const { pool, opened } = start()
    const [a, b] = [await pool.take('p', '/x', { signal }), await pool.take('p', '/x', { signal })]
    pool.release(a)
    pool.release(b)

    const again = await pool.take('p', '/x', { signal })

    expect(again).toMatchObject({ line: b.line, reused: true })
    expect(opened()).toBe(2)
  })

  test('keeps peers and protocols apart', async () => {
    const { pool, opened } = start()
    for (const [peer, protocol] of [
      ['p', '/x'],
      ['p', '/y'],
      ['q', '/x'],
    ] as const)
      pool.release(await pool.take(peer, protocol, { signal }))

    expect(opened()).toBe(3)
  })

  test('does not use again what was discarded, closed or was sent something unasked', async () => {
    const { pool, opened, streams } = start()
    pool.discard(await pool.take('p', '/x', { signal }), new Error('broken'))
    expect(streams[0]!.status).toBe('aborted')

    pool.release(await pool.take('p', '/x', { signal }))
    streams[1]!.abort(new Error('gone'))
    pool.release(await pool.take('p', '/x', { signal }))
    expect(opened()).toBe(3)

    streams[2]!.dispatchEvent(
      Object.assign(new Event('message'), { data: Uint8Array.of(0, 0, 0, 0, 1) }),
    )
    pool.release(await pool.take('p', '/x', { signal }))
    expect(opened()).toBe(4)
    expect(streams[2]!.status).toBe('aborted')
  })

  test('opens 8 at a time and has at most 128 in use', async () => {
    const gate = Promise.withResolvers<void>()
    const { pool, opened } = start({ gate: gate.promise })
    const taken: TakenLine[] = []
    const all = Array.from({ length: 200 }, async () => {
      taken.push(await pool.take('p', '/x', { signal }))
    })
    await settle()
    expect(opened()).toBe(8)

    gate.resolve()
    await settle()
    expect(taken).toHaveLength(linesLimit)
    while (taken.length < 200) {
      pool.release(taken[taken.length - linesLimit]!)
      await settle()
    }
    await Promise.all(all)

    expect(opened()).toBe(linesLimit)
  })

  test('lets who waits be aborted, without losing a place', async () => {
    const { pool } = start()
    const taken = await Promise.all(
      Array.from({ length: linesLimit }, async () => pool.take('p', '/x', { signal })),
    )
    const stop = new AbortController()
    const aborted = pool.take('p', '/x', { signal: stop.signal })
    const patient = pool.take('p', '/x', { signal })
    stop.abort(new Error('enough'))
    pool.release(taken[0]!)

    await expect(aborted).rejects.toThrowError('enough')
    expect(await patient).toMatchObject({ line: taken[0]!.line })
  })

  test('turns away more than 1024 that wait', async () => {
    const { pool } = start()
    const stop = new AbortController()
    const take = async () => pool.take('p', '/x', { signal: stop.signal })
    await Promise.all(Array.from({ length: linesLimit }, take))
    const waiting = Array.from({ length: 1024 }, async () => take().catch(() => 'aborted'))
    await settle()

    await expect(take()).rejects.toHaveProperty('code', 'Network.CongestedError')
    stop.abort(new Error('enough'))
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['aborted']))
  })

  test('gives the place back when nothing opens, and says when an old connection is to blame', async () => {
    const unsupported = Object.assign(new Error('no'), { name: 'UnsupportedProtocolError' })
    for (const [reused, failure, expected] of [
      [false, new Error('no stream'), Error],
      [true, new Error('no stream'), StaleError],
      [true, unsupported, Error],
    ] as const) {
      const { pool } = start({ reused, failure })
      for (let i = 0; i < 2 * linesLimit; i++) {
        const error: unknown = await pool.take('p', '/x', { signal }).catch((thrown) => thrown)
        expect(error).toBeInstanceOf(expected)
        expect(error instanceof StaleError).toBe(expected === StaleError)
      }
    }
  })

  test('takes no idle line when a connection is to be avoided', async () => {
    const { pool, opened } = start()
    const first = await pool.take('p', '/x', { signal })
    pool.release(first)
    const second = await pool.take('p', '/x', { signal, avoid: first.connection })

    expect(second.line).not.toBe(first.line)
    expect(opened()).toBe(2)
  })
})

/** A pool over connections whose streams do nothing by themselves. */
function start(options: { gate?: Promise<void>; reused?: boolean; failure?: Error } = {}) {
  const { gate, reused = false, failure } = options
  const streams: Stream[] = []
  let asked = 0
  const connection = {
    async newStream() {
      asked++
      await gate
      if (failure) throw failure
      const stream = createStream()
      streams.push(stream)
      return stream
    },
  } as unknown as Connection
  const pool = linePool(async () => ({ connection, reused }))
  return { pool, streams, opened: () => asked }
}

function createStream(): Stream {
  const state = {
    status: 'open',
    readStatus: 'readable',
    writeStatus: 'writable',
    remoteWriteStatus: 'writable',
    abort(error: Error) {
      state.status = 'aborted'
      stream.dispatchEvent(Object.assign(new Event('close'), { error }))
    },
    async close() {},
  }
  const stream = Object.assign(new EventTarget(), state)
  return Object.defineProperty(stream, 'status', { get: () => state.status }) as unknown as Stream
}

async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
}
