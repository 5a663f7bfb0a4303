// Adds to package-lock.json the optional packages of other platforms that the registry at hand could not
// describe when the file was written. Without them `npm ci` refuses the file. They carry no integrity
// hash: npm fetches and checks them on the platforms that need them. Run after every change of the lock.
import { readFileSync, writeFileSync } from 'node:fs'

const path = new URL('../package-lock.json', import.meta.url)
const lock = JSON.parse(readFileSync(path, 'utf8'))
const overrides = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
).overrides

const missing = []
for (const entry of Object.values(lock.packages))
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const place = `node_modules/${name}`
    if (lock.packages[place] || name in overrides || !/^\d+\.\d+\.\d+/.test(version)) continue
    lock.packages[place] = { version, ...platformOf(name), optional: true, ...dev(entry) }
    missing.push(name)
  }

if (missing.length > 0) {
  const packages = Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en'))
  writeFileSync(
    path,
    `${JSON.stringify({ ...lock, packages: Object.fromEntries(packages) }, null, 2)}\n`,
  )
}
console.log(`package-lock.json: ${missing.length} packages of other platforms added.`)

/** What a package of one platform is for, by the words in its name. */
function platformOf(name) {
  const words = name.split(/[/-]/)
  const find = (table) => Object.entries(table).find(([word]) => words.includes(word))?.[1]
  const os = find({
    darwin: 'darwin',
    mac: 'darwin',
    linux: 'linux',
    win32: 'win32',
    win: 'win32',
    windows: 'win32',
    android: 'android',
    freebsd: 'freebsd',
    openbsd: 'openbsd',
    netbsd: 'netbsd',
    sunos: 'sunos',
    openharmony: 'openharmony',
    aix: 'aix',
  })
  const cpu = find({
    x64: 'x64',
    amd64: 'x64',
    arm64: 'arm64',
    arm: 'arm',
    armv7l: 'arm',
    ia32: 'ia32',
    riscv64: 'riscv64',
    ppc64: 'ppc64',
    s390x: 's390x',
    loong64: 'loong64',
    wasm32: 'wasm32',
  })
  if (!os && !cpu) throw new Error(`The name ${name} does not say which platform it is for.`)
  const libc = /musl/.test(name) ? 'musl' : /linux.*-gnu/.test(name) ? 'glibc' : undefined
  return {
    ...(cpu ? { cpu: [cpu] } : {}),
    ...(os ? { os: [os] } : {}),
    ...(libc ? { libc: [libc] } : {}),
  }
}

function dev(entry) {
  return entry.dev ? { dev: true } : {}
}
