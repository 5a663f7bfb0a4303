import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { tinyDecoder } from '../../../test/exactDecoders.ts'
import { BaseError } from '../../runtime/Errors.ts'
import { decoder } from '../models/decoder.ts'
import { reference } from '../reference.ts'
import { drawParameters } from '../train/startRun.ts'
import { fromBytes } from './ByteSource.ts'
import * as DecoderGguf from './DecoderGguf.ts'
import * as DecoderSafetensors from './DecoderSafetensors.ts'
import { loadDecoder } from './loadDecoder.ts'

const ports = { backend: reference }
const model = decoder(tinyDecoder)
const weights = await drawParameters(ports, { ...model, seed: [1, 2] })
const gguf = Uint8Array.from(Buffer.concat([...DecoderGguf.write({ model, weights })]))
const { config, file } = DecoderSafetensors.write({ model, weights })

describe('loadDecoder', () => {
  test('knows both formats by their first bytes', async () => {
    const sources = [fromBytes(gguf)]
    expect((await loadDecoder(ports, { sources })).weights).toEqual(weights)
    const other = { sources: [fromBytes(file)], config }
    expect((await loadDecoder(ports, other)).weights).toEqual(weights)
  })

  test('says what is missing', async () => {
    const load = (bytes: readonly Uint8Array[]) =>
      loadDecoder(ports, { sources: bytes.map(fromBytes) })
    await expect(load([])).rejects.toThrow('There is no file')
    await expect(load([file])).rejects.toThrow('give its config.json too')
    await expect(load([gguf, gguf])).rejects.toThrow('in several parts')
    await expect(load([new Uint8Array()])).rejects.toThrow('no GGUF file')
  })

  test('ends when it is told to', async () => {
    const signal = AbortSignal.abort()
    const load = loadDecoder(ports, { sources: [fromBytes(gguf)] }, { signal })
    await expect(load).rejects.toHaveProperty('name', 'AbortError')
  })

  test.each([
    ['GGUF', gguf, undefined],
    ['safetensors', file, config],
  ])('gives a decoder or an error of ours, whatever the bytes: %s', async (_, bytes, json) => {
    const edits = fc.array(fc.tuple(fc.nat(2500), fc.nat(255)), { minLength: 1, maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(edits, async (changes) => {
        const edited = bytes.slice()
        for (const [at, byte] of changes) edited[at] = byte
        const loading = loadDecoder(ports, { sources: [fromBytes(edited)], config: json })
        const error = await loading.then(() => undefined).catch((cause: unknown) => cause)
        if (error !== undefined) expect(error).toBeInstanceOf(BaseError)
      }),
      { numRuns: 300 },
    )
  })
})
