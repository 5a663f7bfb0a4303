import { existsSync, readdirSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Backend } from '../../exact/Backend.ts'
import type { DecoderWeights } from '../../exact/weights/assembleDecoder.ts'
import * as Gguf from '../../exact/weights/Gguf.ts'
import { loadDecoder } from '../../exact/weights/loadDecoder.ts'
import * as Hex from '../../protocol/Hex.ts'
import { EngineError } from '../Engine.ts'
import { readGguf } from '../readGguf.ts'
import { fileSource } from '../fileSource.ts'
import { hashFile } from './hashFile.ts'
import { ggufTexts, modelTexts, publishedTexts, type ModelTexts } from './modelTexts.ts'

/** A decoder from the disk. */
export type OpenedDecoder = DecoderWeights & {
  /** From the file's name. */
  readonly name: string
  /** SHA-256 of the file; of a folder that of the lines `name sha256` of its files, sorted by name. */
  readonly hash: Hex.Hex
  /** How the weights are stored. They are computed with as f32. */
  readonly quantisation: string
  readonly texts: ModelTexts
}

/**
 * Reads a decoder from a GGUF file, or from a folder with config.json, safetensors, tokenizer.json and, where
 * there is one, tokenizer_config.json.
 *
 * @throws {Gguf.InvalidError} | {DecoderFileError} | {EngineError} when it holds no decoder of the exact engine.
 */
export async function openDecoder(
  { backend }: { readonly backend: Backend },
  { path, positions }: { path: string; positions: number },
): Promise<OpenedDecoder> {
  const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() ?? false
  return isFolder
    ? openFolder({ backend }, { path, positions })
    : openGguf({ backend }, { path, positions })
}

type Place = { readonly path: string; readonly positions: number }

async function openGguf(
  ports: { readonly backend: Backend },
  { path, positions }: Place,
): Promise<OpenedDecoder> {
  const header = await readGguf(path)
  const texts = modelTexts(ggufTexts(header))
  const before = await stat(path)
  const hash = await hashFile(path)
  await using source = await fileSource(path)
  const decoder = await loadDecoder(ports, { sources: [source] }, { positions })
  const after = await stat(path)
  if (after.mtimeMs !== before.mtimeMs || after.size !== before.size)
    throw new EngineError('The model file changed while it was loaded.', {
      metaMessages: [`File: ${path}`, 'Fix: start again when it is complete.'],
    })
  const name = basename(path).replace(/\.gguf$/i, '')
  return { ...decoder, name, hash, quantisation: Gguf.quantisation(header), texts }
}

async function openFolder(
  ports: { readonly backend: Backend },
  { path, positions }: Place,
): Promise<OpenedDecoder> {
  const weights = readdirSync(path).filter((name) => name.endsWith('.safetensors'))
  const [config, tokenizer] = await Promise.all(
    ['config.json', 'tokenizer.json'].map((name) => json(join(path, name))),
  )
  const more = join(path, 'tokenizer_config.json')
  const settings = existsSync(more) ? await json(more) : {}
  const names = ['config.json', 'tokenizer.json', ...weights]
  const all = existsSync(more) ? [...names, 'tokenizer_config.json'] : names
  const lines: string[] = []
  for (const name of all.toSorted())
    lines.push(`${name} ${(await hashFile(join(path, name))).slice(2)}\n`)
  await using stack = new AsyncDisposableStack()
  const sources = []
  for (const name of weights.toSorted()) sources.push(stack.use(await fileSource(join(path, name))))
  const decoder = await loadDecoder(ports, { sources, config }, { positions })
  const texts = modelTexts(publishedTexts({ tokenizer: tokenizer!, settings, config: config! }))
  const stored = config!['torch_dtype'] ?? config!['dtype']
  return {
    ...decoder,
    name: basename(path),
    hash: Hex.sha256(lines.join('')),
    quantisation: typeof stored === 'string' ? stored.slice(0, 64) : 'safetensors',
    texts,
  }
}

async function json(path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'))
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
    throw new TypeError('it is no object')
  } catch (cause) {
    throw new EngineError('A file of the model cannot be read.', {
      cause,
      metaMessages: [
        `File: ${path}`,
        'Fix: a folder of a model has config.json, tokenizer.json and safetensors files.',
      ],
    })
  }
}
