import type { Backend } from '../Backend.ts'
import { DecoderFileError, type DecoderWeights, type LoadOptions } from './assembleDecoder.ts'
import type { ByteSource } from './ByteSource.ts'
import * as DecoderGguf from './DecoderGguf.ts'
import * as DecoderSafetensors from './DecoderSafetensors.ts'

/**
 * Reads a decoder from a GGUF file, or from safetensors files with their `config.json`.
 *
 * @throws {DecoderFileError} when the model is of a sort that this engine lacks.
 *
 * @example
 * ```ts
 * const { model, weights } = await loadDecoder({ backend }, { sources: [file] })
 * await using generator = await startGenerator({ backend, model, weights })
 * ```
 */
export async function loadDecoder(
  ports: { readonly backend: Backend },
  { sources, config }: { sources: readonly ByteSource[]; config?: unknown },
  options?: LoadOptions,
): Promise<DecoderWeights> {
  const [first] = sources
  if (!first) throw new DecoderFileError('There is no file.')
  const head = await first.read(0, Math.min(4, first.byteLength))
  if (new TextDecoder().decode(head) === 'GGUF') {
    if (sources.length > 1) throw new DecoderFileError('A GGUF file in several parts is not read.')
    return DecoderGguf.read(ports, first, options)
  }
  if (config === undefined)
    throw new DecoderFileError('It is no GGUF file; for safetensors, give its config.json too.')
  return DecoderSafetensors.read(ports, { config, sources }, options)
}
