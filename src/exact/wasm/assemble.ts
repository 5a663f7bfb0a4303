/**
 * Writes WebAssembly modules byte by byte, so that the order of instructions is ours: a compiler moves
 * multiply-adds about and loses the speed, and none has to be installed to build this project.
 */

/** Bytes of instructions, nested as they were put together. */
export type Code = readonly (number | Code)[]
export type Type = 'i32' | 'i64' | 'f32' | 'f64' | 'v128'

/** A variable of a function: `get` pushes it, `set` and `tee` store what their code pushes. */
export type Local = {
  readonly get: Code
  readonly set: (value: Code) => Code
  /** Stores a value and leaves it on the stack. */
  readonly tee: (value: Code) => Code
}

/** A function of the module: its number, for `call`. */
export type Function = { readonly index: number }

/** What the body of a function is written with. */
export type Scope = {
  readonly parameters: readonly Local[]
  readonly local: (type: Type) => Local
}

export type Signature = {
  readonly parameters: readonly Type[]
  readonly results?: readonly Type[]
  /** The name that JavaScript calls it by. */
  readonly exported?: string
}

/** A function of JavaScript that the module calls as `env.NAME`. */
export type Import = { readonly name: string; readonly parameters: readonly Type[] }

export type Pages = { readonly pages: number; readonly shared: boolean }

/** A module that grows, function by function. */
export type Assembler = {
  readonly define: (signature: Signature, body: (scope: Scope) => Code) => Function
  /** The function known by this key, defined when it is first asked for. */
  readonly once: (key: string, define: () => Function) => Function
  /** The module, with its memory in pages of 64 KiB; `shared` when threads run on the same memory. */
  readonly bytes: (memory: Pages) => Uint8Array<ArrayBuffer>
}

/**
 * Begins a module that imports `env.memory`, and functions, which are its first ones in that order.
 *
 * @example
 * ```ts
 * const module = startModule()
 * module.define({ parameters: ['i32'], results: ['i32'], exported: 'next' }, ({ parameters: [x] }) =>
 *   i32.add(x!.get, i32.const(1)))
 * new WebAssembly.Module(module.bytes({ pages: 1, shared: false }))
 * ```
 */
export function startModule(imports: readonly Import[] = []): Assembler {
  const types = new Map<string, number>()
  const typeBytes: Code[] = []
  const functions: { readonly type: number; readonly body: Code }[] = []
  const exported: Code[] = []
  const known = new Map<string, Function>()
  const importBytes = () =>
    imports.map((each) => [text('env'), text(each.name), 0x00, unsigned(typeIndex(each))])

  const typeIndex = ({ parameters, results = [] }: Omit<Signature, 'exported'>) => {
    const key = `${parameters.join()}:${results.join()}`
    const found = types.get(key)
    if (found !== undefined) return found
    const index = typeBytes.push([0x60, typeVector(parameters), typeVector(results)]) - 1
    types.set(key, index)
    return index
  }

  return {
    define(signature, body) {
      const locals: Type[] = []
      const first = signature.parameters.length
      const code = body({
        parameters: signature.parameters.map((_, index) => local(index)),
        local: (type) => local(first + locals.push(type) - 1),
      })
      const content = flatten([declarations(locals), code, 0x0b])
      const type = typeIndex(signature)
      const count = functions.push({ type, body: [unsigned(content.length), content] })
      const index = imports.length + count - 1
      if (signature.exported) exported.push([text(signature.exported), 0x00, unsigned(index)])
      return { index }
    },
    once(key, define) {
      const found = known.get(key) ?? define()
      known.set(key, found)
      return found
    },
    bytes({ pages, shared }) {
      const limit = [shared ? 0x03 : 0x01, unsigned(pages), unsigned(pages)]
      const imported = [...importBytes(), [text('env'), text('memory'), 0x02, limit]]
      return Uint8Array.from(
        flatten([
          [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
          section(1, typeBytes),
          section(2, imported),
          section(
            3,
            functions.map(({ type }) => unsigned(type)),
          ),
          section(7, exported),
          section(
            10,
            functions.map(({ body }) => body),
          ),
        ]),
      )
    },
  }
}

/** LEB128 of an unsigned number below 2^53. */
export function unsigned(value: number): readonly number[] {
  const bytes: number[] = []
  do {
    const rest = Math.floor(value / 128)
    bytes.push((value % 128) + (rest > 0 ? 128 : 0))
    value = rest
  } while (value > 0)
  return bytes
}

/** LEB128 of a signed number. */
export function signed(value: bigint): readonly number[] {
  const bytes: number[] = []
  for (;;) {
    const byte = Number(value & 0x7fn)
    value >>= 7n
    const isLast = (value === 0n && byte < 64) || (value === -1n && byte >= 64)
    bytes.push(isLast ? byte : byte + 128)
    if (isLast) return bytes
  }
}

function local(index: number): Local {
  const number = unsigned(index)
  return {
    get: [0x20, number],
    set: (value) => [value, 0x21, number],
    tee: (value) => [value, 0x22, number],
  }
}

const typeCodes: Readonly<Record<Type, number>> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
}

function typeVector(types: readonly Type[]): Code {
  return [unsigned(types.length), types.map((type) => typeCodes[type])]
}

/** Locals are declared in runs of one type. */
function declarations(locals: readonly Type[]): Code {
  const runs: { readonly type: Type; count: number }[] = []
  for (const type of locals) {
    const last = runs.at(-1)
    if (last?.type === type) last.count += 1
    else runs.push({ type, count: 1 })
  }
  return [unsigned(runs.length), runs.map(({ type, count }) => [unsigned(count), typeCodes[type]])]
}

function section(id: number, entries: readonly Code[]): Code {
  const content = flatten([unsigned(entries.length), entries])
  return [id, unsigned(content.length), content]
}

function text(value: string): Code {
  const bytes = [...new TextEncoder().encode(value)]
  return [unsigned(bytes.length), bytes]
}

function flatten(code: Code): readonly number[] {
  const bytes: number[] = []
  const visit = (part: Code) => {
    for (const item of part) {
      if (typeof item === 'number') bytes.push(item)
      else visit(item)
    }
  }
  visit(code)
  return bytes
}
