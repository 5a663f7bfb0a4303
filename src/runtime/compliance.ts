/** What every adapter of a runtime port must do; each adapter's test calls the suite of its port. */
import { describe, expect, test } from 'vitest'
import type { Clock } from './Clock.ts'
import type { Logger } from './Logger.ts'
import type { Random } from './Random.ts'
import type { Store } from './Store.ts'

/** `elapse` lets at least `ms` of the clock's time pass. */
export function clockCompliance(
  create: () => { clock: Clock; elapse: (ms: number) => Promise<void> },
): void {
  describe('as a clock', () => {
    test('goes forward while it sleeps', async () => {
      const { clock, elapse } = create()
      const before = clock.now()
      const sleep = clock.sleep(20)
      await elapse(25)
      await sleep
      expect(clock.now() - before).toBeGreaterThanOrEqual(19)
    })

    test('wakes sleepers in order of their time', async () => {
      const { clock, elapse } = create()
      const woken: number[] = []
      const sleeps = [30, 10, 20].map((ms) => clock.sleep(ms).then(() => woken.push(ms)))
      await elapse(40)
      await Promise.all(sleeps)
      expect(woken).toEqual([10, 20, 30])
    })

    test('rejects a sleep with the reason of its signal', async () => {
      const { clock } = create()
      const controller = new AbortController()
      const sleep = clock.sleep(1_000_000, { signal: controller.signal })
      const reason = new Error('enough')
      controller.abort(reason)
      await expect(sleep).rejects.toBe(reason)
    })

    test('does not start a sleep whose signal has been aborted', async () => {
      const { clock } = create()
      const reason = new Error('never')
      await expect(clock.sleep(0, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    })
  })
}

export function randomCompliance(create: () => Random): void {
  describe('as randomness', () => {
    test('draws numbers in [0, 1) that spread out', () => {
      const random = create()
      const draws = Array.from({ length: 4096 }, () => random.next())
      expect(draws.every((draw) => draw >= 0 && draw < 1)).toBe(true)
      const mean = draws.reduce((sum, draw) => sum + draw, 0) / draws.length
      expect(mean).toBeGreaterThan(0.45)
      expect(mean).toBeLessThan(0.55)
    })

    test('draws as many bytes as asked, different ones each time', () => {
      const random = create()
      expect(random.bytes(0)).toHaveLength(0)
      expect(random.bytes(32)).toHaveLength(32)
      expect(random.bytes(32)).not.toEqual(random.bytes(32))
    })
  })
}

/** `lines` returns what was logged so far, parsed; undefined for a logger that keeps nothing. */
export function loggerCompliance(
  create: () => { logger: Logger; lines?: () => readonly Record<string, unknown>[] },
): void {
  describe('as a logger', () => {
    test('takes facts of every kind', () => {
      const { logger, lines } = create()
      logger.child({ part: 'test' }).info({ amountMicroUsd: 12n, error: new Error('no') }, 'Said.')
      const [line] = lines?.() ?? [undefined]
      if (line) expect(line).toMatchObject({ part: 'test', amountMicroUsd: '12', msg: 'Said.' })
    })

    test('never writes a secret', () => {
      const { logger, lines } = create()
      logger.warn({ apiKey: 'weft-secret', headers: { authorization: 'Bearer weft-secret' } }, 'x')
      logger.child({ privateKey: 'weft-secret' }).error({}, 'y')
      expect(JSON.stringify(lines?.() ?? [])).not.toContain('weft-secret')
    })
  })
}

export function storeCompliance(create: () => Store): void {
  describe('as a store', () => {
    test('returns what was written', async () => {
      await using store = create()
      await store.write([{ table: 'leases', key: 'a', value: '1' }])
      expect(await store.get('leases', 'a')).toBe('1')
      expect(await store.get('leases', 'b')).toBeUndefined()
      expect(await store.get('jobs', 'a')).toBeUndefined()
    })

    test('replaces and deletes', async () => {
      await using store = create()
      await store.write([{ table: 't', key: 'a', value: '1' }])
      await store.write([
        { table: 't', key: 'a', value: '2' },
        { table: 't', key: 'b', value: '3' },
      ])
      await store.write([
        { table: 't', key: 'b', value: undefined },
        { table: 't', key: 'never', value: undefined },
      ])
      expect(await store.list('t')).toEqual([{ key: 'a', value: '2' }])
    })

    test('applies the writes of one call in order', async () => {
      await using store = create()
      await store.write([
        { table: 't', key: 'a', value: '1' },
        { table: 't', key: 'a', value: undefined },
        { table: 't', key: 'a', value: '2' },
      ])
      expect(await store.get('t', 'a')).toBe('2')
    })

    test('lists in order of key, by prefix, after a key, up to a limit', async () => {
      await using store = create()
      const keys = ['b/2', 'a/1', 'b/1', 'c', 'b/3', 'b']
      await store.write(keys.map((key) => ({ table: 't', key, value: key })))
      const names = async (options: Parameters<Store['list']>[1]) =>
        (await store.list('t', options)).map((entry) => entry.key)
      expect(await names({})).toEqual(['a/1', 'b', 'b/1', 'b/2', 'b/3', 'c'])
      expect(await names({ prefix: 'b/' })).toEqual(['b/1', 'b/2', 'b/3'])
      expect(await names({ prefix: 'b/', after: 'b/1' })).toEqual(['b/2', 'b/3'])
      expect(await names({ after: 'b', limit: 2 })).toEqual(['b/1', 'b/2'])
      expect(await names({ prefix: 'z' })).toEqual([])
    })

    test('keeps text of any kind', async () => {
      await using store = create()
      const value = 'naïve "quoted" \n line, 漢字, 🧵, and a NUL: \u0000'
      await store.write([{ table: 't', key: 'k:0xab/é', value }])
      expect(await store.get('t', 'k:0xab/é')).toBe(value)
    })

    test('accepts an empty write', async () => {
      await using store = create()
      await store.write([])
      expect(await store.list('t')).toEqual([])
    })
  })
}
