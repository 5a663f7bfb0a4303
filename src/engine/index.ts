/**
 * Owns the port "run a job" and its adapters: `llamaCppEngine` for a GGUF file in this process,
 * `openaiEngine` for any OpenAI-compatible server, `exactEngine` for answers whose every bit is defined,
 * `memoryEngine` for simulations, `severalEngines` for more than one; the first model, computed from the
 * project's documents; and the detection of this machine's hardware. It does not know of prices, leases or
 * receipts: `provider/` and `verification/` do.
 */
export * from './Engine.ts'
export { exactEngine, type ExactEngine, type ExactSource } from './exact.ts'
export { firstModel, projectTexts, writeFirstModel, type FirstModel } from './firstModel.ts'
export { buildOf, gpuFolder, llamaCppEngine, startLlama } from './llamaCpp.ts'
export { memoryEngine } from './memoryEngine.ts'
export { openaiEngine } from './openai.ts'
export { detectGpus, detectHardware } from './hardware/detectHardware.ts'
export { severalEngines } from './severalEngines.ts'
export { readGguf } from './readGguf.ts'
export { parseNvidiaSmi, type Gpu } from './hardware/parseNvidiaSmi.ts'
