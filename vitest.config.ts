import { configDefaults, defineConfig } from 'vitest/config'

/** How long a machine under load may take; a poll waits so long for its condition, not vitest's one second. */
const times = {
  testTimeout: 180_000,
  hookTimeout: 300_000,
  expect: { poll: { timeout: 30_000 } },
}
const endToEnd = ['src/**/*.e2e.test.ts', 'test/**/*.e2e.test.ts']

/** First what needs only a core, two at a time; then what needs the machine, one at a time. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...endToEnd],
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          ...times,
        },
      },
      {
        test: {
          name: 'e2e',
          include: endToEnd,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
          ...times,
        },
      },
    ],
  },
})
