import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { wordRequest } from '../../test/engines.ts'
import { identityOf, providerWorld, type ProviderWorld } from '../../test/providerWorld.ts'
import * as Exchange from '../protocol/Exchange.ts'
import * as Json from '../protocol/Json.ts'
import * as Lease from '../protocol/Lease.ts'
import * as Order from '../protocol/Order.ts'
import { codeOf } from '../runtime/Errors.ts'

type Protocol = keyof typeof Exchange.protocols
const names = Object.keys(Exchange.protocols) as readonly Protocol[]
const knownCodes = /^(Protocol|Provider|Chain|Network|Identity)\.[A-Za-z0-9]+$/

describe('startProvider', () => {
  test('answers any bytes with a known error and changes nothing', async () => {
    const { world, provider, buyer, lease } = await served()
    const before = JSON.stringify(provider.leases(), bigints)
    const stranger = world.network.join(identityOf('stranger').peerId)
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.json().map((text) => new TextEncoder().encode(text)),
      fc.anything().map((value) => new TextEncoder().encode(JSON.stringify(value, bigints) ?? '')),
      fc
        .constantFrom('[', '{"job":', '"'.repeat(9), '[['.repeat(5_000))
        .map((text) => new TextEncoder().encode(text)),
    )
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...names), bytes, async (name, body) => {
        const code = await codeOfReply(world, stranger, Exchange.protocols[name], body)
        expect(code).toMatch(knownCodes)
      }),
      { numRuns: 300 },
    )
    expect(JSON.stringify(provider.leases(), bigints)).toBe(before)
    await world.drive(buyer.job(lease))
  })

  test('answers a message with one thing changed as it should, and changes nothing', async () => {
    const { world, provider, buyer, lease, network } = await served()
    const before = JSON.stringify(provider.leases(), bigints)
    const reply = await world.drive(buyer.order())
    if (reply.type !== 'bid') throw new Error('No bid.')
    const voucher = buyer.makeVoucher(lease, 5n)
    const valid: Readonly<Record<string, unknown>> = {
      order: toJson(Order.serialize(buyer.makeOrder())),
      lease: toJson(Lease.serialize(buyer.makeLease(reply.bid))),
      job: toJson(Json.toBytes(buyer.makeJob(lease, wordRequest()))),
      payment: toJson(Json.toBytes({ voucher, paid: [], refused: [] })),
      ready: { lease },
      pause: { lease },
      close: { lease },
      evidence: { job: lease },
    }
    const leaves = Object.entries(valid).flatMap(([name, value]) =>
      pathsOf(value).map((path) => ({ name: name as Protocol, path })),
    )
    const change = fc.oneof(
      fc.constantFrom<unknown>(undefined, null, -1, 2 ** 53, 1e300, '', '0x', {}, [], true),
      fc.string(),
      fc.bigInt({ min: -(2n ** 100n), max: 2n ** 100n }).map(String),
      fc.constant('x'.repeat(2_000)),
      fc
        .uint8Array({ minLength: 32, maxLength: 32 })
        .map((b) => `0x${Buffer.from(b).toString('hex')}`),
    )
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...leaves), change, async ({ name, path }, value) => {
        const body = replaced(valid[name], path, value)
        fc.pre(JSON.stringify(body) !== JSON.stringify(valid[name]))
        const bytes = new TextEncoder().encode(JSON.stringify(body))
        const code = await codeOfReply(world, network, Exchange.protocols[name], bytes)
        expect(code, `${name} ${path.join('.')}`).toMatch(knownCodes)
      }),
      { numRuns: 500 },
    )
    expect(JSON.stringify(provider.leases(), bigints)).toBe(before)
    await world.drive(buyer.job(lease))
  })

  test('takes from another peer none of the messages that it takes from their signer', async () => {
    const { world, provider, buyer, lease } = await served()
    const thief = await world.buyer('thief')
    const reply = await world.drive(buyer.order())
    if (reply.type !== 'bid') throw new Error('No bid.')
    const before = JSON.stringify(provider.leases(), bigints)
    const voucher = buyer.makeVoucher(lease, 5n)
    const stolen: Partial<Record<Protocol, unknown>> = {
      order: Order.serialize(buyer.makeOrder()),
      lease: Lease.serialize(buyer.makeLease(reply.bid)),
      job: buyer.makeJob(lease, wordRequest()),
      payment: { voucher, paid: [], refused: [] },
      ready: { lease },
      pause: { lease },
      close: { lease },
    }
    for (const [name, body] of Object.entries(stolen)) {
      const code = await world.drive(thief.tell(name as Protocol, body)).then(() => 'none', codeOf)
      expect(code, name).toMatch(/^Provider\.(ForbiddenError|UnknownLeaseError)$/)
    }
    expect(JSON.stringify(provider.leases(), bigints)).toBe(before)
  })

  test('takes no message of another network', async () => {
    const { world, buyer, lease } = await served()
    const domain = { ...world.chain.domain, chainId: 1 }
    const order = Order.sign(domain, buyer.makeOrder().message, buyer.identity)
    const code = (name: Protocol, body: unknown) =>
      world.drive(buyer.tell(name, body)).then(() => 'none', codeOf)
    expect(await code('order', Order.serialize(order))).toBe('Protocol.SignatureError')
    const { job, request } = buyer.makeJob(lease, wordRequest())
    const resigned = { job: { ...job, signature: order.signature }, request }
    expect(await code('job', resigned)).toBe('Protocol.SignatureError')
  })

  test('refuses messages larger than peers may send', async () => {
    const { world, buyer, lease } = await served()
    const code = await codeOfReply(
      world,
      world.network.join(identityOf('stranger').peerId),
      Exchange.protocols.job,
      new Uint8Array(Json.limitBytes + 1),
    )
    expect(code).toBe('Network.TooLargeError')
    const prompt = 'x'.repeat(1_000_001)
    const input = { kind: 'text' as const, prompt }
    await expect(world.drive(buyer.job(lease, { input }))).rejects.toMatchObject({
      code: 'Protocol.MalformedError',
    })
  })
})

async function served() {
  const world = providerWorld()
  const provider = await world.start()
  const buyer = await world.buyer()
  const { id: lease } = await world.drive(buyer.open())
  await world.drive(buyer.ready(lease))
  return { world, provider, buyer, lease, network: buyer.network }
}

async function codeOfReply(
  world: ProviderWorld,
  network: Awaited<ReturnType<typeof served>>['network'],
  protocol: string,
  body: Uint8Array,
): Promise<string> {
  const read = async () => {
    for await (const _ of network.request(world.provider.peerId, protocol, body)) return 'none'
    return 'empty'
  }
  return await world.drive(read().catch(codeOf))
}

const bigints = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)
const toJson = (bytes: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(bytes))

/** The way to every value in a tree, the tree itself left out. */
function pathsOf(value: unknown): readonly (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, item]) => [
    [key],
    ...pathsOf(item).map((path) => [key, ...path]),
  ])
}

function replaced(value: unknown, [key, ...rest]: readonly string[], item: unknown): unknown {
  if (key === undefined) return item
  const copy: Record<string, unknown> = { ...(value as object) }
  copy[key] = replaced(copy[key], rest, item)
  return Array.isArray(value) ? Object.values(copy) : copy
}
