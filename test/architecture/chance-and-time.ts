import type { Node, Program } from 'oxc-parser'

const timers = /^(setTimeout|setInterval|setImmediate|performance)$/
const members =
  /^(Date\.now|Math\.random|crypto\.(randomUUID|getRandomValues)|globalThis\.(setTimeout|setInterval|setImmediate|performance|crypto))$/
const modules = /^node:(timers|timers\/promises|perf_hooks)$/
const imported = /^(randomUUID|randomBytes|randomInt|hrtime)$/

/** The globals of time and chance that a program reaches for, as they stand in the text. Names of properties and types do not count. */
export function chanceAndTime(program: Program): string[] {
  const found: string[] = []
  walk(program, (node, parent) => {
    const name = reachedFor(node, parent)
    if (name !== undefined) found.push(name)
  })
  return found
}

function reachedFor(node: Node, parent: Node | undefined): string | undefined {
  switch (node.type) {
    case 'Identifier':
      return timers.test(node.name) && !isName(node, parent) ? node.name : undefined
    case 'MemberExpression': {
      const { object, property } = node
      if (object.type !== 'Identifier' || property.type !== 'Identifier') return undefined
      const path = `${object.name}.${property.name}`
      return members.test(path) ? path : undefined
    }
    case 'NewExpression':
      return isDate(node.callee) && node.arguments.length === 0 ? 'new Date()' : undefined
    case 'CallExpression':
      return isDate(node.callee) ? 'Date()' : undefined
    case 'ImportDeclaration':
      return modules.test(node.source.value) && node.importKind !== 'type' ? node.source.value : undefined
    case 'ImportSpecifier':
      return node.imported.type === 'Identifier' && imported.test(node.imported.name) ? node.imported.name : undefined
    default:
      return undefined
  }
}

function isDate(node: Node): boolean {
  return node.type === 'Identifier' && node.name === 'Date'
}

/** Whether an identifier only names a member, a key or a type. */
function isName(node: Node, parent: Node | undefined): boolean {
  if (parent === undefined) return false
  if (parent.type === 'MemberExpression') return parent.property === node && !parent.computed
  if ('key' in parent && parent.key === node) return true
  return parent.type.startsWith('TS') && parent.type !== 'TSAsExpression' && parent.type !== 'TSSatisfiesExpression'
}

function walk(node: Node, visit: (node: Node, parent: Node | undefined) => void, parent?: Node): void {
  visit(node, parent)
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isNode(child)) walk(child, visit, node)
    }
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}
