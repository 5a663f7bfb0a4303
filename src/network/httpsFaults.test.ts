/** What bulk transfer meets in the world: liars, stalls, full disks, slow lines, and peers behind NAT. */
import { readFileSync, rmSync, symlinkSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Answer, createBulkWorld as createWorld } from '../../test/bulkWorld.ts'
import * as Hex from '../protocol/Hex.ts'
import * as Identity from '../protocol/Identity.ts'
import { seededRandom } from '../runtime/seededRandom.ts'
import { systemClock } from '../runtime/systemClock.ts'
import { virtualClock } from '../runtime/virtualClock.ts'
import { chunkBytes, hashFile } from './internal/manifest.ts'
import { memoryNetwork } from './memory.ts'

const small = { maxBytes: chunkBytes }

describe('httpsBulk among faulty sources', () => {
  test('gives the chunks of a source that stalls to the others', async () => {
    await using world = await createWorld()
    const { path, data } = world.file('original', 6 * chunkBytes)
    const { hash, manifest } = await hashFile(path)
    const stalled = Promise.withResolvers<void>()
    const silent = await world.serve((request, response) => {
      if (request.url!.endsWith('/chunks')) return response.end(JSON.stringify(manifest))
      stalled.resolve()
      response.writeHead(206)
      return response.write(data.subarray(0, 1000))
    })
    const honest = await world.serveWhen(path, { chunks: stalled.promise })
    await world.taker.fetch(hash, world.copy, [silent, honest])
    expect(Buffer.compare(readFileSync(world.copy), data)).toBe(0)
  })

  test('leaves a liar alone for a while', async () => {
    // A clock that stands still, so that nobody else is asked because a busy machine is slow.
    await using world = await createWorld({ clock: virtualClock() })
    const { path, data } = world.file('original', 1000)
    const other = world.file('another', 1001)
    const hash = await world.giver.share(path)
    let asked = 0
    const liar = await world.serve((_, response) => {
      asked++
      return response.end(new Uint8Array(1000))
    })
    await world.taker.fetch(hash, world.copy, [liar, world.giver.source], small)
    expect(Buffer.compare(readFileSync(world.copy), data)).toBe(0)
    const next = await world.giver.share(other.path)
    await world.taker.fetch(next, `${world.copy}2`, [liar, world.giver.source], small)
    expect(asked).toBe(1)
    await expect(world.taker.fetch(next, `${world.copy}3`, [liar], small)).rejects.toThrowError(
      /left alone for a minute: What it sent has the wrong hash/,
    )
  })

  test('comes to the right bytes whatever a source does to them', async () => {
    await using world = await createWorld()
    const random = seededRandom(5)
    const spoil: Record<string, (bytes: Uint8Array, response: ServerResponse) => void> = {
      flipped: (bytes, response) => {
        const at = Math.floor(random.next() * bytes.length)
        response.end(bytes.with(at, bytes[at]! ^ 1))
      },
      short: (bytes, response) => response.end(bytes.subarray(1)),
      long: (bytes, response) => response.end(Buffer.concat([bytes, new Uint8Array(1)])),
      endless: (bytes, response) => {
        const more = () => {
          while (response.writable && response.write(new Uint8Array(65_536)));
        }
        response.on('drain', more)
        more()
      },
      none: (_, response) => response.end(),
      cut: (bytes, response) => response.write(bytes.subarray(0, 9), () => response.destroy()),
    }
    const ways = fc.array(fc.constantFrom(...Object.keys(spoil)), { minLength: 1, maxLength: 3 })
    let files = 0
    await fc.assert(
      fc.asyncProperty(ways, fc.integer({ min: 1, max: 70_000 }), async (chosen, size) => {
        const { path, data } = world.file(`original${++files}`, size)
        const hash = await world.giver.share(path)
        const bad = chosen.map(
          (way): Answer =>
            (_, response) =>
              spoil[way]!(data, response),
        )
        const sources = await Promise.all(bad.map((answer) => world.serve(answer)))
        const copy = `${world.copy}${files}`
        await world.taker.fetch(hash, copy, [...sources, world.giver.source], small)
        expect(Buffer.compare(readFileSync(copy), data)).toBe(0)
      }),
      { numRuns: 12, seed: 11 },
    )
  })

  test('says that the disk is full, and takes the rest when there is room', async () => {
    await using world = await createWorld()
    const { path, data } = world.file('original', 2 * chunkBytes)
    const hash = await world.giver.share(path)
    symlinkSync('/dev/full', `${world.copy}.partial`)
    await expect(world.taker.fetch(hash, world.copy, [world.giver.source])).rejects.toMatchObject({
      code: 'Bulk.WriteError',
      message: expect.stringMatching(/ENOSPC[\s\S]*free some disk space/) as string,
    })
    rmSync(`${world.copy}.partial`)
    await world.taker.fetch(hash, world.copy, [world.giver.source])
    expect(Buffer.compare(readFileSync(world.copy), data)).toBe(0)
  })

  test('keeps its connections from one content to the next', async () => {
    await using world = await createWorld()
    const files = [world.file('one', 1000), world.file('two', 2000)]
    const ports = new Set<number | undefined>()
    const source = await world.serve((request, response) => {
      ports.add(request.socket.remotePort)
      const asked = files.find(({ data }) => request.url === `/${Hex.sha256(data).slice(2)}`)
      return response.end(asked!.data)
    })
    for (const { data } of files)
      await world.taker.fetch(Hex.sha256(data), `${world.copy}${data.length}`, [source], small)
    expect(ports.size).toBe(1)
  })
})

describe('httpsBulk on a slow line', () => {
  test.each([
    ['sends', { uploadBytesPerSecond: 1_000_000 }],
    ['takes', { downloadBytesPerSecond: 1_000_000 }],
  ])('%s no more than its user allows', async (_, options) => {
    await using world = await createWorld(options)
    const { path, data } = world.file('original', 500_000)
    const hash = await world.giver.share(path)
    const began = performance.now()
    await world.taker.fetch(hash, world.copy, [world.giver.source], small)
    expect(performance.now() - began).toBeGreaterThan(300)
    expect(Buffer.compare(readFileSync(world.copy), data)).toBe(0)
  })

  test('stops sending to who has gone', async () => {
    const clock = virtualClock()
    await using world = await createWorld({ clock, uploadBytesPerSecond: 1 })
    const { path } = world.file('original', 500_000)
    const hash = await world.giver.share(path)
    const stop = new AbortController()
    const reason = new Error('enough')
    const fetched = world.taker.fetch(hash, world.copy, [world.giver.source], {
      ...small,
      signal: stop.signal,
    })
    await expect.poll(() => world.giver.traffic().sentBytes).toBeGreaterThan(0)
    stop.abort(reason)
    await expect(fetched).rejects.toBe(reason)
  })
})

describe('httpsBulk with a network', () => {
  test('is served over the network by who cannot be dialled, in small and in large', async () => {
    const network = memoryNetwork({ clock: systemClock(), random: seededRandom(3) })
    const [one, two] = [1, 2].map((key) => Identity.from(new Uint8Array(32).fill(key)))
    await using world = await createWorld()
    await using giver = await world.start('one', { network: network.join(one!.peerId) })
    await using taker = await world.start('two', { network: network.join(two!.peerId) })
    const source = { url: 'https://127.0.0.1:1', certificate: Hex.zero, peer: one!.peerId }
    for (const size of [1000, 2 * chunkBytes + 5]) {
      const { path, data } = world.file(`original${size}`, size)
      const hash = await giver.share(path)
      const copy = `${world.copy}${size}`
      await taker.fetch(hash, copy, [source], size === 1000 ? small : {})
      expect(Buffer.compare(readFileSync(copy), data)).toBe(0)
    }
    const { receivedBytes } = taker.traffic()
    expect(receivedBytes).toBeGreaterThan(2 * chunkBytes + 1005)
    // What was sent to a question that had run out of time is sent again.
    expect(giver.traffic().sentBytes).toBeGreaterThanOrEqual(receivedBytes)
  })
})
