import { describe, expect, test } from 'vitest'
import { memoryStore } from '../runtime/memoryStore.ts'
import { seededRandom } from '../runtime/seededRandom.ts'
import { virtualClock } from '../runtime/virtualClock.ts'
import { authorise, createKey, listKeys, revokeKey } from './keys.ts'

const setup = () => ({ store: memoryStore(), clock: virtualClock(), random: seededRandom(1) })

describe('createKey', () => {
  test('gives a secret of 256 bits that is kept nowhere', async () => {
    const ports = setup()
    const { secret, key } = await createKey(ports, { name: 'ci', capMicroUsd: 5n })
    expect(secret).toMatch(/^weft-sk-[\w-]{43}$/)
    expect(secret.startsWith(key.prefix)).toBe(true)
    const [row] = await ports.store.list('gateway-keys')
    expect(JSON.stringify(row)).not.toContain(secret.slice(14))
    expect(row!.key.slice(2, 18)).toBe(key.id)
  })

  test.each([
    [{ name: '', capMicroUsd: 1n }],
    [{ name: 'x'.repeat(129), capMicroUsd: 1n }],
    [{ name: 'x', capMicroUsd: 0n }],
    [{ name: 'x', capMicroUsd: -1n }],
    [{ name: 'x', capMicroUsd: 1n << 96n }],
    [{ name: 'x', capMicroUsd: 1n, concurrency: 0 }],
    [{ name: 'x', capMicroUsd: 1n, requestsPerMinute: 0 }],
    [{ name: 'x', capMicroUsd: 1n, expiresAt: 1 }],
  ])('refuses %o', async (options) => {
    const made = createKey(setup(), options)
    await expect(made).rejects.toMatchObject({ code: 'Gateway.InvalidKeyOptionsError' })
  })
})

describe('authorise', () => {
  test('knows a key again, with its cap and limits', async () => {
    const ports = setup()
    const made = await createKey(ports, { name: 'a', capMicroUsd: 12n, operator: true })
    expect(await authorise(ports, made.secret)).toEqual(made.key)
  })

  test.each(['', 'weft-sk-', `weft-sk-${'A'.repeat(43)}`, 'x'.repeat(100_000), 'gateway-keys'])(
    'does not know %.40s',
    async (secret) => {
      const ports = setup()
      await createKey(ports, { name: 'a', capMicroUsd: 12n })
      await expect(authorise(ports, secret)).rejects.toMatchObject({ why: 'unknown' })
    },
  )

  test('refuses a key from the moment it expires', async () => {
    const ports = setup()
    const expiresAt = ports.clock.now() + 1000
    const { secret } = await createKey(ports, { name: 'a', capMicroUsd: 1n, expiresAt })
    await ports.clock.run(expiresAt - 1)
    await authorise(ports, secret)
    await ports.clock.run(expiresAt)
    await expect(authorise(ports, secret)).rejects.toMatchObject({ why: 'expired' })
  })
})

describe('listKeys', () => {
  test('lists the oldest first', async () => {
    const ports = setup()
    for (const name of ['a', 'b', 'c']) {
      await createKey(ports, { name, capMicroUsd: 1n })
      await ports.clock.run(ports.clock.now() + 5)
    }
    expect((await listKeys(ports)).map(({ name }) => name)).toEqual(['a', 'b', 'c'])
  })
})

describe('revokeKey', () => {
  test('shuts a key for ever, and says since when', async () => {
    const ports = setup()
    const { secret, key } = await createKey(ports, { name: 'a', capMicroUsd: 1n })
    const { revokedAt } = await revokeKey(ports, key.id)
    await ports.clock.run(ports.clock.now() + 1000)
    expect((await revokeKey(ports, key.id)).revokedAt).toBe(revokedAt)
    await expect(authorise(ports, secret)).rejects.toMatchObject({ why: 'revoked' })
  })

  test('takes a whole id only', async () => {
    const ports = setup()
    const { key } = await createKey(ports, { name: 'a', capMicroUsd: 1n })
    for (const id of ['', key.id.slice(0, 8), '0000000000000000', '%'])
      await expect(revokeKey(ports, id)).rejects.toMatchObject({
        code: 'Gateway.UnknownKeyError',
      })
  })
})
