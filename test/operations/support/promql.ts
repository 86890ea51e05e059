/** One use of a metric in an expression. */
type Selector = {
  readonly metric: string
  readonly matchers: readonly Matcher[]
  /** The function that the selector is the first argument of. */
  readonly inside: string | undefined
}
type Matcher = { readonly label: string; readonly operator: string; readonly value: string }

type Expression = {
  readonly selectors: readonly Selector[]
  /** Labels of `by`, `without`, `on` and `ignoring`. */
  readonly grouping: readonly string[]
}

const TOKEN = /"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\$?[A-Za-z_:][\w:]*|=~|!~|!=|[^\s]/g
const GROUPING = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right'])
const WORDS = new Set([...GROUPING, 'and', 'or', 'unless', 'bool', 'offset', 'NaN', 'Inf'])

/** As much of PromQL as says which metrics, labels and label values an expression names. */
export function readExpression(text: string): Expression {
  // Durations would read as words: `[5m]`, `[$__rate_interval]`.
  const tokens: readonly string[] = text.replaceAll(/\[[^\]]*\]/g, '').match(TOKEN) ?? []
  const selectors: Selector[] = []
  const grouping: string[] = []
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as string
    if (!/^[A-Za-z_:]/.test(token)) continue
    if (GROUPING.has(token)) {
      const end = tokens.indexOf(')', i)
      grouping.push(...tokens.slice(i + 2, end).filter((word) => word !== ','))
      i = end
    } else if (tokens[i + 1] === '{') {
      const end = tokens.indexOf('}', i)
      const matchers = readMatchers(tokens.slice(i + 2, end))
      selectors.push({ metric: token, matchers, inside: functionBefore(tokens, i) })
      i = end
    } else if (tokens[i + 1] !== '(' && !WORDS.has(token) && !GROUPING.has(tokens[i + 1] ?? '')) {
      selectors.push({ metric: token, matchers: [], inside: functionBefore(tokens, i) })
    }
  }
  return { selectors, grouping }
}

function functionBefore(tokens: readonly string[], index: number): string | undefined {
  return tokens[index - 1] === '(' ? tokens[index - 2] : undefined
}

function readMatchers(tokens: readonly string[]): Matcher[] {
  const matchers: Matcher[] = []
  const words = tokens.filter((token) => token !== ',')
  for (let i = 0; i < words.length; i += 3) {
    const [label = '', operator = '', quoted = ''] = words.slice(i, i + 3)
    matchers.push({ label, operator, value: quoted.slice(1, -1) })
  }
  return matchers
}
