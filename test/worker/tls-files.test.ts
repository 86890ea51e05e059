import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import type { Test } from 'tap'
import { readTlsPair, watchTlsFiles } from '../../src/worker/tls-files.ts'
import type { TlsPair } from '../../src/worker/tls-files.ts'
import { makeCertificate } from '../authzen/support/certificate.ts'
import type { Pair, Validity } from '../authzen/support/certificate.ts'
import { until } from '../end-to-end/support/until.ts'
import { recordingLogger } from '../support/recording-logger.ts'

const DAY_MS = 86_400_000
const half = (text: string): string => text.slice(0, text.length / 2)
const fromNow = (days: number): Date => new Date(Date.now() + days * DAY_MS)

/** Watched files with a sound pair in them. */
async function watchPair(t: Test, pair: Pair) {
  const folder = t.testdir({ cert: pair.cert, key: pair.key })
  const files = { certFile: join(folder, 'cert'), keyFile: join(folder, 'key') }
  const { logger, lines } = recordingLogger()
  const [pairs, expiries]: [TlsPair[], number[]] = [[], []]
  const watch = watchTlsFiles({
    ...files,
    current: await readTlsPair(files),
    onPair: (next) => void pairs.push(next),
    metrics: { certificateTaken: (expiresAt) => void expiries.push(expiresAt) },
    logger,
    pollMs: 10,
  })
  t.teardown(() => watch[Symbol.dispose]())
  const told = (message: RegExp) =>
    until(`it is logged: ${message}`, () => lines.some(({ msg }) => message.test(msg)))
  return { ...files, pairs, expiries, lines, told }
}

test('files that are broken leave the pair as it is, and are taken once they are whole', async (t) => {
  const [first, other] = [await makeCertificate(), await makeCertificate('other')]
  type Files = { readonly certFile: string; readonly keyFile: string }
  const breaks: Readonly<Record<string, (files: Files) => Promise<void>>> = {
    'a certificate of another key': (files) => writeFile(files.certFile, other.cert),
    'a truncated certificate': (files) => writeFile(files.certFile, half(first.cert)),
    'a chain that is truncated': (files) =>
      writeFile(files.certFile, `${first.cert}\n${half(other.cert)}`),
    'a truncated key': (files) => writeFile(files.keyFile, half(first.key)),
    'an empty certificate': (files) => writeFile(files.certFile, ''),
    'an empty key': (files) => writeFile(files.keyFile, ''),
    'no key': (files) => rm(files.keyFile),
  }
  for (const [what, breakFiles] of Object.entries(breaks)) {
    await t.test(what, async (t) => {
      const context = await watchPair(t, first)
      await breakFiles(context)
      await context.told(/the certificate is not used: the old one stays/)
      t.same(context.pairs, [])
      t.notMatch(JSON.stringify(context.lines), /PRIVATE KEY|BEGIN/)
      await writeFile(context.certFile, other.cert)
      await writeFile(context.keyFile, other.key)
      await context.told(/the certificate was read again/)
      t.same(
        context.pairs.map(({ cert }) => String(cert)),
        [other.cert],
      )
    })
  }
})

test('what has not changed is not told of', async (t) => {
  const pair = await makeCertificate()
  const { certFile, pairs, lines, told } = await watchPair(t, pair)
  // In one step: half a file would be told of.
  await writeFile(`${certFile}.new`, pair.cert)
  await rename(`${certFile}.new`, certFile)
  const next = await makeCertificate('next')
  await writeFile(certFile, next.cert)
  await told(/not used/)
  t.notOk(lines.some(({ msg }) => msg.includes('read again')))
  t.same(pairs, [])
})

const CASES: readonly (readonly [string, Validity, RegExp])[] = [
  [
    'expired',
    { notBeforeDate: fromNow(-9), notAfterDate: fromNow(-1) },
    /^the certificate has expired$/,
  ],
  [
    'not valid yet',
    { notBeforeDate: fromNow(1), notAfterDate: fromNow(9) },
    /^the certificate is not valid yet$/,
  ],
]

test('a certificate that is not good now is told of, at the start and after a reload', async (t) => {
  const good = await makeCertificate('good', { notAfterDate: fromNow(30) })
  for (const [what, validity, message] of CASES) {
    const bad = await makeCertificate(what, validity)
    const started = await watchPair(t, bad)
    t.match(started.lines, [{ level: 40, msg: message, certFile: started.certFile }], what)
    const reloaded = await watchPair(t, good)
    t.same(reloaded.lines, [], 'a good one is not')
    await writeFile(reloaded.certFile, bad.cert)
    await writeFile(reloaded.keyFile, bad.key)
    await reloaded.told(message)
    t.equal(reloaded.pairs.length, 1, 'it is used all the same')
    const days = reloaded.expiries.map((ms) => Math.round((ms - Date.now()) / DAY_MS))
    t.same(days, [30, what === 'expired' ? -1 : 9], 'and its end is known')
  }
})

test('of a chain the leaf counts; what is not good above it is told of once', async (t) => {
  const leaf = await makeCertificate('leaf', { notAfterDate: fromNow(30) })
  const above = await makeCertificate('old root', {
    notBeforeDate: fromNow(-9),
    notAfterDate: fromNow(-1),
  })
  const chain = { cert: `${leaf.cert}\n${above.cert}`, key: leaf.key }
  const { expiries, lines } = await watchPair(t, chain)
  t.same(
    expiries.map((ms) => Math.round((ms - Date.now()) / DAY_MS)),
    [30],
  )
  t.match(lines, [
    { level: 30, subject: /old root/, msg: 'a certificate above the leaf has expired' },
  ])
})

test('certificates are taken under every label that Node takes', async (t) => {
  const good = await makeCertificate('good', { notAfterDate: fromNow(30) })
  const next = await makeCertificate('next', { notAfterDate: fromNow(60) })
  for (const label of ['X509 CERTIFICATE', 'TRUSTED CERTIFICATE']) {
    const relabel = (cert: string) => cert.replaceAll(' CERTIFICATE-----', ` ${label}-----`)
    const watched = await watchPair(t, { ...good, cert: relabel(good.cert) })
    await writeFile(watched.certFile, relabel(next.cert))
    await writeFile(watched.keyFile, next.key)
    await watched.told(/the certificate was read again/)
    t.equal(watched.pairs.length, 1)
    const days = watched.expiries.map((ms) => Math.round((ms - Date.now()) / DAY_MS))
    t.same(days, [30, 60], label)
  }
})
