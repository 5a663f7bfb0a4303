import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import type { Backend } from '../../src/exact/index.ts'
import { type Course, type Plan, runCourse } from './course.ts'

/** Runs courses, and none twice. */
export type Records = {
  readonly course: (plan: Plan) => Promise<Course>
}

/**
 * Courses take hours together, so each is written down as it ends, a line a course, where the environment
 * variable WEFT_TRAINING_RECORD names a file; those that stand there already are not run again.
 */
export function recordsOf(backend: Backend, say: (text: string) => void): Records {
  const file = process.env['WEFT_TRAINING_RECORD']
  const known = new Map<string, Course>()
  const lines = file && existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []
  for (const line of lines.filter((each) => each !== '')) {
    const { plan, course } = JSON.parse(line) as { plan: Plan; course: Course }
    known.set(JSON.stringify(plan), course)
  }
  return {
    async course(plan) {
      const key = JSON.stringify(plan)
      const course = known.get(key) ?? (await runCourse(backend, plan))
      if (!known.has(key) && file) appendFileSync(file, `${JSON.stringify({ plan, course })}\n`)
      known.set(key, course)
      say(`${course.loss.toFixed(4)}  ${key}`)
      return course
    },
  }
}
