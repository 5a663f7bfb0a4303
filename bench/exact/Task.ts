import type { Profile } from '../../src/exact/ops.ts'
import type { ModelName } from './models.ts'

/** What a process of the bench is asked to do again and again. */
export type Task =
  /** The product of [m, k] and [k, n], both row-major; `i8` with a scale for each row and column. */
  | {
      readonly task: 'product'
      readonly kind: 'f32' | 'i8'
      readonly m: number
      readonly k: number
      readonly n: number
    }
  /** A whole training step of a decoder; engines that know no profiles compute in f32. */
  | { readonly task: 'step'; readonly model: ModelName; readonly profile: Profile }
  /** A text of so many tokens, one after the other, by the decoder of a GGUF file. */
  | {
      readonly task: 'decode'
      readonly path: string
      readonly profile: Profile
      readonly tokens: number
    }

/** What one measurement took, all repetitions together. */
export type Times = {
  /** Processor time of all threads of the process. */
  readonly cpuMs: number
  readonly wallMs: number
}

export type Request = { readonly task: Task; readonly repetitions: number }

/** Whether a task asks for nothing but f32. */
export function isInF32(task: Task): boolean {
  return (task.task === 'product' ? task.kind : task.profile) === 'f32'
}

/** Operations of a product, two for each multiply-add. */
export function operationsOf({ m, k, n }: Extract<Task, { task: 'product' }>): number {
  return 2 * m * k * n
}
