import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { PREFIX } from '../../src/observability/metrics.ts'
import { NAMES, VARIABLES } from './support/configuration.ts'
import { readKnownSeries } from './support/known-metrics.ts'
import { readExpression } from './support/promql.ts'
import { readText, readYaml, ROOT } from './support/repository.ts'

type Rule = {
  readonly alert: string
  readonly expr: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}
type Panel = {
  readonly title: string
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[]
  readonly panels?: readonly Panel[]
}
type Dashboard = {
  readonly panels: readonly Panel[]
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly query: unknown }[]
  }
}
type Used = { readonly where: string; readonly expr: string; readonly templates: readonly string[] }

const DASHBOARDS = 'monitoring/grafana/dashboards'
const RUNBOOK = 'docs/runbook.md'
/** Given by Prometheus to all that it scrapes. */
const TARGET_LABELS = new Set(['job', 'instance'])
const SEVERITIES = new Set(['critical', 'warning', 'info'])
/** Functions that make sense of counters and histograms only. */
const COUNTER_FUNCTIONS = new Set(['rate', 'increase', 'irate', 'resets'])

const { groups } = readYaml('monitoring/alerts.yml') as { groups: { rules: Rule[] }[] }
const rules = groups.flatMap((group) => group.rules)
const { scrape_configs: scrapeConfigs } = readYaml('monitoring/prometheus.yml') as {
  scrape_configs: { job_name: string }[]
}
const runbook = readText(RUNBOOK)
const headings = [...runbook.matchAll(/^(#{1,6}) (.+)$/gm)].map(([, marks = '', title = '']) => ({
  level: marks.length,
  title,
  anchor: title
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-'),
}))

function dashboards(): Dashboard[] {
  const files = readdirSync(join(ROOT, DASHBOARDS)).filter((name) => name.endsWith('.json'))
  return files.map((name) => JSON.parse(readText(`${DASHBOARDS}/${name}`)) as Dashboard)
}

function dashboardUses(): Used[] {
  return dashboards().flatMap(({ panels, templating }) => [
    ...panels
      .flatMap((panel) => [panel, ...(panel.panels ?? [])])
      .flatMap(({ title, targets = [] }) =>
        targets.map(({ expr, legendFormat }) => ({
          where: `panel ${title}`,
          expr,
          templates: [...legendFormat.matchAll(/\{\{\s*(\w+)\s*\}\}/g)].map(
            ([, name = '']) => name,
          ),
        })),
      ),
    ...templating.list.flatMap(({ name, query }) => {
      const { query: text = '' } = query as { query?: string }
      const [, expr] = /^label_values\((.*), \w+\)$/.exec(text) ?? []
      return expr === undefined ? [] : [{ where: `variable ${name}`, expr, templates: [] }]
    }),
  ])
}

function alertUses(): Used[] {
  return rules.map(({ alert, expr, annotations }) => ({
    where: `alert ${alert}`,
    expr,
    templates: [
      ...Object.values(annotations)
        .join(' ')
        .matchAll(/\$labels\.(\w+)/g),
    ].map(([, name = '']) => name),
  }))
}

test('alerts and dashboards name only what the service exposes', async (t) => {
  const known = await readKnownSeries()
  const jobs = new Set(scrapeConfigs.map(({ job_name: name }) => name))
  for (const { where, expr, templates } of [...alertUses(), ...dashboardUses()]) {
    const { selectors, grouping } = readExpression(expr)
    t.ok(selectors.length > 0, `${where} names a metric`)
    t.equal(
      expr.split(PREFIX).length - 1,
      selectors.filter(({ metric }) => metric.startsWith(PREFIX)).length,
      `every metric of ${where} was seen`,
    )
    const labels = new Set(TARGET_LABELS)
    for (const { metric, matchers, inside } of selectors) {
      const series = metric === 'up' ? { type: 'gauge', labels: new Map() } : known.get(metric)
      if (!series) {
        t.fail(`${where} names ${metric}, which does not exist`)
        continue
      }
      if (COUNTER_FUNCTIONS.has(inside ?? '')) {
        t.match(series.type, /^(counter|histogram)$/, `${where}: ${inside}(${metric})`)
      }
      for (const label of series.labels.keys()) labels.add(label)
      for (const { label, value } of matchers) {
        if (label === 'job') t.ok(jobs.has(value), `${where}: a job ${value} is scraped`)
        if (TARGET_LABELS.has(label)) continue
        const values = [...(series.labels.get(label) ?? [])]
        for (const alternative of value.split('|')) {
          const found = values.some((known) => new RegExp(`^(?:${alternative})$`).test(known))
          t.ok(found, `${where}: ${metric} has ${label}="${alternative}"`)
        }
      }
    }
    for (const label of [...grouping, ...templates]) {
      t.ok(labels.has(label), `${where}: there is a label ${label}`)
    }
  }
})

test('every metric of the service is on a dashboard', async (t) => {
  const shown = dashboardUses().flatMap(({ expr }) => readExpression(expr).selectors)
  const families = new Set(shown.map(({ metric }) => metric.replace(/_(bucket|sum|count)$/, '')))
  for (const metric of (await readKnownSeries()).keys()) {
    if (/_(nodejs|process)_/.test(metric)) continue
    t.ok(families.has(metric.replace(/_(bucket|sum|count)$/, '')), metric)
  }
})

test('every alert says how bad it is, what it means, and where help is', (t) => {
  const names = rules.map(({ alert }) => alert)
  t.equal(new Set(names).size, names.length, 'names are unique')
  for (const { alert, labels, annotations } of rules) {
    t.ok(SEVERITIES.has(labels['severity'] ?? ''), `${alert} has a severity`)
    t.ok(annotations['summary'], `${alert} has a summary`)
    t.ok(annotations['description'], `${alert} has a description`)
    const [path, anchor] = (annotations['runbook_url'] ?? '').split('#')
    t.equal(path, RUNBOOK, `${alert} points to the runbook`)
    t.ok(
      headings.some((heading) => heading.title === alert && heading.anchor === anchor),
      `${alert} has a section of its own`,
    )
  }
  t.end()
})

test('every alert section of the runbook has an alert', (t) => {
  const first = headings.findIndex(({ title }) => title === 'Alerts')
  const after = headings.findIndex(({ level }, index) => index > first && level <= 2)
  const sections = headings.slice(first + 1, after).map(({ title }) => title)
  t.same(sections.toSorted(), rules.map(({ alert }) => alert).toSorted())
  t.end()
})

test('the runbook names only metrics, variables and sections that exist', async (t) => {
  const series = [...(await readKnownSeries()).keys()]
  const metrics = new Set(
    series.flatMap((name) => [name, name.replace(/_(bucket|sum|count)$/, '')]),
  )
  for (const [metric] of runbook.matchAll(/permission_check_\w+/g)) {
    t.ok(metrics.has(metric), metric)
  }
  const ownOnes = new Set(['ADMIN_KEY'])
  for (const [, variable = ''] of runbook.matchAll(/(?<![$\w])([A-Z]{2,}(?:_[A-Z]+)+)\b/g)) {
    t.ok(NAMES.has(variable) || ownOnes.has(variable), variable)
  }
  for (const [, anchor] of runbook.matchAll(/\]\(#([^)]+)\)/g)) {
    t.ok(
      headings.some((heading) => heading.anchor === anchor),
      `#${anchor}`,
    )
  }
})

function expressionOf(name: string): string {
  return rules.find(({ alert }) => alert === name)?.expr ?? ''
}

function defaultOf(name: string): string | number {
  return VARIABLES.get(name)?.default ?? 'none'
}

test('thresholds follow the defaults of the configuration', (t) => {
  const maxAge = Number(defaultOf('MAX_SNAPSHOT_AGE_SECONDS'))
  t.match(expressionOf('PermissionCheckMatrixNotServable'), new RegExp(` > ${maxAge}\\b`))
  t.match(expressionOf('PermissionCheckMatrixOld'), new RegExp(` > ${maxAge / 2}$`))
  const panels = dashboards().flatMap((dashboard) => dashboard.panels)
  const age = JSON.stringify(panels.find(({ title }) => title === 'Matrix age'))
  t.match(age, `"value":${maxAge / 2}}`)
  t.match(age, `"value":${maxAge}}`)
  t.equal(defaultOf('REBUILD_CRON'), '*/5 * * * *', 'windows are for a rebuild every 5 minutes')
  const budget = 'GENESYS_REQUESTS_PER_MINUTE'
  t.match(readText('monitoring/alerts.yml'), `${budget} (${defaultOf(budget)})`)
  t.end()
})

test('every alert has a case in which it fires', (t) => {
  const cases = readText('monitoring/alerts.test.yml')
  for (const { alert } of rules) t.match(cases, `alertname="${alert}"`)
  t.end()
})

const PROMTOOL = [
  '/usr/bin/promtool',
  '/usr/local/bin/promtool',
  process.env['PROMTOOL'] ?? '',
].find((path) => path !== '' && existsSync(path))

test('Prometheus takes the rules, and they fire when they are meant to', (t) => {
  if (PROMTOOL === undefined) {
    t.pass('not asked: there is no promtool on this machine')
    t.end()
    return
  }
  for (const [verb, file] of [
    ['check', 'alerts.yml'],
    ['test', 'alerts.test.yml'],
  ]) {
    const { status, stdout, stderr } = spawnSync(
      PROMTOOL,
      [verb ?? '', 'rules', join(ROOT, 'monitoring', file ?? '')],
      { encoding: 'utf8' },
    )
    t.equal(status, 0, `${file}: ${stdout}${stderr}`)
  }
  t.end()
})
