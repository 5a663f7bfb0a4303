import { basename, join } from 'node:path'
import OpenAI from 'openai'
import { hashFile } from '../hashFile.ts'
import { projectTexts, writeFirstModel } from '../../engine/firstModel.ts'
import * as Hex from '../../protocol/Hex.ts'
import { BaseError } from '../../runtime/Errors.ts'

/** What the providers of a local network serve. */
export type DemoModels = {
  /** Name that buyers ask for. */
  readonly id: string
} & (
  | {
      /** A validator can run it again. */
      readonly verifiable: true
      readonly path: string
      readonly weights: Hex.Hex
      /** Whether a fourth provider sells exact answers of it, wrong ones. */
      readonly isExact: boolean
      /** Another model, which the dishonest provider serves under the name of the first. */
      readonly otherPath: string
    }
  | { readonly verifiable: false; readonly upstream: string }
)

/** Prepares what is served: a file given, an upstream given, or the first model, computed from the project's documents. */
export async function makeModels(
  directory: string,
  options: {
    model?: string | undefined
    upstream?: string | undefined
    dispute: boolean
  },
): Promise<DemoModels> {
  const { model, upstream } = options
  if (upstream !== undefined) return { verifiable: false, upstream, id: await firstOf(upstream) }
  const texts = await projectTexts(join(import.meta.dirname, '../../..'))
  const otherPath = join(directory, 'other.gguf')
  await writeFirstModel(otherPath, { texts, smoothing: 8, contexts: 64 })
  if (model !== undefined) {
    const id = basename(model).replace(/\.gguf$/i, '')
    const weights = await hashFile(model)
    return { verifiable: true, isExact: false, id, path: model, weights, otherPath }
  }
  const path = join(directory, 'weft-first.gguf')
  const weights = await writeFirstModel(path, { texts })
  return { verifiable: true, isExact: options.dispute, id: 'weft-first', path, weights, otherPath }
}

/** The first model that an OpenAI-compatible server lists. */
async function firstOf(upstream: string): Promise<string> {
  const apiKey = process.env['UPSTREAM_API_KEY'] ?? 'none'
  try {
    const { data } = await new OpenAI({ baseURL: upstream, apiKey }).models.list()
    if (data[0]) return data[0].id
  } catch (cause) {
    throw new UpstreamError({ upstream, cause })
  }
  throw new UpstreamError({ upstream, cause: new Error('it lists no models') })
}

/** Thrown when the upstream named on the command line does not answer as an OpenAI-compatible server. */
class UpstreamError extends BaseError {
  override readonly code = 'Demo.UpstreamError'

  constructor({ upstream, cause }: { upstream: string; cause: unknown }) {
    super('The upstream does not list its models.', {
      cause,
      metaMessages: [
        `URL: ${upstream}`,
        `Reason: ${cause instanceof Error ? cause.message : String(cause)}`,
        'Fix: give the base URL up to and with /v1, and its key in UPSTREAM_API_KEY.',
      ],
    })
  }
}
