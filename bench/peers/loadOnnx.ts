/** The part of onnxruntime that the bench uses, in the machine's code or in WebAssembly. */
export type Ort = {
  readonly Tensor: new (dtype: string, data: Data, shape: readonly number[]) => OrtTensor
  readonly InferenceSession: {
    create(model: Uint8Array, options: Readonly<Record<string, unknown>>): Promise<Session>
  }
  readonly env: { readonly wasm: { numThreads: number }; logLevel: string }
}

export type Data = Float32Array | Int32Array

export type OrtTensor = { readonly data: Data; readonly dims: readonly number[] }

export type Session = {
  /** With tensors as `fetches` it writes into them. */
  run(feeds: Tensors, fetches?: Tensors): Promise<Tensors>
}

export type Tensors = Readonly<Record<string, OrtTensor>>

/** Packages that are not installed with the rest: TypeScript shall not look for them. */
export async function loadOnnx(kind: 'native' | 'web', threads: number): Promise<Ort> {
  const name: string = kind === 'native' ? 'onnxruntime-node' : 'onnxruntime-web'
  const ort = (await import(name)) as Ort
  if (kind === 'web') ort.env.wasm.numThreads = threads
  ort.env.logLevel = 'error'
  return ort
}

export function startSession(ort: Ort, model: Uint8Array, threads: number): Promise<Session> {
  return ort.InferenceSession.create(model, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
  })
}
