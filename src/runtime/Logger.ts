/** Where a program says what it does, as a port. `pinoLogger` is the real one, `silentLogger` the one for tests. */
export type Logger = {
  debug(facts: Facts, message: string): void
  info(facts: Facts, message: string): void
  warn(facts: Facts, message: string): void
  error(facts: Facts, message: string): void
  /** A logger that adds `facts` to every line. */
  child(facts: Facts): Logger
}

/** Facts of one log line. Keys and tokens never belong here; `pinoLogger` redacts the usual names all the same. */
export type Facts = Readonly<Record<string, unknown>>
