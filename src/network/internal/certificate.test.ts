import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createCertificate, fingerprintOf, loadCertificate } from './certificate.ts'

describe('createCertificate', () => {
  test('makes a certificate that signs itself and lasts', () => {
    const { key, cert, fingerprint } = createCertificate()
    const parsed = new X509Certificate(cert)

    expect(parsed.verify(parsed.publicKey)).toBe(true)
    expect(parsed.subject).toBe('CN=weft')
    expect(parsed.issuer).toBe('CN=weft')
    expect(parsed.validToDate.getUTCFullYear()).toBe(9999)
    expect(parsed.publicKey.asymmetricKeyDetails?.namedCurve).toBe('prime256v1')
    expect(fingerprint).toBe(`0x${parsed.fingerprint256.replaceAll(':', '').toLowerCase()}`)
    expect(key).toContain('PRIVATE KEY')
  })

  test('makes another one each time', () => {
    expect(createCertificate().fingerprint).not.toBe(createCertificate().fingerprint)
  })
})

describe('loadCertificate', () => {
  test('makes one the first time, for its owner alone to read', () => {
    using directory = temporary()
    const first = loadCertificate(directory.path)

    expect(loadCertificate(directory.path)).toEqual(first)
    expect(statSync(join(directory.path, 'key.pem')).mode & 0o777).toBe(0o600)
  })

  test('does not go on with a file that is none', () => {
    using directory = temporary()
    loadCertificate(directory.path)
    writeFileSync(join(directory.path, 'certificate.pem'), 'nonsense')

    expect(() => loadCertificate(directory.path)).toThrowError()
  })
})

describe('fingerprintOf', () => {
  test('is the SHA-256 of the bytes', () => {
    expect(fingerprintOf(new Uint8Array())).toBe(
      '0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    )
  })
})

function temporary() {
  const path = mkdtempSync(join(tmpdir(), 'weft-certificate-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) }
}
