import type { Store } from './Store.ts'

/** A store that lives and dies with the process, or with the simulated disk that a test keeps. */
export function memoryStore(): Store {
  const tables = new Map<string, Map<string, string>>()
  const table = (name: string) => {
    const found = tables.get(name) ?? new Map<string, string>()
    tables.set(name, found)
    return found
  }

  return {
    get: async (name, key) => table(name).get(key),
    async list(name, { prefix = '', after, limit = 1000 } = {}) {
      return [...table(name)]
        .filter(([key]) => key.startsWith(prefix) && (after === undefined || key > after))
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .slice(0, limit)
        .map(([key, value]) => ({ key, value }))
    },
    async write(writes) {
      for (const { table: name, key, value } of writes)
        if (value === undefined) table(name).delete(key)
        else table(name).set(key, value)
    },
    async [Symbol.asyncDispose]() {},
  }
}
