import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { DEFAULT_CLIENT } from '../../simulator/simulated-client.ts'
import { readConfig } from '../../src/config.ts'
import { ADMIN_SCOPES, CHECK_SCOPES, parseApiKeys } from '../../src/domain/principal.ts'
import { readCompose, variablesIn, withDefaults } from './support/compose.ts'
import type { ComposeService } from './support/compose.ts'
import { NAMES } from './support/configuration.ts'
import { isSent, pairsOf, readStages, textsOf } from './support/dockerfile.ts'
import { readText, readYaml, ROOT } from './support/repository.ts'

type PrometheusConfig = {
  readonly rule_files: readonly string[]
  readonly scrape_configs: readonly {
    readonly job_name: string
    readonly metrics_path: string
    readonly authorization: { readonly type: string; readonly credentials_file: string }
    readonly static_configs: readonly { readonly targets: readonly string[] }[]
  }[]
}

const compose = readCompose()
const services = Object.entries(compose.services)
const { service, simulator, prometheus, grafana } = compose.services as Readonly<
  Record<'service' | 'simulator' | 'prometheus' | 'grafana', ComposeService>
>
const stages = readStages()
const manifest = JSON.parse(readText('package.json')) as {
  version: string
  devDependencies: Record<string, string>
}
/** What images listen on that are not built here. */
const FOREIGN_PORTS: Readonly<Record<string, string>> = { prometheus: '9090', grafana: '3000' }

const PINNED = /^[\w./-]+:v?\d+\.\d+\.\d+(?:-[\w.-]+)?$/

function secretText(name: string): string {
  return readText(withDefaults(compose.secrets[name]?.file ?? '')).trim()
}

test('every image is pinned by an exact version', (t) => {
  for (const [name, { image = '', build }] of services) {
    t.match(image, PINNED, name)
    if (build) t.ok(image.endsWith(`:${manifest.version}`), `${name} has the package's version`)
  }
  const names = new Set(stages.map((stage) => stage.name))
  for (const { name, from } of stages) {
    if (!names.has(from)) t.match(from, PINNED, `stage ${name}`)
  }
  const [, version] = /^node:([\d.]+)-/.exec(stages[0]?.from ?? '') ?? []
  t.equal(version, manifest.devDependencies['node'], 'the image has the Node that tests run with')
  for (const stage of ['service', 'simulator']) {
    const version = pairsOf(stage, 'LABEL')['org.opencontainers.image.version']
    t.equal(version, manifest.version, `the label of ${stage}`)
  }
  t.end()
})

test('the image is built from what is there, and from nothing else', (t) => {
  const copied = stages.flatMap(({ instructions }) =>
    instructions
      .filter(({ name, text }) => name === 'COPY' && !text.startsWith('--from='))
      .flatMap(({ text }) => text.split(/\s+/).slice(0, -1)),
  )
  for (const path of copied) {
    t.ok(existsSync(join(ROOT, path)), `${path} exists`)
    t.ok(isSent(path), `${path} is sent to the builder`)
  }
  const lines = readText('.dockerignore').split('\n')
  const allowed = lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1))
  t.same(allowed.toSorted(), [...new Set(copied)].toSorted(), 'nothing is sent for nothing')
  t.equal(stages.at(-1)?.name, 'service', 'a build without target is the service')
  t.end()
})

test('both images run without root and end by a signal', (t) => {
  for (const stage of ['service', 'simulator']) {
    t.match(textsOf(stage, 'USER').at(-1), /^[1-9]\d*:[1-9]\d*$/, `${stage}: a number, not root`)
    t.same(textsOf(stage, 'STOPSIGNAL'), ['SIGTERM'])
    t.match(textsOf(stage, 'CMD').at(-1), /^\["node", /, `${stage}: node itself gets the signal`)
  }
  const { DATA_DIR, PORT, ADMIN_PORT } = pairsOf('service', 'ENV')
  t.same(textsOf('service', 'VOLUME'), [`["${DATA_DIR}"]`])
  const owned = `install -d -o 1000 -g 1000 -m 0700 ${DATA_DIR}`
  t.ok(textsOf('service', 'RUN').includes(owned), 'the volume belongs to the user')
  t.same(textsOf('service', 'EXPOSE'), [`${PORT} ${ADMIN_PORT}`])
  t.same(textsOf('simulator', 'EXPOSE'), [pairsOf('simulator', 'ENV')['SIMULATOR_PORT']])
  t.end()
})

test('everything is built, reached and waited for by names that exist', (t) => {
  for (const [name, { build, ports = [], depends_on: needed = {} }] of services) {
    if (build)
      t.ok(
        stages.some((stage) => stage.name === build.target),
        `target of ${name}`,
      )
    const open = build
      ? textsOf(build.target, 'EXPOSE').join(' ').split(' ')
      : [FOREIGN_PORTS[name]]
    for (const port of ports) {
      const [address, , inside] = port.split(':')
      t.equal(address, '127.0.0.1', `${name} is published on loopback only`)
      t.ok(open.includes(inside), `${name} listens on ${inside}`)
    }
    for (const [other, { condition }] of Object.entries(needed)) {
      const { build: built, healthcheck } = compose.services[other] ?? {}
      t.equal(condition, 'service_healthy')
      t.ok(
        healthcheck ?? (built && textsOf(built.target, 'HEALTHCHECK').length > 0),
        `${other}, which ${name} waits for, tells its health`,
      )
    }
  }
  t.end()
})

test('every container is confined', (t) => {
  for (const [
    name,
    { read_only: readOnly, cap_drop: dropped, security_opt: options },
  ] of services) {
    t.equal(readOnly, true, `${name}: read-only`)
    t.same(dropped, ['ALL'], `${name}: no capabilities`)
    t.same(options, ['no-new-privileges:true'], name)
  }
  t.end()
})

test('volumes and secrets are declared, used and there', (t) => {
  const used = { volumes: new Set<string>(), secrets: new Set<string>() }
  for (const [name, { volumes = [], secrets = [], environment = {} }] of services) {
    for (const volume of volumes) {
      const [source = ''] = volume.split(':')
      if (source.startsWith('./')) {
        t.ok(existsSync(join(ROOT, source)), `${source} exists`)
        t.match(volume, /:ro$/, `${source} is read-only`)
      } else used.volumes.add(source)
    }
    for (const secret of secrets) used.secrets.add(secret)
    for (const value of Object.values(environment)) {
      const [, secret] = /^\/run\/secrets\/(.+)$/.exec(value) ?? []
      if (secret !== undefined) t.ok(secrets.includes(secret), `${name} is given ${secret}`)
    }
  }
  t.same([...used.volumes].toSorted(), Object.keys(compose.volumes).toSorted())
  t.same([...used.secrets].toSorted(), Object.keys(compose.secrets).toSorted())
  for (const [name, { file }] of Object.entries(compose.secrets)) {
    t.ok(existsSync(join(ROOT, withDefaults(file))), `the demo value of ${name}`)
    t.equal(variablesIn(file).length, 1, `${name} can be replaced`)
  }
  t.ok(
    service.volumes?.some((volume) => volume.endsWith(`:${pairsOf('service', 'ENV')['DATA_DIR']}`)),
    'DATA_DIR is a volume',
  )
  t.end()
})

test('the service is given only variables that it reads, and starts with the demo values', (t) => {
  for (const [name, value] of Object.entries(service.environment ?? {})) {
    t.ok(NAMES.has(name), name)
    for (const variable of variablesIn(value)) t.equal(variable, name, 'keeps its name')
  }
  const fixedByImage = Object.keys(pairsOf('service', 'ENV'))
  t.same(
    fixedByImage.filter((name) => !NAMES.has(name)),
    [],
    'as in the image',
  )
  const entries = Object.entries({ ...pairsOf('service', 'ENV'), ...service.environment })
  const config = readConfig(
    Object.fromEntries(
      entries.map(([name, value]) => {
        const [, secret] = /^\/run\/secrets\/(.+)$/.exec(value) ?? []
        const file = secret && withDefaults(compose.secrets[secret]?.file ?? '')
        return [name, file === undefined ? withDefaults(value) : join(ROOT, file)]
      }),
    ),
  )
  t.equal(config.genesys.clientId, DEFAULT_CLIENT.id, 'the client that the simulator knows')
  t.equal(secretText('genesys-client-secret'), DEFAULT_CLIENT.secret)
  const port = pairsOf('simulator', 'ENV')['SIMULATOR_PORT']
  t.equal(config.genesys.baseUrl, `http://simulator:${port}`)
  t.equal(config.dataDir, pairsOf('service', 'ENV')['DATA_DIR'])
  t.end()
})

test('the simulator is given only options that it has', (t) => {
  const source = readText('simulator/main.ts')
  const names = [
    ...Object.keys(simulator.environment ?? {}),
    ...Object.keys(pairsOf('simulator', 'ENV')),
  ]
  for (const name of names) {
    const [, option = ''] = /^SIMULATOR_(.+)$/.exec(name) ?? []
    const key = option.toLowerCase().replaceAll('_', '-')
    t.match(source, new RegExp(`^  '?${key}'?: \\{ type: 'string'`, 'm'), name)
  }
  t.end()
})

test('Prometheus scrapes the admin plane with a key that opens its metrics', (t) => {
  const config = readYaml('monitoring/prometheus.yml') as PrometheusConfig
  t.equal(config.scrape_configs.length, 1)
  const [scrape] = config.scrape_configs
  t.same(scrape?.static_configs[0]?.targets, [`service:${pairsOf('service', 'ENV')['ADMIN_PORT']}`])
  t.equal(scrape?.metrics_path, '/metrics')
  t.equal(scrape?.authorization.credentials_file, '/run/secrets/metrics-key')
  t.ok(prometheus.secrets?.includes('metrics-key'))
  const keys = parseApiKeys(secretText('admin-api-keys'), ADMIN_SCOPES)
  const key = keys.find(({ secret }) => secret.reveal() === secretText('metrics-key'))
  t.same([...(key?.scopes ?? [])], ['metrics'], 'and nothing else')
  for (const file of config.rule_files) {
    t.ok(
      prometheus.volumes?.some((volume) => volume.includes(`:${file}:`)),
      `${file} is mounted`,
    )
  }
  t.end()
})

test('demo keys are marked as such, and the greeting of the compose file uses one', (t) => {
  const [key] = parseApiKeys(secretText('check-api-keys'), CHECK_SCOPES)
  t.match(readText('docker-compose.yml'), `'Authorization: Bearer ${key?.secret.reveal() ?? ''}'`)
  for (const name of [
    'check-api-keys',
    'admin-api-keys',
    'metrics-key',
    'grafana-admin-password',
  ]) {
    t.match(secretText(name), /demo-only/)
  }
  t.end()
})

test('Grafana finds its data source and its dashboard', (t) => {
  const folder = 'monitoring/grafana/provisioning'
  const { datasources } = readYaml(`${folder}/datasources/prometheus.yml`) as {
    datasources: { uid: string; type: string; url: string }[]
  }
  t.equal(datasources[0]?.type, 'prometheus')
  const { hostname, port } = new URL(datasources[0]?.url ?? '')
  t.ok(compose.services[hostname], 'the data source is a service')
  t.equal(port, FOREIGN_PORTS[hostname])
  const { providers } = readYaml(`${folder}/dashboards/permission-check.yml`) as {
    providers: { options: { path: string } }[]
  }
  const path = providers[0]?.options.path ?? ''
  t.ok(grafana.volumes?.includes(`./monitoring/grafana/dashboards:${path}:ro`))
  const home = grafana.environment?.['GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH'] ?? ''
  t.ok(existsSync(join(ROOT, home.replace(path, 'monitoring/grafana/dashboards'))), home)
  t.end()
})
