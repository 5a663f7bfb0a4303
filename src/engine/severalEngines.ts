import { UnknownModelError, UnsupportedError, type Engine, type Model } from './Engine.ts'

/**
 * Engines as one. A request goes to the one that has the model; where several have one of that name, to
 * that of the build asked for, else to the first. Disposing of it disposes of all.
 */
export function severalEngines(engines: readonly Engine[]): Engine {
  const models = engines.flatMap((engine) => engine.models)
  const find = (id: string, build: string | undefined) => {
    const isIt = (model: Model) => model.id === id && (build === undefined || model.build === build)
    const engine = engines.find((each) => each.models.some(isIt))
    if (engine) return engine
    throw new UnknownModelError({ model: id, models: models.map((model) => model.id) })
  }
  return {
    models,
    async *complete(request, options) {
      yield* find(request.model, options.build).complete(request, options)
    },
    async exactRun(request, options) {
      const found = await find(request.model, options.build).exactRun?.(request, options)
      if (found) return found
      const fix = 'ask for a build that computes exactly.'
      throw new UnsupportedError({ feature: 'runs that can be claimed', fix })
    },
    async [Symbol.asyncDispose]() {
      for (const engine of engines) await engine[Symbol.asyncDispose]()
    },
  }
}
