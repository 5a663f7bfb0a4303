import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Answer, createBulkWorld as createWorld } from '../../test/bulkWorld.ts'
import * as Hex from '../protocol/Hex.ts'
import { silentLogger } from '../runtime/silentLogger.ts'
import { systemClock } from '../runtime/systemClock.ts'
import type { Bulk } from './Bulk.ts'
import { httpsBulk } from './https.ts'
import { chunkBytes, hashFile } from './internal/manifest.ts'

const ports = { clock: systemClock(), logger: silentLogger() }

describe('httpsBulk', () => {
  test.each([0, 1, chunkBytes, 2 * chunkBytes + 12_345])('moves %i bytes', async (size) => {
    await using world = await createWorld()
    const { path, data } = world.file('original', size)
    const hash = await world.giver.share(path)
    const seen: number[] = []

    await world.taker.fetch(hash, world.copy, [world.giver.source], {
      onProgress: ({ bytes, totalBytes }) => {
        expect(totalBytes).toBe(size)
        seen.push(bytes)
      },
    })

    expect(hash).toBe(Hex.sha256(data))
    expect(Buffer.compare(readFileSync(world.copy), data)).toBe(0)
    expect(seen.at(-1)).toBe(size)
    expect(seen).toEqual(seen.toSorted((a, b) => a - b))
  })

  test('counts what went over the wire, on both sides the same', async () => {
    await using world = await createWorld()
    const { path } = world.file('original', 300_000)
    const hash = await world.giver.share(path)
    expect(world.giver.traffic()).toEqual({ sentBytes: 0, receivedBytes: 0 })

    await world.taker.fetch(hash, world.copy, [world.giver.source])

    const { sentBytes } = world.giver.traffic()
    expect(sentBytes).toBeGreaterThan(300_000)
    expect(sentBytes).toBeLessThan(310_000)
    // Both at one time: the last bytes may be under way.
    const differences = () => {
      const [giver, taker] = [world.giver.traffic(), world.taker.traffic()]
      return [giver.sentBytes - taker.receivedBytes, taker.sentBytes - giver.receivedBytes]
    }
    await expect.poll(differences).toEqual([0, 0])
  })

  test('offers no longer what it should not', async () => {
    await using world = await createWorld()
    const { path } = world.file('original', 5000)
    const hash = await world.giver.share(path)
    await world.giver.unshare(hash)
    await world.giver.unshare(hash)
    const fetched = world.taker.fetch(hash, world.copy, [world.giver.source])
    await expect(fetched).rejects.toMatchObject({ code: 'Bulk.UnavailableError' })
  })

  test('finds what is there already', async () => {
    await using world = await createWorld()
    const { path } = world.file('original', 5000)
    const hash = await world.giver.share(path)
    await world.taker.fetch(hash, world.copy, [world.giver.source])

    await world.taker.fetch(hash, world.copy, [])
    await Promise.all([
      world.taker.fetch(hash, `${world.copy}2`, [world.giver.source]),
      world.taker.fetch(hash, `${world.copy}2`, [world.giver.source]),
    ])

    expect(statSync(`${world.copy}2`).size).toBe(5000)
  })

  test('resumes what an aborted call has left, and checks it again', async () => {
    await using world = await createWorld()
    const { path, data } = world.file('original', 6 * chunkBytes)
    const hash = await world.giver.share(path)
    const stop = new AbortController()
    const reason = new Error('power cut')
    const cut = world.taker.fetch(hash, world.copy, [world.giver.source], {
      signal: stop.signal,
      onProgress: ({ bytes }) => void (bytes >= 2 * chunkBytes && stop.abort(reason)),
    })
    await expect(cut).rejects.toBe(reason)
    const partial = readFileSync(`${world.copy}.partial`)
    const rightChunks = countRight(partial, data)
    expect(rightChunks).toBeGreaterThanOrEqual(2)
    const first = Array.from({ length: 6 }, (_, i) => i).find((i) => isRight(partial, data, i))!
    partial[first * chunkBytes + 7]! ^= 1
    writeFileSync(`${world.copy}.partial`, partial)

    const seen: number[] = []
    const onProgress = ({ bytes }: { readonly bytes: number }) => void seen.push(bytes)
    await world.taker.fetch(hash, world.copy, [world.giver.source], { onProgress })

    expect(seen[0]).toBe((rightChunks - 1) * chunkBytes)
    expect(Buffer.compare(readFileSync(world.copy), data)).toBe(0)
  })

  test('uses several sources, and drops one that corrupts chunks', async () => {
    await using world = await createWorld()
    const { path, data } = world.file('original', 8 * chunkBytes)
    const hash = await world.giver.share(path)
    const manifest = JSON.stringify((await hashFile(path)).manifest)
    let corrupted = 0
    const asked = Promise.withResolvers<void>()
    const liar = await world.serve((request, response) => {
      if (request.url!.endsWith('/chunks')) return response.end(manifest)
      corrupted++
      asked.resolve()
      response.writeHead(206).end(new Uint8Array(chunkBytes))
    })
    const late = await world.serveWhen(path, { list: asked.promise })

    await world.taker.fetch(hash, world.copy, [liar, late, world.giver.source])

    expect(Buffer.compare(readFileSync(world.copy), data)).toBe(0)
    expect(corrupted).toBeLessThanOrEqual(3)
  })

  test('finds out who lied about how the content is cut, and keeps what was right', async () => {
    await using world = await createWorld()
    const { path, data } = world.file('original', 3 * chunkBytes)
    const { hash } = await hashFile(path)
    const asked = Promise.withResolvers<void>()
    const honest = await world.serveWhen(path, { list: asked.promise })
    const forged = Uint8Array.from(data)
    forged[2 * chunkBytes] = forged[2 * chunkBytes]! ^ 1
    const { manifest } = await hashFile(world.write('forged', forged))
    const liars = await Promise.all(
      [1, 2].map(async () =>
        world.serve((request, response) => {
          if (request.url!.endsWith('/chunks')) return response.end(JSON.stringify(manifest))
          asked.resolve()
          const [, start, end] = /bytes=(\d+)-(\d+)/.exec(request.headers.range!)!
          response.writeHead(206).end(forged.subarray(Number(start), Number(end) + 1))
        }),
      ),
    )
    const steps: number[] = []

    await world.taker.fetch(hash, world.copy, [...liars, honest], {
      onProgress: ({ bytes }) => void steps.push(bytes / chunkBytes),
    })

    expect(Buffer.compare(readFileSync(world.copy), data)).toBe(0)
    expect(steps).toEqual([0, 1, 2, 3, 2, 3])
    await expect(world.taker.fetch(hash, `${world.copy}2`, liars)).rejects.toThrowError(
      'Its list of chunks is not of this content.',
    )
  })

  test.each<readonly [string, Answer, string]>([
    ['does not have it', (_, response) => response.writeHead(404).end(), 'It answered 404.'],
    ['answers garbage', (_, response) => response.end('{"bytes":'), 'makes no sense'],
    [
      'claims a size that does not fit its chunks',
      (_, response) => response.end('{"bytes":1,"chunks":[]}'),
      'makes no sense',
    ],
    [
      'claims too much',
      (_, response) => response.end(claim(26 * chunkBytes)),
      'It offers 109051904 bytes, over 104857600.',
    ],
    [
      'sends more than asked for',
      (request, response) =>
        request.url!.endsWith('/chunks')
          ? response.end(claim(10))
          : response.writeHead(206).end(new Uint8Array(11)),
      'more than the 10 bytes',
    ],
    [
      'sends less than asked for',
      (request, response) =>
        request.url!.endsWith('/chunks')
          ? response.end(claim(10))
          : response.writeHead(206).end(new Uint8Array(9)),
      'wrong hash',
    ],
    [
      'ignores ranges',
      (request, response) =>
        request.url!.endsWith('/chunks') ? response.end(claim(10)) : response.end('0123456789'),
      'It answered 200.',
    ],
    ['redirects', (_, response) => response.writeHead(302, { location: '/' }).end(), '302'],
    ['breaks off', (_, response) => response.socket!.destroy(), 'hang up'],
  ])('does without a source that %s', async (_, answer, reason) => {
    await using world = await createWorld()
    const { path, data } = world.file('original', 1000)
    const hash = await world.giver.share(path)
    const bad = await world.serve(answer)

    await expect(
      world.taker.fetch(hash, world.copy, [bad], { maxBytes: 100 * 1024 * 1024 }),
    ).rejects.toMatchObject({
      code: 'Bulk.UnavailableError',
      message: expect.stringContaining(reason) as string,
    })
    await world.taker.fetch(hash, world.copy, [bad, world.giver.source])
    expect(Buffer.compare(readFileSync(world.copy), data)).toBe(0)
  })

  test('does without sources that are not who they should be, or nowhere', async () => {
    await using world = await createWorld()
    const { path } = world.file('original', 1000)
    const hash = await world.giver.share(path)
    const { url, certificate } = world.giver.source

    for (const [source, reason] of [
      [{ url, certificate: world.other.source.certificate }, 'another certificate'],
      [{ url: url.replace('https', 'http'), certificate }, 'not an HTTPS URL'],
      [{ url: 'nonsense', certificate }, 'not an HTTPS URL'],
      [{ url: 'https://127.0.0.1:1', certificate }, 'ECONNREFUSED'],
    ] as const)
      await expect(world.taker.fetch(hash, world.copy, [source])).rejects.toThrowError(reason)
    await expect(world.taker.fetch(hash, world.copy, [])).rejects.toHaveProperty(
      'code',
      'Bulk.UnavailableError',
    )
  })

  test('is patient with a source that is busy', async () => {
    await using world = await createWorld()
    const { path, data } = world.file('original', 1000)
    const { hash, manifest } = await hashFile(path)
    let busy = 0
    const slow = await world.serve((request, response) => {
      if (busy++ < 2) return response.writeHead(503).end()
      if (request.url!.endsWith('/chunks')) return response.end(JSON.stringify(manifest))
      response.writeHead(206).end(data)
    })

    await world.taker.fetch(hash, world.copy, [slow])

    expect(Buffer.compare(readFileSync(world.copy), data)).toBe(0)
  })

  test('says when the disk does not take it', async () => {
    await using world = await createWorld()
    const { path } = world.file('original', 1000)
    const hash = await world.giver.share(path)

    await expect(
      world.taker.fetch(hash, join(world.directory, 'missing', 'copy'), [world.giver.source]),
    ).rejects.toHaveProperty('code', 'Bulk.WriteError')
    await expect(world.giver.share(join(world.directory, 'missing'))).rejects.toThrowError('ENOENT')
  })

  test('stops fetches when it is closed', async () => {
    await using world = await createWorld()
    const { path } = world.file('original', 20 * chunkBytes)
    const hash = await world.giver.share(path)
    let closed: PromiseLike<void> | undefined
    const fetching = world.taker.fetch(hash, world.copy, [world.giver.source], {
      onProgress: () => void (closed ??= world.taker[Symbol.asyncDispose]()),
    })

    await expect(fetching).rejects.toHaveProperty('code', 'Bulk.StoppedError')
    await closed
  })

  test('keeps its certificate and what it knows of files over a restart', async () => {
    await using world = await createWorld()
    const { path } = world.file('original', 1000)
    const options = { directory: join(world.directory, 'kept') }
    const lives: (readonly [Hex.Hex, Hex.Hex])[] = []

    for (let life = 0; life < 2; life++) {
      await using bulk = await httpsBulk(ports, options)
      lives.push([bulk.source.certificate, await bulk.share(path)])
    }
    world.file('original', 1001)
    await using bulk = await httpsBulk(ports, options)

    expect(lives[0]).toEqual(lives[1])
    expect(await bulk.share(path)).not.toBe(lives[0]![1])
    const port = Number(new URL(bulk.source.url).port)
    await expect(httpsBulk(ports, { ...options, port })).rejects.toHaveProperty(
      'code',
      'Bulk.ListenError',
    )
  })
})

describe('httpsBulk server', () => {
  test('serves what is shared and nothing else', async () => {
    await using world = await createWorld()
    const { path, data } = world.file('original', 1000)
    const hash = (await world.giver.share(path)).slice(2)
    const get = async (url: string, options = {}) => ask(world.giver, url, options)

    expect(await get(`/${hash}`)).toMatchObject({ status: 200, body: Buffer.from(data) })
    expect(await get(`/${hash}`, { headers: { range: 'bytes=10-19' } })).toMatchObject({
      status: 206,
      body: Buffer.from(data.subarray(10, 20)),
      range: 'bytes 10-19/1000',
    })
    expect(await get(`/${hash}`, { headers: { range: 'bytes=1000-' } })).toMatchObject({
      status: 416,
    })
    expect(await get(`/${hash}`, { method: 'HEAD' })).toMatchObject({ status: 200 })
    expect(await get(`/${hash}`, { method: 'DELETE' })).toMatchObject({ status: 405 })
    for (const url of [
      '/',
      `/${hash}/`,
      `/${hash}/../original`,
      `/${'0'.repeat(64)}`,
      '/../../etc/passwd',
      '/%2e%2e/%2e%2e/etc/passwd',
      `/${hash}/chunks?x`,
    ])
      expect(await get(url)).toMatchObject({ status: 404 })
  })

  test('stops offering a file that has changed', async () => {
    await using world = await createWorld()
    const { path } = world.file('original', 1000)
    const hash = (await world.giver.share(path)).slice(2)
    writeFileSync(path, 'something else')

    expect(await ask(world.giver, `/${hash}`)).toMatchObject({ status: 410 })
    rmSync(path)
    expect(await ask(world.giver, `/${hash}`)).toMatchObject({ status: 410 })
  })

  test('turns clients away when it is busy', async () => {
    await using world = await createWorld()
    const { path } = world.file('original', 16 * chunkBytes)
    const hash = (await world.giver.share(path)).slice(2)

    // Clients that read nothing hold their place.
    const idle = await Promise.all(
      Array.from({ length: 64 }, async () => open(world.giver, `/${hash}`)),
    )
    expect(await ask(world.giver, `/${hash}`)).toMatchObject({ status: 503 })
    for (const response of idle) response.destroy()
    await expect.poll(async () => (await ask(world.giver, '/')).status).toBe(404)
  })
})

async function open(bulk: Bulk, path: string, options = {}): Promise<IncomingMessage> {
  const { hostname, port } = new URL(bulk.source.url)
  return await new Promise((resolve, reject) => {
    const outgoing = request(
      { hostname, port, path, rejectUnauthorized: false, ...options },
      resolve,
    )
    outgoing.on('error', reject)
    outgoing.end()
  })
}

async function ask(bulk: Bulk, path: string, options = {}) {
  const response = await open(bulk, path, { agent: false, ...options })
  const body = Buffer.concat(await response.toArray())
  return { status: response.statusCode, range: response.headers['content-range'], body }
}

function claim(bytes: number): string {
  const chunks = Array.from({ length: Math.ceil(bytes / chunkBytes) }, () => Hex.zero)
  return JSON.stringify({ bytes, chunks })
}

function isRight(partial: Uint8Array, data: Uint8Array, index: number): boolean {
  const cut = (bytes: Uint8Array) => bytes.subarray(index * chunkBytes, (index + 1) * chunkBytes)
  return Buffer.compare(cut(partial), cut(data)) === 0
}

function countRight(partial: Uint8Array, data: Uint8Array): number {
  return Array.from({ length: data.length / chunkBytes }, (_, i) => i).filter((i) =>
    isRight(partial, data, i),
  ).length
}
