import { createHash, generateKeyPairSync, sign, X509Certificate } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as Hex from '../../protocol/Hex.ts'

/** A TLS key and its self-signed certificate, as PEM, and the SHA-256 by which others know it. */
export type Certificate = {
  readonly key: string
  readonly cert: string
  readonly fingerprint: Hex.Hex
}

/** The certificate kept in a directory; makes it the first time. */
export function loadCertificate(directory: string): Certificate {
  const paths = { key: join(directory, 'key.pem'), cert: join(directory, 'certificate.pem') }
  if (!existsSync(paths.key) || !existsSync(paths.cert)) {
    const { key, cert } = createCertificate()
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    writeFileSync(paths.cert, cert)
    writeFileSync(paths.key, key, { mode: 0o600 })
    chmodSync(paths.key, 0o600)
  }
  return withFingerprint(readFileSync(paths.key, 'utf8'), readFileSync(paths.cert, 'utf8'))
}

/** Makes a P-256 key and a certificate for it that nobody vouches for: who connects knows its hash (RFC 5280). */
export function createCertificate(): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const ecdsaWithSha256 = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02))
  const name = sequence(set(sequence(oid(0x55, 0x04, 0x03), tlv(0x0c, Buffer.from('weft')))))
  const toBeSigned = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, Buffer.from([1])),
    ecdsaWithSha256,
    name,
    sequence(utcTime('240101000000Z'), tlv(0x18, Buffer.from('99991231235959Z'))),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
  )
  const signature = sign('sha256', toBeSigned, privateKey)
  const der = sequence(toBeSigned, ecdsaWithSha256, tlv(0x03, Buffer.from([0]), signature))
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  return withFingerprint(key, new X509Certificate(der).toString())
}

/** SHA-256 of a certificate's DER. */
export function fingerprintOf(der: Uint8Array): Hex.Hex {
  return `0x${createHash('sha256').update(der).digest('hex')}`
}

function withFingerprint(key: string, cert: string): Certificate {
  return { key, cert, fingerprint: fingerprintOf(new X509Certificate(cert).raw) }
}

/** DER: tag, length, value (ITU-T X.690). */
function tlv(tag: number, ...values: readonly Buffer[]): Buffer {
  const value = Buffer.concat(values)
  const { length } = value
  if (length < 128) return Buffer.concat([Buffer.from([tag, length]), value])
  return Buffer.concat([Buffer.from([tag, 0x82, length >> 8, length & 255]), value])
}

function sequence(...values: readonly Buffer[]): Buffer {
  return tlv(0x30, ...values)
}

function set(...values: readonly Buffer[]): Buffer {
  return tlv(0x31, ...values)
}

function oid(...bytes: readonly number[]): Buffer {
  return tlv(0x06, Buffer.from(bytes))
}

function utcTime(text: string): Buffer {
  return tlv(0x17, Buffer.from(text))
}
